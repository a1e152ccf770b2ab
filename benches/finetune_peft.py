"""The other side of benches/finetune.rs: the same updates through PEFT with transformers.

Trains on the sentences of --data, padded to the longest of each micro-batch, once for each line of its standard input, and prints
the seconds by the clock and of the processors. Needs torch, transformers and peft.
"""

import argparse
import json
import sys
import time

import torch
from peft import LoraConfig, TaskType, get_peft_model
from transformers import AutoModelForTokenClassification, get_linear_schedule_with_warmup

BATCH, ACCUMULATION = 8, 4

parser = argparse.ArgumentParser()
parser.add_argument("--checkpoint", required=True)
parser.add_argument("--data", required=True)
parser.add_argument("--labels", type=int, required=True)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
torch.set_num_threads(options.threads)

batches = []
rows = json.load(open(options.data))
for start in range(0, len(rows), BATCH):
    part = rows[start : start + BATCH]
    longest = max(len(ids) for ids, _ in part)
    ids = torch.zeros(len(part), longest, dtype=torch.long)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, -100)
    for i, (tokens, targets) in enumerate(part):
        ids[i, : len(tokens)], mask[i, : len(tokens)] = torch.tensor(tokens), 1
        for position, label in targets:
            labels[i, position] = label
    batches.append({"input_ids": ids, "attention_mask": mask, "labels": labels})

for _ in sys.stdin:
    base = AutoModelForTokenClassification.from_pretrained(
        options.checkpoint, num_labels=options.labels, dtype=torch.float32
    )
    base.config.use_cache = False
    config = LoraConfig(
        task_type=TaskType.TOKEN_CLS, r=8, lora_alpha=32, lora_dropout=0.05, target_modules=["query_key_value"]
    )
    model = get_peft_model(base, config).train()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=2e-5, weight_decay=0.01)
    updates = len(batches) // ACCUMULATION
    schedule = get_linear_schedule_with_warmup(optimiser, 0, updates)
    start, worked = time.perf_counter(), time.process_time()
    for update in range(updates):
        for batch in batches[update * ACCUMULATION : (update + 1) * ACCUMULATION]:
            (model(**batch).loss / ACCUMULATION).backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
    print(time.perf_counter() - start, time.process_time() - worked, flush=True)

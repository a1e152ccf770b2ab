"""What PEFT with transformers makes of the fine-tuning that tests/finetune.rs does: initial adapter, losses, predictions.

    python3 tests/finetune/parity.py            # writes tests/finetune/initial and tests/finetune/expected.json
    python3 tests/finetune/parity.py --load DIR # loads an adapter that this crate saved, and prints its predictions' scores

Needs torch, transformers, tokenizers, peft, safetensors and seqeval. Reads the fixtures alone; tokenises and batches by itself.
"""

import argparse
import json
import pathlib

import torch
from peft import LoraConfig, PeftModel, TaskType, get_peft_model
from seqeval.metrics import f1_score
from tokenizers import Tokenizer
from transformers import AutoModelForTokenClassification, get_linear_schedule_with_warmup

HERE = pathlib.Path(__file__).parent
FIXTURES = HERE.parent.parent / "fixtures"
CHECKPOINT = FIXTURES / "tiny-bloom/global_step3000"
UPOS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X".split()
BATCH, ACCUMULATION, UPDATES, TESTED = 4, 2, 20, 60
RATE, DECAY, WARM_UP = 2e-3, 0.01, 2


def sentences(language, count):
    """Token ids of each word by itself, with the text's spaces, and the label on the first subword."""
    tokenizer = Tokenizer.from_file(str(FIXTURES / "tiny-bloom/tokenizer.json"))
    text = (FIXTURES / f"treebanks/{language}.conllu").read_text(encoding="utf-8")
    for block in text.strip().split("\n\n")[:count]:
        ids, labels, space = [], [], ""
        last, after = 0, ""  # of a multiword token, whose parts are words with spaces between them
        for line in block.splitlines():
            cells = line.split("\t")
            if "-" in cells[0] and not line.startswith("#"):
                last, after = int(cells[0].split("-")[1]), "" if "SpaceAfter=No" in cells[9] else " "
            if not cells[0].isdigit():
                continue
            pieces = tokenizer.encode(space + cells[1], add_special_tokens=False).ids
            ids += pieces
            labels += [UPOS.index(cells[3])] + [-100] * (len(pieces) - 1)
            space = "" if "SpaceAfter=No" in cells[9] else " "
            if int(cells[0]) <= last:
                space = after if int(cells[0]) == last else " "
        yield ids, labels


def padded(batch):
    longest = max(len(ids) for ids, _ in batch)
    rows = lambda i, fill: torch.tensor([x[i] + [fill] * (longest - len(x[i])) for x in batch])
    mask = torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids, _ in batch])
    return {"input_ids": rows(0, 0), "attention_mask": mask, "labels": rows(1, -100)}


def base():
    return AutoModelForTokenClassification.from_pretrained(CHECKPOINT, num_labels=len(UPOS), dtype=torch.float32)


def predictions(model, language):
    model.eval()
    gold, predicted = [], []
    for ids, labels in sentences(language, TESTED):
        with torch.no_grad():
            classes = model(input_ids=torch.tensor([ids])).logits[0].argmax(-1).tolist()
        gold.append([label for label in labels if label >= 0])
        predicted.append([c for c, label in zip(classes, labels) if label >= 0])
    tags = lambda rows: [["I-" + UPOS[c] for c in row] for row in rows]
    return predicted, f1_score(tags(gold), tags(predicted))


def train():
    torch.manual_seed(1)
    config = LoraConfig(
        task_type=TaskType.TOKEN_CLS, r=8, lora_alpha=32, lora_dropout=0.0, target_modules=["query_key_value"]
    )
    model = get_peft_model(base(), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                # Not 0, so that A has a gradient from the first update on.
                parameter.normal_(0.0, 0.02)
    model.save_pretrained(HERE / "initial")
    (HERE / "initial/README.md").unlink(missing_ok=True)
    path = HERE / "initial/adapter_config.json"
    path.write_text(path.read_text().replace(str(CHECKPOINT), "fixtures/tiny-bloom/global_step3000"))

    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.dim() > 1], "weight_decay": DECAY},
        {"params": [p for p in trained if p.dim() == 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=RATE)
    schedule = get_linear_schedule_with_warmup(optimiser, WARM_UP, UPDATES)
    rows = list(sentences("qa", BATCH * ACCUMULATION * UPDATES))
    losses = []
    model.train()
    for update in range(UPDATES):
        loss = 0.0
        for i in range(ACCUMULATION):
            start = (update * ACCUMULATION + i) * BATCH
            part = model(**padded(rows[start : start + BATCH])).loss / ACCUMULATION
            part.backward()
            loss += part.item()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
        optimiser.zero_grad()
        losses.append(loss)
    expected = {"losses": losses, "predictions": {}, "span_f1": {}}
    for language in ["qa", "qb", "qf"]:
        expected["predictions"][language], expected["span_f1"][language] = predictions(model, language)
    lines = [f'  "{key}": {json.dumps(value)}' for key, value in expected.items()]
    (HERE / "expected.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(losses, expected["span_f1"])


def load(adapter):
    model = PeftModel.from_pretrained(base(), adapter)
    for language in ["qa", "qb", "qf"]:
        rows, score = predictions(model, language)
        print(language, score, json.dumps(rows))


parser = argparse.ArgumentParser()
parser.add_argument("--load", type=pathlib.Path)
options = parser.parse_args()
load(options.load) if options.load else train()

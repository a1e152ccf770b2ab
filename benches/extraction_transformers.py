"""Tokens a second through Hugging Face transformers' BLOOM: the other side of benches/extraction.rs.

    python3 benches/extraction_transformers.py [--device cuda:0 --dtype bf16 --sentences 20000 --shape 7b1]

The same shape with random weights, and sentences of the same lengths: one by one, and padded in batches, in the order given and
sorted by length. With --serve it runs a round for each line of its standard input, for the bench that takes turns with it.
"""

import argparse
import itertools
import math
import statistics
import sys
import time

import torch
from transformers import BloomConfig, BloomModel

SHAPES = {"560m": (250880, 1024, 24, 16), "7b1": (250880, 4096, 30, 32), "tiny": (1024, 64, 3, 4)}
KINDS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def lengths(n):
    normal = statistics.NormalDist()
    # Prime to the number: every quantile comes once.
    stride = next(stride for stride in itertools.count(7) if math.gcd(stride, n) == 1)
    return [max(1, round(30 * math.exp(0.5 * normal.inv_cdf((i * stride % n + 0.5) / n)))) for i in range(n)]


def model(shape, kind, device):
    vocabulary, hidden, layers, heads = SHAPES[shape]
    config = BloomConfig(vocab_size=vocabulary, hidden_size=hidden, n_layer=layers, n_head=heads, use_cache=False)
    torch.manual_seed(1)
    with torch.device("meta"):
        bloom = BloomModel(config)
    bloom = bloom.to(kind).to_empty(device=device)
    with torch.no_grad():
        for name, tensor in bloom.named_parameters():
            norm = "layernorm" in name or name.startswith("ln_f")
            if name.endswith("bias"):
                tensor.zero_()
            elif norm:
                tensor.fill_(1.0)
            else:
                tensor.normal_(0.0, 0.02)
    return bloom.eval()


def batches(sentences, size, ordered):
    if ordered:
        sentences = sorted(sentences, key=len)
    for start in range(0, len(sentences), size):
        part = sentences[start : start + size]
        longest = max(map(len, part))
        ids = torch.zeros(len(part), longest, dtype=torch.long)
        mask = torch.zeros(len(part), longest, dtype=torch.long)
        for row, sentence in enumerate(part):
            ids[row, : len(sentence)] = sentence
            mask[row, : len(sentence)] = 1
        yield ids, mask


def seconds(bloom, device, sentences, size, ordered, clock):
    start = clock()
    with torch.inference_mode():
        for ids, mask in batches(sentences, size, ordered):
            # Without a mask where there is no padding, which is the faster way.
            mask = mask.to(device) if size > 1 else None
            states = bloom(ids.to(device), attention_mask=mask, use_cache=False).last_hidden_state
        # Reading a value waits for devices that work ahead.
        states[0, 0, 0].item()
    return clock() - start


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", default="f32", choices=KINDS)
    parser.add_argument("--shape", default="560m", choices=SHAPES)
    parser.add_argument("--sentences", type=int, default=48)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--batch", default=None, help="sizes of padded batches, apart by commas")
    parser.add_argument("--processor-time", action="store_true", help="count processor time, over the number of threads")
    parser.add_argument("--serve", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    sizes = options.batch or ("16" if options.device == "cpu" else "16,32,64,128,256")
    bloom = model(options.shape, KINDS[options.dtype], options.device)
    sentences = [
        (torch.arange(length) * 7919 + i * 104729) % bloom.config.vocab_size
        for i, length in enumerate(lengths(options.sentences))
    ]
    tokens = sum(map(len, sentences))
    clock = (lambda: time.process_time() / options.threads) if options.processor_time else time.perf_counter
    # On a GPU one by one is slow enough that a tenth of the sentences says it.
    few = sentences if options.device == "cpu" else sentences[::10]
    scale = tokens / sum(map(len, few))

    def one_round():
        yield "transformers one by one", seconds(bloom, options.device, few, 1, False, clock) * scale
        for size in map(int, sizes.split(",")):
            yield f"transformers padded, {size} a batch", seconds(bloom, options.device, sentences, size, False, clock)
            yield f"transformers padded and sorted, {size} a batch", seconds(bloom, options.device, sentences, size, True, clock)

    if options.serve:
        for _ in sys.stdin:
            for name, spent in one_round():
                print(f"{name}\t{spent}", flush=True)
            print(flush=True)
        return
    rates = {}
    for index in range(options.rounds):
        for name, spent in one_round():
            if index > 0 or options.rounds == 1:
                rates.setdefault(name, []).append(tokens / spent)
    for name, values in rates.items():
        print(f"{name}: {statistics.median(values):.1f} tokens/s ({min(values):.1f} to {max(values):.1f})")


if __name__ == "__main__":
    main()

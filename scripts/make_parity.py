"""Makes fixtures/parity: tiny BLOOM checkpoints with the activations that Hugging Face transformers computes for them.

    python3 -m venv /tmp/parity && /tmp/parity/bin/pip install torch==2.11.0 transformers safetensors
    /tmp/parity/bin/python scripts/make_parity.py fixtures/parity

Weights are random, from fixed seeds, with LayerNorms and biases away from 1 and 0 so that each of them matters.
"""

import collections
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file
from transformers import BloomConfig, BloomForCausalLM

VOCABULARY = 64


def activations(model, ids):
    """Every site by its name, for one sentence."""
    found = {}
    hooks = []

    def keep(name, pick):
        def hook(module, inputs, output):
            found[name] = pick(inputs, output)[0].detach().clone()

        return hook

    for i, block in enumerate(model.transformer.h):
        attention, mlp = block.self_attention, block.mlp
        # Both modules add the residual themselves: their last linear layer is what they add.
        hooks.append(attention.dense.register_forward_hook(keep(f"attention_output.{i}", lambda x, y: y)))
        hooks.append(mlp.dense_4h_to_h.register_forward_hook(keep(f"mlp_activation.{i}", lambda x, y: x[0])))
        hooks.append(mlp.dense_4h_to_h.register_forward_hook(keep(f"mlp_output.{i}", lambda x, y: y)))
    with torch.no_grad():
        output = model(ids.unsqueeze(0), output_hidden_states=True)
    for hook in hooks:
        hook.remove()
    for i, hidden in enumerate(output.hidden_states):
        found[f"residual.{i}"] = hidden[0]
    found["logits"] = output.logits[0]
    return found


def save_safetensors(weights, folder, shards):
    if shards == 1:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        return
    names = sorted(weights)
    index = {}
    for s in range(shards):
        file = f"model-{s + 1:05}-of-{shards:05}.safetensors"
        part = {n: weights[n] for n in names[s::shards]}
        index.update({n: file for n in part})
        save_file(part, folder / file, metadata={"format": "pt"})
    text = json.dumps({"metadata": {}, "weight_map": index}, indent=1)
    (folder / "model.safetensors.index.json").write_text(text)


def save_module(weights, folder, shards):
    """A module's state dict as it is: an OrderedDict with metadata, the tied head a second time, and a mask that is no number."""
    state = collections.OrderedDict(weights)
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    state["lm_head.weight"] = state["transformer.word_embeddings.weight"]
    state["transformer.h.0.self_attention.mask"] = torch.ones(4, 4, dtype=torch.bool).tril()
    torch.save(state, folder / "pytorch_model.bin")


def save_views(weights, folder, shards):
    """Shards whose tensors are views: all biases of a shard in one storage, matrices transposed, and parameters among them."""
    names = sorted(weights)
    index = {}
    for s in range(shards):
        file = f"pytorch_model-{s + 1:05}-of-{shards:05}.bin"
        part = {n: weights[n] for n in names[s::shards]}
        index.update({n: file for n in part})
        vectors = torch.cat([t for t in part.values() if t.dim() == 1])
        start = 0
        for name, tensor in part.items():
            if tensor.dim() == 1:
                part[name] = vectors[start : start + len(tensor)]
                start += len(tensor)
            else:
                part[name] = torch.nn.Parameter(tensor.T.contiguous().T)
        torch.save(part, folder / file, pickle_protocol=2 + s % 2)
    text = json.dumps({"metadata": {}, "weight_map": index}, indent=1)
    (folder / "pytorch_model.bin.index.json").write_text(text)


def case(folder, seed, dtype, prefix, shards, save=save_safetensors, head=None, **config):
    """`head` of a tied model: "differs" from the embedding beside it, or stands "alone" without one."""
    torch.manual_seed(seed)
    config = BloomConfig(vocab_size=VOCABULARY, hidden_dropout=0.0, attention_dropout=0.0, **config)
    model = BloomForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.add_(torch.randn_like(parameter) * (0.3 if parameter.dim() == 1 else 0.15))
            parameter.copy_(parameter.to(dtype).float())
    if head == "differs":
        model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.flip(0).clone())
    folder.mkdir(parents=True, exist_ok=True)
    weights = {k: v.to(dtype).contiguous() for k, v in model.transformer.state_dict().items()}
    weights = {("transformer." if prefix else "") + k: v for k, v in weights.items()}
    if not config.tie_word_embeddings or head == "differs":
        weights["lm_head.weight"] = model.lm_head.weight.detach().to(dtype).contiguous()
    if head == "alone":
        weights["lm_head.weight"] = weights.pop("transformer.word_embeddings.weight")
    save(weights, folder, shards)
    keys = ["hidden_size", "n_layer", "n_head", "apply_residual_connection_post_layernorm", "tie_word_embeddings"]
    values = {"model_type": "bloom", "vocab_size": VOCABULARY, **{k: getattr(config, k) for k in keys}}
    (folder / "config.json").write_text(json.dumps(values, indent=1) + "\n")
    loaded = BloomForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    generator = torch.Generator().manual_seed(seed + 1)
    expected = {}
    for i, length in enumerate([1, 2, 7, 7, 19]):
        ids = torch.randint(0, VOCABULARY, (length,), generator=generator)
        expected[f"{i}.input_ids"] = ids
        found = activations(model, ids)
        # transformers reads the files as the model they were made from; transposed weights change the order of sums.
        torch.testing.assert_close(activations(loaded, ids)["logits"], found["logits"], atol=1e-5, rtol=0)
        for name, tensor in found.items():
            expected[f"{i}.{name}"] = tensor.float().contiguous()
    save_file(expected, folder / "expected.safetensors")


if __name__ == "__main__":
    out = pathlib.Path(sys.argv[1])
    small = {"hidden_size": 16, "n_layer": 2, "n_head": 4}
    case(out / "single_prefix", 1, torch.float32, True, 1, **small)
    case(out / "sharded_no_prefix_bfloat16", 2, torch.bfloat16, False, 3, **small)
    case(out / "float16", 3, torch.float16, True, 1, **small)
    case(out / "six_heads", 4, torch.float32, True, 1, hidden_size=24, n_layer=2, n_head=6)
    case(out / "post_layernorm_residual", 5, torch.float32, True, 1, **small, apply_residual_connection_post_layernorm=True)
    case(out / "untied_head", 6, torch.float32, True, 1, **small, tie_word_embeddings=False)
    case(out / "pytorch_bin_tied_head", 7, torch.float16, True, 1, save_module, **small)
    case(out / "sharded_pytorch_bin_views", 8, torch.bfloat16, False, 3, save_views, **small)
    case(out / "head_differs", 9, torch.float32, True, 1, head="differs", **small)
    case(out / "head_alone", 10, torch.float32, True, 1, head="alone", **small)

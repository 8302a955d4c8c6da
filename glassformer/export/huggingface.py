"""Hugging Face: import of a folder in GPT-2's layout. Every weight of a token is copied exactly.

    wte, wpe                 the embeddings of tokens and positions
    h.i.ln_1, attn, ln_2     block i: norm, attention with q, k and v in one matrix, norm
    h.i.mlp                  c_fc up, c_proj down
    ln_f                     the last norm; the head is wte again unless `tie_word_embeddings` is false

GPT-2's linear layers are "Conv1D": their weights are stored input-first, which is the transpose of ours. Shapes are
compared with config.json before anything large is read, so a wrong or damaged folder is refused at once.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from glassformer.errors import CheckpointError, SettingError
from glassformer.export.tensors import AGAIN, Stored, open_tensors, read_json
from glassformer.model.gpt import GPTConfig
from glassformer.tokenizers import Tokenizer, _formats

LAYER = {
    "ln_1": ["mixer_norm"],
    "attn.c_attn": ["mixer.q_proj", "mixer.k_proj", "mixer.v_proj"],
    "attn.c_proj": ["mixer.o_proj"],
    "ln_2": ["mlp_norm"],
    "mlp.c_fc": ["mlp.up_proj"],
    "mlp.c_proj": ["mlp.down_proj"],
}
"""The names of GPT-2's parts of a block, and of ours. Where there are several of ours, GPT-2 keeps them in one
matrix."""

MASKS = (".attn.bias", ".attn.masked_bias")
"""Old files store the causal mask among the weights."""


def read_gpt2(folder: Path) -> tuple[GPTConfig, dict[str, Tensor], Tokenizer]:
    """(config, weights under our names in float32, tokenizer) of a folder that `save_pretrained` wrote.

    The config has dropout 0, since dropout belongs to training and not to the weights. Rows of the vocabulary behind the
    last token, with which a table is padded to a round size, are left out. Raises CheckpointError, TokenizerError.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder that holds config.json and the weights")
    config = read_config(folder / "config.json")
    tokenizer = _formats.read(folder)
    if tokenizer.vocab_size > config.vocab_size:
        raise CheckpointError(
            f"{folder} has a tokenizer of {tokenizer.vocab_size} ids and a model of {config.vocab_size}; "
            "put the tokenizer's files that belong to the model there"
        )
    weights = read_weights(folder, config)
    V = tokenizer.vocab_size
    for name in ("embed.weight", "head.lm_head.weight"):
        if name in weights:
            weights[name] = weights[name][:V].contiguous()
    return config.override(f"vocab_size={V}", f"absent={[list(ids) for ids in tokenizer.absent]}"), weights, tokenizer


def read_config(path: Path) -> GPTConfig:
    """Our config for GPT-2's config.json. Raises CheckpointError, which names a setting that is not supported."""
    tree = read_json(path)
    for name, supported, default in (
        ("model_type", "gpt2", None),
        ("activation_function", "gelu_new", "gelu_new"),
        ("scale_attn_weights", True, True),
        ("scale_attn_by_inverse_layer_idx", False, False),
        ("add_cross_attention", False, False),
    ):
        value = tree.get(name, default)
        if value != supported:
            raise CheckpointError(
                f"{path}: {name} is {json.dumps(value)}, but only {json.dumps(supported)} can be imported; "
                "choose a GPT-2 model"
            )
    try:
        return GPTConfig.parse({
            "vocab_size": tree.get("vocab_size", 50257),
            "context_length": tree.get("n_positions", tree.get("n_ctx", 1024)),
            "n_layer": tree.get("n_layer", 12),
            "n_head": tree.get("n_head", 12),
            "n_embd": tree.get("n_embd", 768),
            "bias": True,
            "position": "learned",
            "norm": {"name": "layernorm", "eps": tree.get("layer_norm_epsilon", 1e-5)},
            "mlp": {"name": "gelu", "n_hidden": tree.get("n_inner")},
            "head": "tied" if tree.get("tie_word_embeddings", True) else "untied",
        })  # fmt: skip
    except SettingError as error:
        raise CheckpointError(f"{path} does not describe a GPT-2 model ({error}); {AGAIN}") from None


def read_weights(folder: Path, config: GPTConfig) -> dict[str, Tensor]:
    """All tensors under our names, in float32. Raises CheckpointError before any is read if one does not fit."""
    stored = {
        name.removeprefix("transformer."): tensor
        for name, tensor in open_tensors(folder).items()
        if not name.endswith(MASKS)
    }
    if config.head.name == "tied":
        stored.pop("lm_head.weight", None)
    if config.n_layer > len(stored):
        raise CheckpointError(
            f"{folder}: config.json says {config.n_layer} layers, but the weights have fewer; {AGAIN}"
        )
    expected = list(layout(config))
    _check(folder, stored, {name: shape for name, shape, _ in expected})
    weights = {}
    for name, _, ours in expected:
        tensor = stored[name].read().float()
        parts = (tensor.t() if ".c_" in name else tensor).chunk(len(ours))
        weights |= {our_name: part.contiguous() for our_name, part in zip(ours, parts)}
    return weights


def layout(config: GPTConfig) -> Iterator[tuple[str, tuple[int, ...], list[str]]]:
    """(GPT-2's name, shape, our names) of every tensor of a GPT-2 model."""
    V, C = config.vocab_size, config.n_embd
    F = getattr(config.mlp, "n_hidden", None) or 4 * C
    shapes = {"attn.c_attn": (C, 3 * C), "attn.c_proj": (C, C), "mlp.c_fc": (C, F), "mlp.c_proj": (F, C)}
    yield "wte.weight", (V, C), ["embed.weight"]
    yield "wpe.weight", (config.context_length, C), ["position.table.weight"]
    for i in range(config.n_layer):
        for theirs, ours in LAYER.items():
            shape = shapes.get(theirs, (C,))
            yield f"h.{i}.{theirs}.weight", shape, [f"blocks.{i}.{name}.weight" for name in ours]
            yield f"h.{i}.{theirs}.bias", shape[-1:], [f"blocks.{i}.{name}.bias" for name in ours]
    yield "ln_f.weight", (C,), ["final_norm.weight"]
    yield "ln_f.bias", (C,), ["final_norm.bias"]
    if config.head.name == "untied":
        yield "lm_head.weight", (V, C), ["head.lm_head.weight"]


def _check(folder: Path, stored: dict[str, Stored], expected: dict[str, tuple[int, ...]]) -> None:
    for name, shape in expected.items():
        if name not in stored:
            raise CheckpointError(
                f"{folder} has no tensor {name}, which a GPT-2 model with its config.json needs; {AGAIN}"
            )
        if stored[name].shape != shape:
            raise CheckpointError(
                f"{folder}: {name} has shape {stored[name].shape}, but by config.json it should have {shape}; "
                "put the config.json that belongs to these weights there"
            )
    extra = sorted(stored.keys() - expected.keys())
    if extra:
        raise CheckpointError(
            f"{folder} has a tensor {extra[0]}, which a GPT-2 model with its config.json does not have; save it as a "
            "GPT2LMHeadModel"
        )

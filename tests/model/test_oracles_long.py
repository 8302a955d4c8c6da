"""Llama, Qwen3 and GPT-NeoX against `transformers` on long texts, where a rounding of RoPE's frequencies adds up.

Heads have 64 rotary pairs, as those of real models do, and queries and keys are made longer, so that a softmax is sharp:
then frequencies that are rounded otherwise give logits that are off by 4e-4 and more.
"""

import pytest
import torch
from torch import nn

from glassformer import kernels
from glassformer.model.gpt import GPT

from .oracles import LLAMA, LLAMA_OURS, ROPE, filled, renamed, shake
from .test_oracles_families import neox

transformers = pytest.importorskip("transformers")
SIZES = {"hidden_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 8192}
WIDE = {**LLAMA_OURS, "n_embd": 256, "n_layer": 2, "n_head": 2, "context_length": 8192}


@torch.no_grad()
def sharpened(theirs: nn.Module, names: tuple[str, ...], factor: float) -> nn.Module:
    """The same with random weights; those of queries and keys are larger."""
    for name, p in shake(theirs).named_parameters():
        if name.endswith(names):
            p.mul_(factor)
    return theirs


def llama() -> tuple[GPT, nn.Module]:
    theirs = transformers.LlamaForCausalLM(transformers.LlamaConfig(**{**LLAMA, **SIZES}, rope_parameters=ROPE))
    theirs = sharpened(theirs, ("q_proj.weight", "k_proj.weight"), 2)
    return filled(WIDE, renamed(theirs), kernels.fused()), theirs


def qwen3() -> tuple[GPT, nn.Module]:
    config = transformers.Qwen3Config(**{**LLAMA, **SIZES}, head_dim=128, rope_parameters=ROPE)
    theirs = sharpened(transformers.Qwen3ForCausalLM(config), ("q_norm.weight", "k_norm.weight"), 4)
    slots = {**WIDE, "mixer": {"name": "full", "qk_norm": "rmsnorm"}}
    return filled(slots, renamed(theirs), kernels.fused()), theirs


def gpt_neox() -> tuple[GPT, nn.Module]:
    ours, theirs, source = neox(kernels.fused(), True, 1.0, **SIZES)
    sharpened(theirs, ("query_key_value.weight",), 2)
    with torch.no_grad():
        for name, p in ours.named_parameters():
            p.copy_(source[name] * (2 if name.endswith(("q_proj.weight", "k_proj.weight", "v_proj.weight")) else 1))
    return ours, theirs


@pytest.mark.parametrize("length", [2048, 8192])
@pytest.mark.parametrize("family", [llama, qwen3, gpt_neox])
@torch.no_grad()
def test_logits_far_into_a_text(family, length):
    ours, theirs = family()
    ids = torch.randint(97, (1, length), generator=torch.Generator().manual_seed(1))
    expected, logits = theirs(ids).logits, ours(ids)
    assert expected.std() > 0.3
    off = (logits - expected).abs().max().item()
    assert off <= 1e-4, f"off by {off:.2g}"

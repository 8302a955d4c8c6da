import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.parameters import parameters

from .combinations import CONTEXT, VOCAB, label, model, pairs
from .formula import flops_per_token, matmul_parameters

GPT2 = {"vocab_size": 50257, "context_length": 1024, "bias": True}
GPT2 |= {"position": "learned", "norm": "layernorm", "mlp": "gelu", "residual": "pre", "head": "tied"}


@pytest.mark.parametrize(
    ("n_layer", "n_head", "n_embd", "count"),
    [(12, 12, 768, 124_439_808), (24, 16, 1024, 354_823_168), (48, 25, 1600, 1_557_611_200)],
)
def test_gpt2_has_the_parameters_it_is_known_for(n_layer, n_head, n_embd, count):
    with torch.device("meta"):
        gpt = GPT(GPTConfig.parse({**GPT2, "n_layer": n_layer, "n_head": n_head, "n_embd": n_embd}))
    C, V = n_embd, 50257
    block = 2 * 2 * C + (3 * C * C + 3 * C) + (C * C + C) + (4 * C * C + 4 * C) + (4 * C * C + C)
    assert parameters(gpt) == V * C + 1024 * C + n_layer * block + 2 * C == count
    assert matmul_parameters(gpt) == V * C + n_layer * 12 * C * C


def test_flops_of_gpt2_are_palms_formula():
    with torch.device("meta"):
        gpt = GPT(GPTConfig.parse({**GPT2, "n_layer": 12, "n_head": 12, "n_embd": 768}))
    assert flops_per_token(gpt, 1024) == 6 * (12 * 12 * 768**2 + 50257 * 768) + 12 * 12 * 12 * 64 * 1024


DENSE = [c for c in pairs() if c["mixer"] == "full" and c["mlp"] != "moe" and c["head"] in ("tied", "untied")]


@pytest.mark.parametrize("combination", DENSE, ids=label)
def test_flops_are_those_that_torch_counts(combination):
    """`plain` multiplies the masked half of the scores too, so the two agree exactly."""
    gpt = model(combination, kernels.plain())
    with FlopCounterMode(display=False) as counter:
        gpt(torch.zeros(2, CONTEXT, dtype=torch.long)).sum().backward()
    assert counter.get_total_flops() == 2 * CONTEXT * flops_per_token(gpt, CONTEXT)


def test_frozen_parameters_are_not_counted_and_tied_ones_once():
    gpt = GPT(GPTConfig(vocab_size=VOCAB, n_layer=1, n_head=2, n_embd=8))
    untied = GPT(GPTConfig.parse({**gpt.config.model_dump(), "head": "untied"}))
    assert parameters(untied) - parameters(gpt) == VOCAB * 8 and matmul_parameters(untied) == matmul_parameters(gpt)
    whole = parameters(gpt)
    gpt.embed.weight.requires_grad_(False)
    assert parameters(gpt) == whole - VOCAB * 8

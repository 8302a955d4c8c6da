"""The models that the contracts are tested on. Variants are found in the folders, so a new file is tested at once.

A combination names a variant for every slot, and a shape. There are too many for every run, so `pairs` chooses a few in
which any two choices meet at least once; the tests add random ones.
"""

import itertools
import random
from pathlib import Path

import torch

from glassformer.config import Variant, variants
from glassformer.model.gpt import GPT, GPTConfig

VOCAB, CONTEXT = 23, 16
SHAPES = {
    "one_head": {"n_layer": 1, "n_head": 1, "n_embd": 16},
    "many_heads": {"n_layer": 2, "n_head": 4, "n_embd": 16},
    "grouped_with_bias": {"n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_embd": 24, "bias": True},
    "single_key_head": {"n_layer": 3, "n_head": 3, "n_kv_head": 1, "n_embd": 12},
    "wide_heads": {"n_layer": 2, "n_head": 3, "n_embd": 16, "head_dim": 8},
}
SLOTS: dict[str, list[str]] = {
    name: variants(field.annotation)
    for name, field in GPTConfig.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Variant)
}
CHOICES = {**SLOTS, "shape": list(SHAPES)}
Combination = dict[str, str]


def pairs(choices: dict[str, list[str]] = CHOICES) -> list[Combination]:
    """A few combinations, always the same, that contain every pair of choices (greedy, from random candidates)."""

    def met(combination: Combination) -> set:
        return set(map(frozenset, itertools.combinations(combination.items(), 2)))

    generator = random.Random(0)
    missing = {
        frozenset(((a, x), (b, y)))
        for a, b in itertools.combinations(choices, 2) for x in choices[a] for y in choices[b]
    }  # fmt: skip
    chosen: list[Combination] = []
    while missing:
        candidates = [{slot: generator.choice(names) for slot, names in choices.items()} for _ in range(200)]
        best = max(candidates, key=lambda c: len(met(c) & missing))
        if met(best) & missing:
            chosen.append(best)
            missing -= met(best)
    return chosen


def label(combination: Combination) -> str:
    return "-".join(Path(name).stem for name in combination.values())


def config(combination: Combination, **overrides) -> GPTConfig:
    slots: dict = {slot: name for slot, name in combination.items() if slot != "shape"}
    if scaling := slots.pop("scaling", None):
        slots["position"] = {"name": "rope", "scaling": scaling}
    if slots["init"] == "mup":
        slots["init"] = {"name": "mup", "base_width": 16}
    tree = {"vocab_size": VOCAB, "context_length": CONTEXT, **SHAPES[combination["shape"]], **slots, **overrides}
    return GPTConfig.parse(tree)


def model(combination: Combination, kernels=None, seed: int = 0, **overrides) -> GPT:
    gpt = GPT(config(combination, **overrides), kernels, seed).eval()
    return nudged(gpt) if combination["init"] == "zero" else gpt


@torch.no_grad()
def lively(combination: Combination, kernels=None) -> GPT:
    """A float64 model whose output depends visibly on every token that it reads.

    With new weights a wrong earlier token may move the logits by less than a float32 tolerance: not at all with Mamba, by
    2e-10 to 2e-6 in models without norms. Here each matrix keeps the size of its input, or enlarges it by half where
    norms shrink it again, and the same token moves them by 0.03 to 0.9 (without norms by 3e-8 to 0.03).
    """
    gpt, gain = model(combination, kernels).double(), 0.7 if combination["norm"] == "none" else 1.5
    for parameter in gpt.parameters():
        if parameter.ndim == 2 and parameter.numel() > 1:
            parameter.mul_(gain / (parameter.std() * parameter.shape[1] ** 0.5))
    return gpt


@torch.no_grad()
def nudged(gpt: GPT) -> GPT:
    """Weights that are all 0 get small numbers: while blocks write nothing, no gradient reaches what is inside them."""
    generator = torch.Generator().manual_seed(1)
    for parameter in gpt.parameters():
        if not parameter.is_meta and parameter.ndim > 1 and not parameter.any():
            parameter.copy_(torch.empty(parameter.shape, device="cpu").normal_(0, 0.01, generator=generator))
    return gpt

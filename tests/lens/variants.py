"""Small models of every kind."""

import torch

from glassformer.lab.contracts.model import combinations

USUAL = {
    "embed": "token", "position": "rope", "mixer": "full", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre",
    "head": "tied", "init": "gpt2", "shape": "many_heads",
}  # fmt: skip


def every_variant(*only):
    """Combinations in which each variant of each slot (or of these) stands once at least, with the others as they come by
    default. How weights were initialised makes no difference to who looks at them."""
    slots = {
        slot: names for slot, names in combinations.CHOICES.items() if slot in only or (not only and slot != "init")
    }
    found = [USUAL, *({**USUAL, slot: name} for slot, names in slots.items() for name in names)]
    return [one for i, one in enumerate(found) if one not in found[:i]]


def some_ids(rows=2, length=combinations.CONTEXT):
    return torch.randint(combinations.VOCAB, (rows, length), generator=torch.Generator().manual_seed(0))

"""What can be said of a model's costs without building it in memory: its parameters, and how costs grow with depth.

The products of a step, its bytes and its time are counted on the real step, whatever its parts (`plan/`).
"""

from collections import Counter

import torch
from torch import nn

from glassformer.model.gpt import GPT, GPTConfig


def parameters(model: nn.Module) -> int:
    """All trainable numbers, each counted once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def parameters_by_part(config: GPTConfig) -> dict[str, int]:
    """Numbers in the embedding, the position scheme, all mixers, all MLPs, all norms, the head; parts without any left
    out. They sum to `parameters`."""
    with torch.device("meta"):
        model = GPT(config)
    parts: Counter[str] = Counter()
    for name, p in model.named_parameters():
        words = name.split(".")
        part = words[2] if words[0] == "blocks" else words[0]
        parts["norms" if "norm" in part else part] += p.numel()
    return dict(parts)


def shallow_depths(config: GPTConfig) -> tuple[int, int] | None:
    """Two depths from which the costs of the whole follow, since every period of layers costs the same.

    Both have a first and a last block and end the pattern of mixers where the whole does. None: it is shallow itself.
    """
    period = len(config.mixers) or 1
    first = 2 + (config.n_layer - 2) % period
    return (first, first + period) if config.n_layer > first + period else None


def linear(at_first: float, at_second: float, depths: tuple[int, int], depth: int) -> float:
    """The value at `depth` of what is linear in it and known at two depths."""
    return at_first + (at_second - at_first) / (depths[1] - depths[0]) * (depth - depths[0])

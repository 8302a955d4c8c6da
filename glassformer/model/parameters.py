"""How many parameters a model has, in all and part by part."""

from collections import Counter

import torch
from torch import nn

from glassformer.model.gpt import GPT, GPTConfig


def parameters(model: nn.Module) -> int:
    """The number of trainable parameters; a shared one counts once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def parameters_by_part(config: GPTConfig) -> dict[str, int]:
    """The parameters of the embedding, the position scheme, all mixers, all MLPs, all norms and the head.

    Parts without any are left out. The numbers sum to `parameters`; no memory is allocated.
    """
    with torch.device("meta"):
        model = GPT(config)
    parts: Counter[str] = Counter()
    for name, p in model.named_parameters():
        words = name.split(".")
        part = words[2] if words[0] == "blocks" else words[0]
        parts["norms" if "norm" in part else part] += p.numel()
    return dict(parts)

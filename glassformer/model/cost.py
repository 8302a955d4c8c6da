"""What a model costs, without building it in memory: parameters, and floating-point operations per token.

    FLOPs per token = 2 N + 4 L T C     forward; backward costs twice as much again (Kaplan et al., 2020; PaLM, app. B)

N counts the matrices that multiply a token (a tied embedding once, as the head). The second term is attention over T
keys, counted in full as the field does when it reports model FLOPs utilisation, though half of it is masked. That is
the formula of full attention; `plan/` counts the products of any parts.
"""

from collections import Counter

import torch
from torch import nn

from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.linear import Linear


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


def matmul_parameters(model: GPT) -> int:
    """N: the weights of every Linear (all experts, heads for training only), and the head's."""
    inside = sum(m.weight.numel() for m in model.modules() if isinstance(m, Linear))
    untied = any(name.startswith("lm_head") for name, _ in model.head.named_parameters())
    return inside if untied else inside + model.config.vocab_size * model.config.n_embd


def flops_per_token(model: GPT, length: int) -> int:
    """Forward and backward, for training at sequences of `length` tokens; for full attention, by the formula."""
    config = model.config
    attention = 4 * config.n_layer * length * config.n_head * config.head_dim
    return 3 * (2 * matmul_parameters(model) + attention)


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

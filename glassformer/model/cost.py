"""What a model costs: parameters, and floating-point operations per token.

    FLOPs per token = 2 N + 4 L T C     forward; backward costs twice as much again (Kaplan et al., 2020; PaLM, app. B)

N counts the matrices that multiply a token (a tied embedding once, as the head). The second term is attention over T
keys, counted in full as the field does when it reports model FLOPs utilisation, though half of it is masked.
"""

from torch import nn

from glassformer.model.gpt import GPT
from glassformer.model.linear import Linear


def parameters(model: nn.Module) -> int:
    """All trainable numbers, each counted once."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def matmul_parameters(model: GPT) -> int:
    """N: the weights of every Linear, and the head's."""
    inside = sum(m.weight.numel() for m in model.modules() if isinstance(m, Linear))
    return inside if any(True for _ in model.head.parameters()) else inside + model.config.vocab_size * model.config.n_embd


def flops_per_token(model: GPT, length: int) -> int:
    """Forward and backward, for training at sequences of `length` tokens."""
    config = model.config
    attention = 4 * config.n_layer * length * config.n_head * config.head_dim
    return 3 * (2 * matmul_parameters(model) + attention)

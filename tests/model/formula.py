"""PaLM's formula for the work of a dense transformer, an oracle for what is counted on real steps.

    FLOPs per token = 2 N + 4 L T C     forward; backward costs twice as much again (Kaplan et al., 2020; PaLM, app. B)

N counts the matrices that multiply a token (a tied embedding once, as the head). The second term is attention over T keys,
counted in full as the field does when it reports model FLOPs utilisation, though half of it is masked. It holds for `full`
attention, dense MLPs and heads that look one token ahead.
"""

from glassformer.model.gpt import GPT
from glassformer.model.linear import Linear


def matmul_parameters(model: GPT) -> int:
    """N: the weights of every Linear, and the head's."""
    inside = sum(m.weight.numel() for m in model.modules() if isinstance(m, Linear))
    untied = any(name.startswith("lm_head") for name, _ in model.head.named_parameters())
    return inside if untied else inside + model.config.vocab_size * model.config.n_embd


def flops_per_token(model: GPT, length: int) -> int:
    """Forward and backward, for training at sequences of `length` tokens."""
    config = model.config
    attention = 4 * config.n_layer * length * config.n_head * config.head_width
    return 3 * (2 * matmul_parameters(model) + attention)

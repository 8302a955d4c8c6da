"""Who reads whom: the weight with which each token's value enters the output of a mixer, for every head.

    z_t = sum_s weight_ts v_s

In softmax attention the weights are the pattern, which `attention.pattern` computes from the queries and keys that the
fused kernel was given. A recurrent mixer never makes such a matrix, but its output is linear in the values. If the value
of token s is a one-hot vector e_s, the output at t is the row of weights: exact, and computed by the kernel that ran. (Ali
et al., 2024, "The Hidden Attention of Mamba Models", write these matrices out for the selective scan.)

These weights need not be positive nor sum to 1. The delta rule subtracts what it corrects; a scan has one matrix for each
channel.
"""

import math
from dataclasses import dataclass
from importlib import import_module

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.kernels import attention
from glassformer.lens.call import SOFTMAX_ATTENTION, Call
from glassformer.lens.seam import opened

LINEAR = ("linear_attention", "gated_delta", "selective_scan")
"""The formulas whose weights are found by linearity in the values."""
WEIGHING = (*SOFTMAX_ATTENTION, *LINEAR)
MOST = 1 << 28
"""Numbers that the weights of a scan may be: each channel has a matrix of its own."""
TOLERANCE = 1e-3
"""How far weights x values may be from the output, as a share of the largest output, before the weights are refused."""


@dataclass(frozen=True)
class Pattern:
    """The weights of one mixer."""

    weights: Tensor
    """(B, H, T, S). Heads of attention, or the channels of a scan."""
    values: Tensor
    """(B, H, S, D): what the weights multiply."""
    direct: Tensor | None
    """What enters the output beside the weighted values, (B, H, T, D): the scan's D x. None for nothing."""
    is_softmax: bool
    """Whether each row is a probability distribution."""
    formula: str
    """The formula that the weights belong to."""

    @property
    def output(self) -> Tensor:
        """(B, H, T, D): weights x values, which is what the mixer's heads gave out."""
        y = self.weights @ self.values
        return y if self.direct is None else y + self.direct


@torch.no_grad()
def pattern(call: Call, known: Tensor | None = None) -> Pattern:
    """The weights of a recorded formula; `known` are those that it computed step by step, if it did.

    Raises LensError, by name, if it has none or cannot show them.
    """
    if call.formula not in WEIGHING:
        raise LensError(f"the formula {call.formula} of {call.module or 'the model'} does not weigh tokens")
    found = (
        _softmax(call, known) if call.formula in SOFTMAX_ATTENTION else _scan(call) if _is_scan(call) else _linear(call)
    )
    z = _by_channel(call.results[0]) if _is_scan(call) else call.results[0]
    error = float((found.output - z).abs().max()) if z.numel() else 0.0
    if not error <= TOLERANCE * max(1.0, float(z.abs().max()) if z.numel() else 0.0):
        raise LensError(
            f"the {call.formula} of {call.module} gave out something else than its weights times its values (they differ "
            f"by {error:.2g}), so its pattern cannot be drawn: the formula is one of your own, or its output was changed"
        )
    return found


@torch.no_grad()
def scores(call: Call) -> Tensor:
    """(B, H, T, S): what the softmax of attention is taken of; -inf where a query may not see the key."""
    if call.formula not in SOFTMAX_ATTENTION:
        raise LensError(f"{call.module} has no scores: its formula is {call.formula}, which takes no softmax")
    found: list[Tensor] = []

    def keep(scores: Tensor) -> Tensor:
        found.append(scores)
        return scores.new_zeros(scores.shape)

    opened(call.formula, {**call.operands, "dropout_p": 0.0}, keep)
    return found[0]


def entropy(weights: Tensor) -> Tensor:
    """weights (..., T, S), rows that sum to 1 -> (..., T): nats. 0 when one token is read, ln n when n are read alike."""
    return -(weights * weights.clamp(min=1e-30).log()).sum(-1)


def distances(weights: Tensor) -> Tensor:
    """weights (..., T, S), T = S -> (..., T): how much is read 0, 1, 2 ... tokens back, as a mean over the queries.

    The mean at distance d is taken over the queries that have a token so far back.
    """
    T = weights.shape[-1]
    return torch.stack([weights.diagonal(-d, -2, -1).mean(-1) for d in range(T)], -1)


def mean_distance(weights: Tensor) -> Tensor:
    """weights (..., T, S), T = S -> (...): how many tokens back a head reads, weighted by how much it reads there."""
    T = weights.shape[-1]
    index = torch.arange(T, device=weights.device)
    back = (index[:, None] - index).clamp(min=0).to(weights.dtype)
    size = weights.abs()
    return (size * back).sum((-2, -1)) / size.sum((-2, -1)).clamp(min=1e-30)


def _softmax(call: Call, known: Tensor | None) -> Pattern:
    softmax = call.kernels.softmax if call.kernels else attention.softmax.plain
    weights = softmax(scores(call)) if known is None else known
    return Pattern(weights, _heads(call.operands["v"], weights.shape[1]), None, True, call.formula)


def _linear(call: Call) -> Pattern:
    """One-hot values: e_s at token s."""
    v = call.operands["v"]
    _refuse_a_state(call)
    one_hot = torch.eye(v.shape[2], dtype=v.dtype, device=v.device).expand(*v.shape[:2], -1, -1)
    weights = _formula(call)(**{**call.operands, "v": one_hot})[0]
    return Pattern(weights, _heads(v, weights.shape[1]), None, False, call.formula)


def _scan(call: Call) -> Pattern:
    """One run for each token s, whose input is 1 in every channel while all others are 0. D x is left out of it."""
    x, D = call.operands["x"], call.operands["D"]
    _refuse_a_state(call)
    B, T, E = x.shape
    if B * E * T * T > MOST:
        raise LensError(
            f"the weights of {call.module} are {E} matrices of {T} x {T} numbers for each text, which is more than "
            f"{MOST * 4 / 1e9:.1f} GB; read {math.isqrt(MOST // (B * E))} tokens or fewer"
        )
    rows = []
    for row in range(B):
        one = {name: call.operands[name][row].expand(T, -1, -1) for name in ("dt", "B", "C")}
        documents = call.operands.get("documents")
        one["documents"] = None if documents is None else documents[row].expand(T, -1)
        one_hot = torch.eye(T, dtype=x.dtype, device=x.device)[..., None].expand(T, T, E)  # (run s, token, channel)
        y = _formula(call)(x=one_hot, A=call.operands["A"], D=torch.zeros_like(D), **one)[0]
        rows.append(y.permute(2, 1, 0))  # (E, T, S)
    return Pattern(torch.stack(rows), _by_channel(x), _by_channel(D * x), False, call.formula)


def _formula(call: Call):
    """The function that ran."""
    return (
        getattr(call.kernels, call.formula)
        if call.kernels
        else import_module(f"glassformer.kernels.{call.formula}").fused
    )


def _is_scan(call: Call) -> bool:
    return call.formula == "selective_scan"


def _heads(v: Tensor, n_head: int) -> Tensor:
    """v (B, G, S, D) -> (B, H, S, D): query head h reads key head h // (H/G)."""
    return v.repeat_interleave(n_head // v.shape[1], dim=1)


def _by_channel(x: Tensor) -> Tensor:
    """x (B, T, E) -> (B, E, T, 1)."""
    return x.transpose(1, 2)[..., None]


def _refuse_a_state(call: Call) -> None:
    if call.operands.get("state") is not None:
        raise LensError(f"{call.module} began with the state of an earlier call; trace the whole text in one call")

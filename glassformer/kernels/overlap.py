"""Overlapping windows of a sequence, which `sliding_window`, `block_sparse` and `strided` have in common.

    y_i = x[i c .. i c + size - 1],  i = 0 .. N-1

The forward pass copies nothing: the windows are a view. The backward pass adds up the gradients of all windows that hold
a number. It adds whole pieces of windows at once, which is eight times faster on a CPU than the backward pass of
`Tensor.unfold`, which adds single numbers.
"""

from typing import Any

import torch
from torch import Tensor

from glassformer.kernels import attention


def windows(x: Tensor, size: int, step: int) -> Tensor:
    """x (B, G, S, D) -> (B, N, G, size, D), N = (S - size) // step + 1 windows that start `step` tokens apart."""
    return Windows.apply(x, size, step)  # pyright: ignore[reportReturnType]


class Windows(torch.autograd.Function):
    """See `windows`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, step: int) -> Tensor:
        """A view of x."""
        ctx.length, ctx.size, ctx.step = x.shape[2], size, step
        return x.unfold(2, size, step).permute(0, 2, 1, 4, 3)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """(B, N, G, size, D) -> (B, G, S, D): pieces of at most `step` tokens do not overlap, so they are added at once."""
        (gradient,) = gradients
        B, N, G, size, D = gradient.shape
        padded = max(ctx.length, (N + (size - 1) // ctx.step) * ctx.step)
        total = gradient.new_zeros(B, padded, G, D)
        for start in range(0, size, ctx.step):
            piece = gradient[:, :, :, start : start + ctx.step].transpose(2, 3)  # (B, N, width, G, D)
            place = total[:, start : start + N * ctx.step].unflatten(1, (N, ctx.step))
            place[:, :, : piece.shape[2]] += piece
        return total[:, : ctx.length].transpose(1, 2), None, None


def attend_in_chunks(q: Tensor, k: Tensor, v: Tensor, visible: Tensor, bias: Tensor | None, dropout_p: float) -> Tensor:
    """Attention in n chunks of c queries, each to its own keys: q (B, H, n c, D), k and v (B, n, G, S, D) -> q's shape.

    `visible` and `bias` broadcast to (B, n, H, c, S).
    """
    B, n = k.shape[:2]

    def flat(x: Tensor) -> Tensor:
        return x if x.ndim < 4 else x.expand(B, n, -1, -1, -1).flatten(0, 1)

    y = attention.fused(
        q.unflatten(2, (n, -1)).transpose(1, 2).flatten(0, 1),  # (B n, H, c, D)
        k.flatten(0, 1), v.flatten(0, 1), visible=flat(visible), bias=None if bias is None else flat(bias),
        dropout_p=dropout_p,
    )  # fmt: skip
    return y.unflatten(0, (B, n)).transpose(1, 2).flatten(2, 3)


def beside(documents: Tensor, size: int, step: int) -> Tensor:
    """documents (B, S) -> (B, N, size): the same windows of the documents' numbers."""
    return documents.unfold(1, size, step)

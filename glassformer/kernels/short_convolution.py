"""A short causal convolution of each channel by itself (depthwise), then SiLU (as in Gu and Dao, 2023, section 3.4).

    y_t = silu(b + sum_{j=0}^{W-1} w_j x_{t-W+1+j})

It lets a recurrent layer see the last W tokens side by side before it decides what to write into its state. The `tail`
holds the W - 1 inputs before the first token, or zeros. A document that is packed behind another one sees zeros there.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from glassformer.kernels import silu


def plain(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, tail: Tensor | None = None, documents: Tensor | None = None,
    *, silu: Callable[..., Tensor] = silu.plain,
) -> Tensor:  # fmt: skip
    """x (B, T, E), weight (E, 1, W), bias (E), tail (B, W - 1, E), documents (B, T) -> (B, T, E)."""
    T, W = x.shape[1], weight.shape[-1]
    padded = _behind(tail, x, W)
    a = torch.zeros_like(x) if bias is None else bias.expand_as(x)
    for j in range(W):
        tap = padded[:, j : j + T]  # x_{t-W+1+j} at t
        if documents is not None:
            tap = tap * _same_document(documents, W - 1 - j)[..., None]
        a = a + weight[:, 0, j] * tap
    return silu(a)


def fused(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, tail: Tensor | None = None, documents: Tensor | None = None
) -> Tensor:
    """The twin of `plain`. Packed documents are computed by `plain`, because no kernel supports them."""
    if documents is not None:
        return plain(x, weight, bias, tail, documents)
    if tail is None:
        return _Taps.apply(x, weight, bias)
    return _Taps.apply(_behind(tail, x, weight.shape[-1]), weight, bias)[:, tail.shape[1] :]


class _Taps(torch.autograd.Function):
    """The formula without a tail, by PyTorch's convolution of images: x is an image one pixel high, with channels last.
    That kernel computes the gradient of the weights slowly, so the gradient is written out here (LOG.md).
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """x (B, T, E), weight (E, 1, W), bias (E) -> (B, T, E)."""
        a = _correlate(x, weight, bias)[:, : x.shape[1]]
        ctx.save_for_backward(x, weight, a)
        ctx.biased = bias is not None
        return F.silu(a)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """The gradients of x, weight and bias."""
        x, weight, a = ctx.saved_tensors
        T, W = x.shape[1], weight.shape[-1]
        da = torch.ops.aten.silu_backward(dy, a)
        dx = _correlate(da, weight.flip(-1))[:, W - 1 :]
        steps = [min(W - 1 - j, T) for j in range(W)]  # how many tokens back each tap looks
        dweight = torch.stack([(da[:, n:] * x[:, : T - n]).sum((0, 1)) for n in steps], -1)
        return dx, dweight[:, None].to(weight.dtype), da.sum((0, 1)).to(weight.dtype) if ctx.biased else None


def _correlate(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """b + sum_j w_j x_{t-W+1+j} for t = 0 to T + W - 2, with zeros before and behind x: (B, T + W - 1, E)."""
    image, taps = x.mT.unsqueeze(2), weight.to(x.dtype).unsqueeze(2)  # (B, E, 1, T), (E, 1, 1, W)
    offset = None if bias is None else bias.to(x.dtype)
    return F.conv2d(image, taps, offset, padding=(0, taps.shape[-1] - 1), groups=x.shape[2]).squeeze(2).mT


def tail_after(x: Tensor, width: int, tail: Tensor | None = None, counts: Tensor | None = None) -> Tensor:
    """The tail after x (B, T, E): its last width - 1 inputs, of which counts (B,) are real if given: (B, width - 1, E)."""
    padded = _behind(tail, x, width)
    if counts is None:
        return padded[:, x.shape[1] :]
    place = counts[:, None] + torch.arange(width - 1, device=x.device)
    return padded.gather(1, place[..., None].expand(-1, -1, x.shape[2]))


def _behind(tail: Tensor | None, x: Tensor, width: int) -> Tensor:
    before = x.new_zeros(x.shape[0], width - 1, x.shape[2]) if tail is None else tail.to(x.dtype)
    return torch.cat([before, x], 1)


def _same_document(documents: Tensor, steps: int) -> Tensor:
    """(B, T): whether the token so many steps back is of the same document, or before the row, where zeros stand."""
    same, steps = torch.ones_like(documents, dtype=torch.bool), min(steps, documents.shape[1])
    same[:, steps:] = documents[:, steps:] == documents[:, : documents.shape[1] - steps]
    return same

"""The maths. One file per formula, each with two functions that compute the same thing.

`plain` is the formula written out in tensor operations, in the paper's order and letters; `fused` is the kernel that
production code would call and may differ only in rounding. A model is built with a frozen namespace of them:

>>> GPT(config, kernels=fused())                                   # fast
>>> GPT(config, kernels=plain())                                   # every step visible
>>> GPT(config, kernels=flexible())                                # sparse attention compiled for a GPU, in training
>>> GPT(config, kernels=replace(plain(), attention=my_attention))  # your own formula in the real system

Since all maths of a model passes through this seam, tracing is a wrapper around it and grading a comparison across it.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module

from torch import Tensor

__all__ = ["Kernels", "flexible", "fused", "plain", "replace"]


@dataclass(frozen=True)
class Kernels:
    """One function per formula; the file of the same name holds its contract."""

    embedding: Callable[..., Tensor]
    linear: Callable[..., Tensor]
    softmax: Callable[..., Tensor]
    cross_entropy: Callable[..., Tensor]
    layer_norm: Callable[..., Tensor]
    rms_norm: Callable[..., Tensor]
    relu: Callable[..., Tensor]
    relu2: Callable[..., Tensor]
    gelu: Callable[..., Tensor]
    swiglu: Callable[..., Tensor]
    geglu: Callable[..., Tensor]
    softcap: Callable[..., Tensor]
    route: Callable[..., tuple[Tensor, Tensor, Tensor]]
    rope: Callable[..., tuple[Tensor, Tensor]]
    attention: Callable[..., Tensor]
    sliding_window: Callable[..., Tensor]
    block_sparse: Callable[..., Tensor]
    strided: Callable[..., Tensor]
    linear_attention: Callable[..., tuple[Tensor, Tensor, Tensor]]
    short_convolution: Callable[..., Tensor]
    selective_scan: Callable[..., tuple[Tensor, Tensor]]
    gated_delta: Callable[..., tuple[Tensor, Tensor]]
    dropout: Callable[..., Tensor]
    adamw: Callable[..., None]
    newton_schulz: Callable[..., Tensor]
    clip: Callable[..., Tensor]


def plain() -> Kernels:
    """The reference: every formula written out."""
    return _twins("plain")


def fused() -> Kernels:
    """The same formulas as fused kernels."""
    return _twins("fused")


def flexible() -> Kernels:
    """`fused`, with FlexAttention in training where the device and the call allow it (`flex.py`)."""
    flex = import_module(f"{__name__}.flex")
    return replace(fused(), sliding_window=flex.sliding_window, block_sparse=flex.block_sparse, strided=flex.strided)


def _twins(which: str) -> Kernels:
    return Kernels(**{f.name: getattr(import_module(f"{__name__}.{f.name}"), which) for f in fields(Kernels)})

"""The maths. One file per formula, each with two functions that compute the same thing.

`plain` is the formula written out in tensor operations, in the paper's order and letters; `fused` is the kernel that
production code would call and may differ only in rounding. A model is built with a frozen namespace of them:

>>> GPT(config, kernels=fused())                                   # fast
>>> GPT(config, kernels=plain())                                   # every step visible
>>> GPT(config, kernels=flexible())                                # sparse attention compiled for a GPU, in training
>>> GPT(config, kernels=replace(plain(), attention=my_attention))  # your own formula in the real system
>>> GPT(config, kernels=replace(fused(), softmax=my_softmax))      # your own step inside other formulas

Many formulas are composed of others. Attention takes a softmax, and its `plain` says so:

    def plain(q, k, v, ..., *, softmax=softmax.plain, dropout=dropout.plain)

The keyword-only parameters with the name of a formula are its inner formulas. `replace(kernels, softmax=mine)` therefore
also changes attention, and sliding-window, block-sparse and strided attention, which are composed of attention: each
becomes its `plain` with the new inner formula. This holds for `fused()` too. A fused kernel cannot be opened, so the
formulas that contain a softmax become plain ones; all others stay as fast as they were.

Since all maths of a model passes through this seam, tracing is a wrapper around it and grading a comparison across it.
"""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache, partial
from importlib import import_module
from inspect import Parameter, signature
from typing import Any

from torch import Tensor

__all__ = ["Kernels", "flexible", "fused", "inner", "plain", "replace", "with_plain"]


@dataclass(frozen=True)
class Kernels:
    """One function per formula; the file of the same name holds its contract."""

    embedding: Callable[..., Tensor]
    linear: Callable[..., Tensor]
    softmax: Callable[..., Tensor]
    cross_entropy: Callable[..., Tensor]
    linear_cross_entropy: Callable[..., Tensor]
    pointer: Callable[..., Tensor]
    pointer_nats: Callable[..., Tensor]
    layer_norm: Callable[..., Tensor]
    rms_norm: Callable[..., Tensor]
    sigmoid: Callable[..., Tensor]
    softplus: Callable[..., Tensor]
    relu: Callable[..., Tensor]
    relu2: Callable[..., Tensor]
    elu_plus_one: Callable[..., Tensor]
    gelu: Callable[..., Tensor]
    gelu_exact: Callable[..., Tensor]
    silu: Callable[..., Tensor]
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
    sgd: Callable[..., None]
    lion: Callable[..., None]
    ema: Callable[..., None]
    newton_schulz: Callable[..., Tensor]
    clip: Callable[..., Tensor]


def plain() -> Kernels:
    """The reference: every formula written out."""
    return Kernels(**{name: _file(name).plain for name in _names()})


def fused() -> Kernels:
    """The same formulas as fused kernels."""
    return Kernels(**{name: _file(name).fused for name in _names()})


def flexible() -> Kernels:
    """`fused`, with FlexAttention in training where the device and the call allow it (`flex.py`)."""
    flex = _file("flex")
    return dataclasses.replace(
        fused(), sliding_window=flex.sliding_window, block_sparse=flex.block_sparse, strided=flex.strided
    )


def replace(kernels: Kernels, **formulas: Callable[..., Any]) -> Kernels:
    """The same namespace with these formulas, and with every formula rebuilt that is composed of one of them.

    A formula named in the call is taken as it is, and so is one that an earlier call has set to a function of your own.
    A rebuilt formula is its `plain` with its inner formulas bound to those of the new namespace.
    Raises TypeError for a name that is no formula.
    """
    for name in formulas.keys() - _names():
        meant = get_close_matches(name, _names(), 1)
        raise TypeError(f"no formula named {name!r}" + (f"; did you mean {meant[0]!r}?" if meant else ""))
    new = dict(formulas)

    def of(name: str) -> Callable[..., Any]:
        if name not in new:
            new[name] = old = getattr(kernels, name)
            parts = {part: of(part) for part in inner(name)}
            if _is_ours(old) and any(formula is not getattr(kernels, part) for part, formula in parts.items()):
                new[name] = Composed(_file(name).plain, **parts)
        return new[name]

    return Kernels(**{name: of(name) for name in _names()})


def with_plain(kernels: Kernels, names: Iterable[str]) -> Kernels:
    """The same namespace with the plain twins of these formulas; those that are composed of them stay as they are."""
    return dataclasses.replace(kernels, **{name: _file(name).plain for name in names})


class Composed(partial):
    """A formula that `replace` has rebuilt. A partial of your own is another class, so `replace` leaves it as it is."""


def _names() -> list[str]:
    return [f.name for f in fields(Kernels)]


def _file(name: str) -> Any:
    return import_module(f"{__name__}.{name}")


@cache
def inner(name: str) -> list[str]:
    """The formulas that this one is composed of: the keyword-only parameters of its `plain` that are named as formulas."""
    parameters = signature(_file(name).plain).parameters.values()
    return [p.name for p in parameters if p.kind == Parameter.KEYWORD_ONLY and p.name in _names()]


def _is_ours(formula: Callable[..., Any]) -> bool:
    """Whether it is a function of these files, or one of them with its inner formulas bound."""
    function: Any = formula.func if isinstance(formula, Composed) else formula
    module = getattr(function, "__module__", None) or ""
    return module.startswith(f"{__name__}.") and getattr(import_module(module), function.__name__, None) is function

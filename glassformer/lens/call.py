"""A call of a formula: what it was given, what it gave out, and what the field calls these."""

import inspect
from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from glassformer.kernels import Kernels

FORMULAS = [field.name for field in fields(Kernels)]
SOFTMAX_ATTENTION = ("attention", "sliding_window", "block_sparse", "strided")
"""The formulas whose weights are a softmax: `attention.pattern`."""


class Roles(NamedTuple):
    """What the field calls the operands and the results of a formula."""

    operands: dict[str, str]
    results: tuple[str, ...]


_HEADS = Roles({"q": "q", "k": "k", "v": "v"}, ("z",))
_GATED, _ACTIVATION = Roles({"gate": "pre", "up": "up"}, ("act",)), Roles({"x": "pre"}, ("act",))
ROLES: dict[str, Roles] = {
    **dict.fromkeys((*SOFTMAX_ATTENTION, "linear_attention"), _HEADS),
    "gated_delta": Roles({**_HEADS.operands, "beta": "beta", "log_alpha": "log_alpha"}, ("z",)),
    "selective_scan": Roles({"x": "x", "dt": "dt", "B": "B", "C": "C"}, ("z",)),
    **dict.fromkeys(("swiglu", "geglu"), _GATED),
    **dict.fromkeys(("relu", "relu2", "gelu", "gelu_exact", "silu"), _ACTIVATION),
    "rope": Roles({}, ("rotated_q", "rotated_k")),
    "route": Roles({"scores": "scores"}, ("shares", "chosen", "balance")),
    "pointer": Roles({"pattern": "pattern", "gate": "gate_logit"}, ("mixture",)),
}
"""A formula that is not here has one result, which is named as the formula is."""


@dataclass(frozen=True, eq=False)
class Call:
    """One formula that was computed."""

    formula: str
    """The field of `Kernels`."""
    module: str
    """The path of the module that asked for it: "blocks.3.mixer"; "" for the model itself."""
    operands: dict[str, Any]
    """By the names that the formula's file gives them."""
    result: Any
    number: int = 0
    """How many calls of this formula came before it in the same run of the module."""
    kernels: Kernels | None = None
    """The namespace that the formula came from."""
    place: tuple[str, int] | None = None
    """The file and line that asked for it, if a visitor wants places."""

    @property
    def names(self) -> list[str]:
        """The names of its results."""
        return names_of(self.module, self.formula, self.number)

    @property
    def results(self) -> tuple[Any, ...]:
        """The results that have names."""
        found = self.result if isinstance(self.result, tuple) else (self.result,)
        return found[: len(results_of(self.formula))]

    def named(self, name: str) -> str:
        """The name of another value of this call, such as "pattern"."""
        return named_in(self.module, name, self.number)


@cache
def parameters_of(formula: str) -> list[str]:
    """The names of a formula's operands, in the order of its file."""
    return list(inspect.signature(import_module(f"glassformer.kernels.{formula}").plain).parameters)


def results_of(formula: str) -> tuple[str, ...]:
    """The names of a formula's results, without the module."""
    return ROLES[formula].results if formula in ROLES else (formula,)


@cache
def names_of(module: str, formula: str, number: int) -> list[str]:
    """The names of the results of one call of a formula."""
    return [named_in(module, name, number) for name in results_of(formula)]


@cache
def named_in(module: str, name: str, number: int) -> str:
    """The name of a value of a module; the second call of the same formula gives "....1", and so on."""
    return ".".join(filter(None, [module, name])) + (f".{number}" if number else "")

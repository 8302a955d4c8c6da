"""The graph of a forward pass: which operation made each tensor, of which others, and which line of Python asked for it.

A trace holds the formulas. Between them a model adds, scales, cuts and turns tensors, which is no formula's business; here
these steps are recorded too (a `TorchFunctionMode` sees every operation on a tensor), so that each number can be followed
back to weights and token ids. `why` does that.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from glassformer.lens.call import Call
from glassformer.lens.trace import LIMIT, Trace
from glassformer.lens.why.number import Number, number_of
from glassformer.model.gpt import GPT

NOT_ASKING = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
"""Folders whose lines are not what a reader looks for: the lens and torch."""

MAKES_NEW = (
    "arange", "tensor", "as_tensor", "zeros", "ones", "full", "empty", "eye", "linspace", "zeros_like", "ones_like",
    "full_like", "empty_like", "new_zeros", "new_ones", "new_full", "new_empty", "new_tensor",
)  # fmt: skip
"""Functions of torch whose numbers come from nowhere: whatever they give out is an input."""


@dataclass(frozen=True, eq=False)
class Node:
    """One operation, and one of the tensors that it gave out."""

    name: str
    """The formula, or the function of torch: "linear", "add", "transpose"."""
    operands: dict[str, Any]
    """Of a formula by name; of a function of torch by number ("0", "1"), or by name where it was called so."""
    output: Tensor
    which: int
    """The number of this output among several."""
    module: str
    """The path of the module at work."""
    place: tuple[str, int] | None
    """The file and line that asked for it."""
    call: Call | None = None
    """The formula; None for a function of torch."""
    function: Callable[..., Any] | None = None
    """The function of torch."""


class Graph(Trace):
    """A trace that also knows which operation made each tensor. `graph` makes one."""

    wants_places = True

    def __init__(self, model: GPT, limit: int = LIMIT):
        super().__init__(model, limit=limit)
        self.nodes: dict[int, Node] = {}
        """By the identity of the tensor that it made."""
        self.named: dict[int, str] = {id(p): name for name, p in model.named_parameters()}
        self.weights: dict[int, Tensor] = {id(p): p for p in model.parameters()}
        self.derived: dict[str, Tensor] = {}
        """Patterns and scores that somebody has asked for."""
        self.inside = 0
        self._alive: list[Tensor] = []

    def number(self, name: str, *index: int) -> Number:
        """One number of a value: why it is what it is can be asked (`Number.why`). Raises LensError if it is not there."""
        from glassformer.lens.why.attention import weights_of

        call = self._weighing(name.rpartition(".")[0]) if name not in self.values else None
        if call is not None and name in map(call.named, ("scores", "pattern")) and name not in self.derived:
            weights_of(self, self.nodes[id(call.results[0])])
        return number_of(self, name, *index)

    def __getitem__(self, name: str) -> Tensor:
        """See Trace."""
        return self.derived[name] if name in self.derived else super().__getitem__(name)

    def record(self, ids: Tensor | Sequence[int], targets: Tensor | None, documents: Tensor | None) -> None:
        """See Trace."""
        with _Operations(self):
            super().record(ids, targets, documents)
        self.named[id(self.ids)] = "ids"

    def visit(self, name: str, value: Tensor) -> Tensor:
        """See Visitor."""
        known = self.named.get(id(value), f"{name}.")
        if known.startswith(f"{name}.") or name.endswith(".out"):  # the module's name says more than the formula's
            self.named[id(value)] = name
        self._alive.append(value)
        return super().visit(name, value)

    def called(self, call: Call) -> None:
        """See Visitor."""
        super().called(call)
        self.add(call.formula, call.operands, call.result, call.module, call.place, call)

    def instead(self, formula: str, module: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """See Visitor. What a formula does inside is explained by the formula."""

        def compute(*args: Any, **kwargs: Any) -> Any:
            self.inside += 1
            try:
                return function(*args, **kwargs)
            finally:
                self.inside -= 1

        return compute

    def add(
        self, name: str, operands: dict[str, Any], result: Any, module: str, place: tuple[str, int] | None,
        call: Call | None = None, function: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        """Note what an operation gave out. A tensor that was there before was not made by it."""
        given = {id(value) for value in operands.values() if isinstance(value, Tensor)}
        for which, output in enumerate(result if isinstance(result, tuple | list) else [result]):
            if isinstance(output, Tensor) and id(output) not in given and id(output) not in self.nodes:
                self.nodes[id(output)] = Node(name, operands, output, which, module, place, call, function)
                self._alive.append(output)


def graph(
    model: GPT, ids: Tensor | Sequence[int], targets: Tensor | None = None, documents: Tensor | None = None,
    limit: int = LIMIT,
) -> Graph:  # fmt: skip
    """One forward pass of ids (T,) or (B, T), with the operation that made each tensor; see `trace`.

    It takes a few times as long as a trace, and keeps every tensor of the pass in memory.
    """
    seen = Graph(model, limit)
    with torch.no_grad():
        seen.record(ids, targets, documents)
    return seen


class _Operations(TorchFunctionMode):
    """Sees every function of torch."""

    def __init__(self, seen: Graph):
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict[str, Any] | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = _name(func)
        if not self.seen.inside and name not in MAKES_NEW and isinstance(result, Tensor | tuple | list):
            operands = {**{str(i): value for i, value in enumerate(args)}, **(kwargs or {})}
            self.seen.add(name, operands, result, "", _line(), function=func)
        return result


def _name(func: Any) -> str:
    """ "add" for both + and torch.add, "mT" for the property."""
    name = getattr(func, "__name__", str(func))
    return getattr(func.__self__, "__name__", name) if name == "__get__" and hasattr(func, "__self__") else name


def _line() -> tuple[str, int] | None:
    """The file and line at work: of the model, or of a part of your own."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(NOT_ASKING):
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else None

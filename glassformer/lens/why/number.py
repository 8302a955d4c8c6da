"""One number of a forward pass, and the reason why it is what it is."""

import inspect
import linecache
import math
import re
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from glassformer.lens.why.graph import Graph, Node

Index = tuple[int, ...]
Found = tuple[str, list["Term"]]
"""A rule, and the terms that make a number by it."""


@dataclass(frozen=True)
class Number:
    """One number of a forward pass."""

    seen: "Graph"
    tensor: Tensor | float | int
    index: Index
    title: str = ""
    """A name for a number that has none in the trace."""

    @property
    def value(self) -> float:
        """The number."""
        return float(self.tensor.detach()[self.index]) if isinstance(self.tensor, Tensor) else float(self.tensor)

    @property
    def name(self) -> str:
        """ "blocks.1.mixer.z[0, 2, 5, 17]"; the operation that made it, if it has no name."""
        if not isinstance(self.tensor, Tensor):
            return self.title or "constant"
        node = self.seen.nodes.get(id(self.tensor))
        name = self.title or self.seen.named.get(id(self.tensor)) or (f"{node.name}(...)" if node else "constant")
        return f"{name}[{', '.join(map(str, self.index))}]" if self.index else name

    @property
    def bytes(self) -> str:
        """How the number lies in memory, in hexadecimal: "3f8c0000" is 1.09375 in float32, most significant byte first."""
        if not isinstance(self.tensor, Tensor):
            return struct.pack(">d", self.tensor).hex()
        raw = self.tensor.detach()[self.index].cpu().reshape(1).view(torch.uint8)
        return bytes(reversed(raw.tolist())).hex()

    def why(self) -> "Reason":
        """What made it."""
        from glassformer.lens.why.explain import explain

        return explain(self)


class Term(NamedTuple):
    """A part of a number."""

    label: str
    """ "x[301] W[17, 301]"."""
    value: float
    of: tuple[Number, ...]
    """The numbers that it was made of; each can be asked in turn."""


@dataclass(frozen=True)
class Reason:
    """Why a number is what it is."""

    number: Number
    rule: str
    """How the terms make the number; see the module."""
    formula: str
    """In words of the formula's file, or of torch: "y = x W^T + b"."""
    terms: list[Term]
    """Largest first."""
    place: tuple[str, int] | None = None
    """The file and line that asked for it."""
    source: tuple[str, int] | None = None
    """The file and line where the formula is written."""

    @property
    def line(self) -> str:
        """The line of Python that asked for it."""
        return linecache.getline(*self.place).strip() if self.place else ""

    @property
    def total(self) -> float:
        """What the terms make by the rule: the number, up to rounding. NaN where there is no rule."""
        values = [term.value for term in self.terms]
        made: dict[str, Callable[[], float]] = {
            "sum": lambda: math.fsum(values),
            "product": lambda: math.prod(values),
            "same": lambda: values[0],
            "function": lambda: values[0],
            "log of sum": lambda: math.log(math.fsum(values)),
            "weight": lambda: self.number.value,
            "input": lambda: self.number.value,
        }
        return made[self.rule]() if self.rule in made else math.nan


@cache
def equation(formula: str) -> str:
    """The line of maths in a formula's file that says what comes out: "y = x W^T + b"; else the first one."""
    text = inspect.getdoc(import_module(f"glassformer.kernels.{formula}")) or ""
    lines = re.findall(r"^ {4}(\S.*)$", text, re.M)
    found = next((line for line in lines if re.match(r"\(?y", line)), lines[0] if lines else formula)
    return re.split(r"\s{4,}", found)[0].rstrip(",")


@cache
def source_of(formula: str) -> tuple[str, int]:
    """The file and line where a formula is written out."""
    plain = import_module(f"glassformer.kernels.{formula}").plain
    return plain.__code__.co_filename, plain.__code__.co_firstlineno


def short(file: str) -> str:
    """A file as a reader of the repository calls it: "glassformer/model/block.py"; another one by its last two names."""
    root = Path(__file__).parents[3]
    path = Path(file)
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else "/".join(path.parts[-2:])


def number_of(seen: "Graph", name: str, *index: int) -> Number:
    """One number of a trace by its name and index. Raises LensError for a name or a place that is not there."""
    from glassformer.errors import LensError

    value = seen[name]
    shape = tuple(value.shape)
    inside = len(index) == len(shape) and all(-n <= i < n for i, n in zip(index, shape))
    if not inside:
        raise LensError(f"{name} has the shape {shape}, and {index} is no place in it")
    return Number(seen, value, tuple(i % n for i, n in zip(index, shape)), name)


def made_by(number: Number) -> "Node | None":
    """The operation that made a number."""
    return number.seen.nodes.get(id(number.tensor)) if isinstance(number.tensor, Tensor) else None


def one(seen: "Graph", tensor: Tensor, index: Index, label: str = "") -> Term:
    number = Number(seen, tensor, index)
    return Term(label or number.name, number.value, (number,))


def broadcast(seen: "Graph", operand: Any, index: Index, output: Tensor) -> Number:
    """The number of an operand that stands at an index of the output."""
    return (
        Number(seen, operand, aligned(index, operand.shape))
        if isinstance(operand, Tensor)
        else Number(seen, operand, ())
    )


def aligned(index: Sequence[int], sizes: Sequence[int]) -> Index:
    """An index of an operand that is broadcast: its dimensions are the last ones, and where it has one place that is it."""
    return tuple(0 if n == 1 else i for i, n in zip(index[len(index) - len(sizes) :], sizes))

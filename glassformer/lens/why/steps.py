"""The steps between formulas: sums, products, and operations that only move numbers. See `explain`."""

from collections.abc import Callable

import torch
from torch import Tensor

from glassformer.lens.why.graph import Graph, Node
from glassformer.lens.why.number import Found, Index, Number, Term, aligned, broadcast, one

SAME = ("to", "float", "double", "bfloat16", "contiguous", "clone", "detach", "type_as")
MOVES = (
    "transpose", "permute", "movedim", "unflatten", "flatten", "view", "view_as", "reshape", "chunk", "split",
    "__getitem__", "cat", "stack", "expand", "expand_as", "unsqueeze", "squeeze", "unbind", "repeat", "repeat_interleave",
    "roll", "gather", "T", "mT", "select", "narrow", "broadcast_to", "masked_fill", "where", "index_select",
)  # fmt: skip
"""Functions of torch that move numbers and compute none."""
UNARY = (
    "exp", "neg", "sqrt", "rsqrt", "log", "sin", "cos", "tanh", "sigmoid", "square", "abs", "clamp", "reciprocal", "pow",
    "__rpow__", "logical_not", "bitwise_not", "__invert__", "long",
)  # fmt: skip


def _sum_of(signs: tuple[int, int]) -> Callable[[Graph, Node, Index], Found]:
    def explainer(seen: Graph, node: Node, index: Index) -> Found:
        a, b = (node.operands[key] for key in ("0", "1"))
        terms = []
        for operand, sign in zip((a, b), signs):
            number = broadcast(seen, operand, index, node.output)
            terms.append(Term(("- " if sign < 0 else "") + number.name, sign * number.value, (number,)))
        return "sum", terms

    return explainer


def _product(seen: Graph, node: Node, index: Index) -> Found:
    numbers = [broadcast(seen, node.operands[key], index, node.output) for key in ("0", "1")]
    return "product", [Term(number.name, number.value, (number,)) for number in numbers]


def _quotient(keys: tuple[str, str]) -> Callable[[Graph, Node, Index], Found]:
    def explainer(seen: Graph, node: Node, index: Index) -> Found:
        a, b = (broadcast(seen, node.operands[key], index, node.output) for key in keys)
        return "product", [Term(a.name, a.value, (a,)), Term(f"1 / {b.name}", 1 / b.value, (b,))]

    return explainer


def _matmul(seen: Graph, node: Node, index: Index) -> Found:
    a, b = node.operands["0"], node.operands["1"]
    *batch, m, n = index
    terms = []
    left, right = aligned(batch, a.shape[:-2]), aligned(batch, b.shape[:-2])
    for k in range(a.shape[-1]):
        x, w = Number(seen, a, (*left, m, k)), Number(seen, b, (*right, k, n))
        terms.append(Term(f"{x.name} {w.name}", x.value * w.value, (x, w)))
    return "sum", terms


def _summed(seen: Graph, node: Node, index: Index) -> Found:
    """`sum` over one dimension or several."""
    x = node.operands["0"]
    dims = node.operands.get("1", node.operands.get("dim", tuple(range(x.ndim))))
    dims = [d % x.ndim for d in ((dims,) if isinstance(dims, int) else dims)]
    kept = node.output.ndim == x.ndim
    rest, terms = list(index), list[Term]()
    where = [0] * x.ndim
    for d in range(x.ndim):
        if d not in dims:
            where[d] = rest[d] if kept else rest.pop(0)
    for place in torch.cartesian_prod(*[torch.arange(x.shape[d]) for d in dims]).reshape(-1, len(dims)).tolist():
        for d, i in zip(dims, place):
            where[d] = i
        terms.append(one(seen, x, tuple(where)))
    return "sum", terms


def _index_add(seen: Graph, node: Node, index: Index) -> Found:
    """y.index_add(0, row, x): what was there, and the rows of x that were added to this one."""
    y, rows, x = (node.operands[key] for key in ("0", "2", "3"))
    added = (rows == index[0]).nonzero()[:, 0].tolist()
    return "sum", [one(seen, y, index), *(one(seen, x, (i, *index[1:])) for i in added)]


def moved(seen: Graph, node: Node, index: Index) -> Found:
    """Let the operation move the numbers 0, 1, 2 ... instead, and look which one arrives at the index."""
    sources: list[Tensor] = []

    def numbered(tensor: Tensor) -> Tensor:
        first = sum(source.numel() for source in sources)
        sources.append(tensor)
        return torch.arange(first, first + tensor.numel(), device=tensor.device).view(tensor.shape)

    operands = dict(node.operands)
    if node.name in ("cat", "stack"):
        operands["0"] = [numbered(tensor) for tensor in operands["0"]]
    elif node.name == "where":
        keys = ("1", "2") if operands["0"].dtype == torch.bool else ("0", "2")
        operands.update({key: numbered(operands[key]) for key in keys if isinstance(operands[key], Tensor)})
    else:
        operands["0"] = numbered(operands["0"])
    if node.name == "masked_fill":
        operands["2"] = -1
    assert node.function is not None
    args = [value for key, value in operands.items() if key.isdigit()]
    moved = node.function(*args, **{key: value for key, value in operands.items() if not key.isdigit()})
    place = int((moved[node.which] if isinstance(moved, tuple | list) else moved)[index])
    if place < 0 or not sources:
        constant = Number(seen, node.operands.get("2", 0.0), ())
        return "same", [Term("filled in", constant.value, (constant,))]
    for source in sources:
        if place < source.numel():
            where = tuple(int(i) for i in torch.unravel_index(torch.tensor(place), source.shape))
            return "same", [one(seen, source, where)]
        place -= source.numel()
    raise AssertionError("an operation that moves numbers has made one")


def function_of_one(seen: Graph, node: Node, index: Index, compute: Callable[..., Tensor] | None) -> Found:
    """The function of one number, computed again for it alone."""
    assert compute is not None
    x, *rest = node.operands.values()
    number = Number(seen, x, index)
    value = float(compute(x.detach()[index], *rest))
    return "function", [Term(f"{node.name}({number.name})", value, (number,))]


def unopened(seen: Graph, node: Node) -> Found:
    return "unopened", []


STEPS: dict[str, Callable[[Graph, Node, Index], Found]] = {
    "add": _sum_of((1, 1)), "sub": _sum_of((1, -1)), "__rsub__": _sum_of((-1, 1)), "mul": _product,
    "div": _quotient(("0", "1")), "__rdiv__": _quotient(("1", "0")),
    "matmul": _matmul, "sum": _summed, "index_add": _index_add,
}  # fmt: skip

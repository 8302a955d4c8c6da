"""The formulas that are no attention: what makes one of their numbers. See `explain`."""

import math
from collections.abc import Callable

from torch import Tensor

from glassformer.lens.why.graph import Graph, Node
from glassformer.lens.why.number import Found, Index, Number, Term, aligned, one
from glassformer.lens.why.steps import unopened

ONE_NUMBER = (
    "silu", "gelu", "gelu_exact", "relu", "relu2", "sigmoid", "softplus", "elu_plus_one", "softcap",
)  # fmt: skip
"""Formulas that compute each number from one."""


def _linear(seen: Graph, node: Node, index: Index) -> Found:
    x, weight, bias = node.operands["x"], node.operands["weight"], node.operands.get("bias")
    *row, m = index
    row = tuple(row)
    products = (x[row].double() * weight[m].double()).tolist()
    terms = [
        Term(f"x[{n}] W[{m}, {n}]", product, (Number(seen, x, (*row, n)), Number(seen, weight, (m, n))))
        for n, product in enumerate(products)
    ]
    return "sum", terms + ([] if bias is None else [one(seen, bias, (m,), f"b[{m}]")])


def _embedding(seen: Graph, node: Node, index: Index) -> Found:
    ids, weight = node.operands["ids"], node.operands["weight"]
    id = int(ids[index[:-1]])
    number, chosen = Number(seen, weight, (id, index[-1])), Number(seen, ids, index[:-1])
    return "same", [Term(f"W[{id}, {index[-1]}]", number.value, (number, chosen))]


def _softmax(seen: Graph, node: Node, index: Index) -> Found:
    return _share(seen, node.operands["x"], index, node.operands.get("dim", -1))


def _share(seen: Graph, x: Tensor, index: Index, dim: int = -1) -> Found:
    """e^x_i and 1 / sum_j e^x_j, with the largest x subtracted from both."""
    dim = dim % x.ndim
    row = x[tuple(slice(None) if d == dim else i for d, i in enumerate(index))].double()
    top = float(row.max())
    if top == -math.inf:
        return "same", [Term("nothing can be chosen", 0.0, ())]
    others = [Number(seen, x, (*index[:dim], j, *index[dim + 1 :])) for j in range(len(row))]
    rivals = sorted((other for other in others if other.value > -math.inf), key=lambda other: -other.value)
    own, total = Number(seen, x, index), float((row - top).exp().sum())
    return "product", [
        Term(f"exp({own.name} - {top:.4g})", math.exp(own.value - top), (own,)),
        Term(f"1 / the sum of exp over {len(rivals)} scores", 1 / total, tuple(rivals)),
    ]


def _rms_norm(seen: Graph, node: Node, index: Index) -> Found:
    x, weight, eps = node.operands["x"], node.operands["weight"], node.operands.get("eps", 1e-6)
    row = x[index[:-1]].double()
    scale = 1 / math.sqrt(float((row * row).mean()) + eps)
    numbers = tuple(Number(seen, x, (*index[:-1], i)) for i in row.abs().argsort(descending=True).tolist())
    return "product", [
        one(seen, x, index), Term(f"1 / the root mean square of {len(row)} numbers", scale, numbers),
        one(seen, weight, index[-1:]),
    ]  # fmt: skip


def _layer_norm(seen: Graph, node: Node, index: Index) -> Found:
    x, weight, bias = node.operands["x"], node.operands["weight"], node.operands.get("bias")
    row = x[index[:-1]].double()
    mean = float(row.mean())
    scale = 1 / math.sqrt(float((row - mean).square().mean()) + node.operands.get("eps", 1e-5))
    own, gain = Number(seen, x, index), Number(seen, weight, index[-1:])
    numbers = tuple(Number(seen, x, (*index[:-1], i)) for i in row.abs().argsort(descending=True).tolist())
    terms = [
        Term(f"{own.name} / {1 / scale:.4g} times {gain.name}", own.value * scale * gain.value, (own, gain)),
        Term(f"- the mean / {1 / scale:.4g} times {gain.name}", -mean * scale * gain.value, (*numbers, gain)),
    ]
    return "sum", terms + ([] if bias is None else [one(seen, bias, index[-1:])])


def _gated(activation: Callable[[float], float], name: str) -> Callable[[Graph, Node, Index], Found]:
    def explainer(seen: Graph, node: Node, index: Index) -> Found:
        gate, up = (Number(seen, node.operands[key], index) for key in ("gate", "up"))
        return "product", [
            Term(f"{name}({gate.name})", activation(gate.value), (gate,)), Term(up.name, up.value, (up,))
        ]  # fmt: skip

    return explainer


def _rope(seen: Graph, node: Node, index: Index) -> Found:
    x, angle = node.operands["k" if node.which else "q"], node.operands["angle"]
    temperature, half, i = node.operands.get("temperature", 1.0), angle.shape[-1], index[-1]
    if i >= 2 * half:
        return "same", [one(seen, x, index)]
    place = (*aligned(index[:-1], angle.shape[:-1]), i % half)
    turn = Number(seen, angle, place, "the angle")
    own, other = Number(seen, x, index), Number(seen, x, (*index[:-1], i + half if i < half else i - half))
    cos = temperature * float(angle[place].cos())  # in the precision of the angle
    sin = temperature * float(angle[place].sin()) * (-1 if i < half else 1)
    return "sum", [
        Term(f"{own.name} times cos {turn.value:.4g}", own.value * cos, (own, turn)),
        Term(f"{'-' if i < half else ''}{other.name} times sin {turn.value:.4g}", other.value * sin, (other, turn)),
    ]


def _short_convolution(seen: Graph, node: Node, index: Index) -> Found:
    """silu of a sum: the taps times the last inputs."""
    x, weight, bias = node.operands["x"], node.operands["weight"], node.operands.get("bias")
    b, t, e = index
    W = weight.shape[-1]
    parts = []
    for j in range(W):
        if t - W + 1 + j >= 0:
            parts += [Number(seen, weight, (e, 0, j)), Number(seen, x, (b, t - W + 1 + j, e))]
    a = math.fsum(tap.value * x.value for tap, x in zip(parts[::2], parts[1::2]))
    if bias is not None:
        parts.append(Number(seen, bias, (e,)))
        a += parts[-1].value
    return "function", [Term("silu of the taps times the last inputs", _silu(a), tuple(parts))]


def _cross_entropy(seen: Graph, node: Node, index: Index) -> Found:
    """The logarithm of the sum of e^z, less the logit of the target."""
    z, targets = node.operands["logits"], node.operands["targets"]
    target = int(targets[index])
    if target < 0:
        return "same", [Term("this target is not counted", 0.0, ())]
    row = z[index].double()
    own, most = Number(seen, z, (*index, target)), row.argsort(descending=True)[:100].tolist()
    likeliest = tuple(Number(seen, z, (*index, v)) for v in most)
    return "sum", [
        Term("ln of the sum of exp of all logits", float(row.logsumexp(-1)), likeliest),
        Term(f"- {own.name}", -own.value, (own,)),
    ]


def _pointer(seen: Graph, node: Node, index: Index) -> Found:
    """(1 - g) softmax(z)_w from the vocabulary, and g a_s from each place of the text that holds the word."""
    z, pattern, gate, ids = (node.operands[key] for key in ("z", "pattern", "gate", "ids"))
    b, t, w = index
    opening = Number(seen, gate, (b, t))
    g = 1 / (1 + math.exp(-opening.value))
    own = Number(seen, z, index)
    chosen = math.exp(own.value - float(z[b, t].double().logsumexp(-1)))
    terms = [Term(f"(1 - g) softmax({own.name})", (1 - g) * chosen, (own, opening))]
    for s in (ids[b] == w).nonzero()[:, 0].tolist():
        weight = Number(seen, pattern, (b, t, s))
        if weight.value:
            terms.append(Term(f"g {weight.name}", g * weight.value, (weight, opening)))
    return "log of sum", terms


def _route(seen: Graph, node: Node, index: Index) -> Found:
    """The softmax of the chosen scores alone, which is p divided by the sum of the chosen p."""
    if node.which != 0:
        return unopened(seen, node)
    chosen = node.call.result[1][index[0]].tolist() if node.call else []
    scores = [Number(seen, node.operands["scores"], (index[0], e)) for e in chosen]
    total = math.fsum(math.exp(score.value - scores[0].value) for score in scores)
    own = scores[index[1]]
    return "product", [
        Term(f"exp({own.name} - {scores[0].value:.4g})", math.exp(own.value - scores[0].value), (own,)),
        Term(f"1 / the sum of exp over {len(scores)} experts", 1 / total, tuple(scores)),
    ]


def _silu(x: float) -> float:
    return x / (1 + math.exp(-x)) if x > -700 else 0.0


def _gelu(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


FORMULAS: dict[str, Callable[[Graph, Node, Index], Found]] = {
    "linear": _linear, "embedding": _embedding, "softmax": _softmax, "rms_norm": _rms_norm, "layer_norm": _layer_norm,
    "swiglu": _gated(_silu, "silu"), "geglu": _gated(_gelu, "gelu"), "rope": _rope, "short_convolution": _short_convolution,
    "cross_entropy": _cross_entropy, "pointer": _pointer, "route": _route,
}  # fmt: skip

"""Attention and recurrences: the values that a token reads with their weights, and what the weights are made of.
See `explain`."""

import math

from torch import Tensor

from glassformer.lens import patterns
from glassformer.lens.call import SOFTMAX_ATTENTION
from glassformer.lens.why.graph import Graph, Node
from glassformer.lens.why.number import Found, Index, Number, Term


def weighted(seen: Graph, node: Node, index: Index) -> Found:
    """z_t = sum_s weight_ts v_s: softmax attention and the recurrent formulas alike."""
    assert node.call is not None
    name = node.call.named("pattern")
    weights, v = weights_of(seen, node)[0], node.operands["x" if node.name == "selective_scan" else "v"]
    if node.name == "selective_scan":
        b, t, e = index
        head, key, channel = e, None, e
    else:
        b, head, t, channel = index
        key = head // (weights.shape[1] // v.shape[1])
    terms = []
    for s in range(weights.shape[-1]):
        if weights[b, head, t, s] != 0:
            weight = Number(seen, weights, (b, head, t, s), name)
            value = Number(seen, v, (b, s, channel) if key is None else (b, key, s, channel))
            terms.append(Term(f"{weight.name} {value.name}", weight.value * value.value, (weight, value)))
    if node.name == "selective_scan":
        D, x = Number(seen, node.operands["D"], (channel,)), Number(seen, v, index)
        terms.append(Term(f"{D.name} {x.name}", D.value * x.value, (D, x)))
    return "sum", terms


def weights_of(seen: Graph, node: Node) -> tuple[Tensor, Tensor | None]:
    """The weights of an attention or a recurrence, and the scores that a softmax makes them of. Made once, and from then on
    they have nodes of their own: the pattern comes from the scores, and these from queries and keys."""
    call = node.call
    assert call is not None
    if call.named("pattern") not in seen.derived:
        made = [patterns.pattern(call).weights]
        made += [patterns.scores(call)] if call.formula in SOFTMAX_ATTENTION else []
        for tensor, end, step in zip(made, ("pattern", "scores"), ("weights", "scores")):
            seen.derived[call.named(end)] = tensor
            seen.named[id(tensor)] = call.named(end)
            seen.nodes[id(tensor)] = Node(step, call.operands, tensor, 0, node.module, node.place)
        if len(made) == 2:
            seen.nodes[id(made[0])] = Node("softmax", {"x": made[1]}, made[0], 0, node.module, node.place, call)
    return seen.derived[call.named("pattern")], seen.derived.get(call.named("scores"))


def scores(seen: Graph, node: Node, index: Index) -> Found:
    """q . k / sqrt(D), and what the position adds; -inf where the key may not be seen."""
    q, k = node.operands["q"], node.operands["k"]
    b, head, t, s = index
    value = float(node.output[index])
    if value == -math.inf:
        return "same", [Term("hidden by the mask", value, ())]
    key, D = head // (q.shape[1] // k.shape[1]), q.shape[-1]
    terms = []
    for d in range(D):
        x, y = Number(seen, q, (b, head, t, d)), Number(seen, k, (b, key, s, d))
        terms.append(Term(f"{x.name} {y.name} / sqrt({D})", x.value * y.value / math.sqrt(D), (x, y)))
    bias = value - math.fsum(term.value for term in terms)
    if abs(bias) > 1e-4 * max(1.0, abs(value)):
        terms.append(Term("the bias of the position", bias, ()))
    return "sum", terms

"""Attention and recurrences: the values that a token reads with their weights, and what the weights are made of.
See `explain`."""

import math

import torch
from torch import Tensor

from glassformer.kernels.linear_attention import EPS
from glassformer.lens import patterns
from glassformer.lens.call import SOFTMAX_ATTENTION
from glassformer.lens.why.graph import Graph, Node
from glassformer.lens.why.number import Found, Index, Number, Term, aligned
from glassformer.lens.why.steps import unopened


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
        for tensor, end, step in zip(made, ("pattern", "scores"), (f"weights of {call.formula}", "scores")):
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
    added = _bias(node, index)
    return "sum", terms + ([] if added is None else [Term("the bias of the position", added, ())])


def weights(seen: Graph, node: Node, index: Index) -> Found:
    """What the weight of a recurrence is made of."""
    if node.operands.get("documents") is not None or node.name not in RECURRENCES:
        return unopened(seen, node)
    return RECURRENCES[node.name](seen, node, index)


def _bias(node: Node, index: Index) -> float | None:
    """What the position adds to one score; None for nothing."""
    bias, (_, head, t, s) = node.operands.get("bias"), index
    if bias is None:
        return None
    if not isinstance(bias, Tensor):  # a function of the indices; the last query stands at the last key
        T, S = node.output.shape[-2:]
        found = bias(*(torch.tensor([i], device=node.output.device) for i in (t + S - T, s)))
        return None if found is None else float(found[..., 0, 0].flatten()[head])
    return float(bias[aligned(index, bias.shape)])


def _of_linear_attention(seen: Graph, node: Node, index: Index) -> Found:
    """(q_t . k_s) / (sum_r q_t . k_r): the numerator with the queries and keys that were rotated, if any were."""
    b, head, t, s = index
    q, k = node.operands["q"], node.operands["k"]
    turned_q, turned_k = (node.operands.get(f"turned_{name}") for name in "qk")
    turned_q, turned_k = q if turned_q is None else turned_q, k if turned_k is None else turned_k
    key = head // (q.shape[1] // k.shape[1])
    asked = float(turned_q[b, head, t].double() @ turned_k[b, key, s].double())
    every = float((k[b, key, : t + 1].double() @ q[b, head, t].double()).sum()) + EPS
    D = range(q.shape[-1])
    pair = tuple(
        Number(seen, x, (*place, d)) for d in D for x, place in ((turned_q, (b, head, t)), (turned_k, (b, key, s)))
    )
    return "product", [
        Term(f"the features of token {t} times those of token {s}", asked, pair),
        Term(f"1 / the sum of such products over {t + 1} tokens", 1 / every, ()),
    ]


def _of_selective_scan(seen: Graph, node: Node, index: Index) -> Found:
    """sum_n C_t,n exp(A_n (dt_s+1 + ... + dt_t)) dt_s B_s,n: what token s wrote into each state, faded, and read at t."""
    b, e, t, s = index
    dt, A, B, C = (node.operands[name] for name in ("dt", "A", "B", "C"))
    between = float(dt[b, s + 1 : t + 1, e].double().sum())
    step, terms = Number(seen, dt, (b, s, e)), []
    for n in range(A.shape[1]):
        read, rate, written = Number(seen, C, (b, t, n)), Number(seen, A, (e, n)), Number(seen, B, (b, s, n))
        value = read.value * math.exp(rate.value * between) * step.value * written.value
        terms.append(Term(f"{read.name} exp({rate.value:.3g} times {between:.3g}) {step.name} {written.name}", value,
                          (read, rate, step, written)))  # fmt: skip
    return "sum", terms


def _of_gated_delta(seen: Graph, node: Node, index: Index) -> Found:
    """q_t . m beta_s, where m is the key of token s as it has faded and been overwritten by the tokens after it:
    m = alpha_r (m - beta_r k_r (k_r . m)) for r = s + 1 ... t."""
    b, head, t, s = index
    q, k, beta, log_alpha = (node.operands[name] for name in ("q", "k", "beta", "log_alpha"))
    key = head // (q.shape[1] // k.shape[1])
    left = k[b, key, s].double()
    for r in range(s + 1, t + 1):
        other = k[b, key, r].double()
        left = log_alpha[b, key, r].double().exp() * (left - beta[b, key, r].double() * other * (other @ left))
    written, terms = Number(seen, beta, (b, key, s)), []
    for d, kept in enumerate(left.tolist()):
        asks, stood = Number(seen, q, (b, head, t, d)), Number(seen, k, (b, key, s, d))
        label = f"{asks.name} times {kept:.3g} (left of {stood.name}) {written.name}"
        terms.append(Term(label, asks.value * kept * written.value, (asks, stood, written)))
    return "sum", terms


RECURRENCES = {
    "weights of linear_attention": _of_linear_attention,
    "weights of selective_scan": _of_selective_scan,
    "weights of gated_delta": _of_gated_delta,
}

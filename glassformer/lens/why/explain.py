"""The explainers of `why`: one for each formula, and one for each kind of step between them.

An explainer is given a node of the graph and the index of one number, and says by which rule which terms make it. The
arithmetic is done again in Python's numbers, so the terms are what the operands say, and their sum can be compared with
what the kernel gave out.
"""

from importlib import import_module
from typing import Any

from torch import Tensor

from glassformer.lens import patterns
from glassformer.lens.call import SOFTMAX_ATTENTION
from glassformer.lens.why import attention
from glassformer.lens.why.formulas import FORMULAS, ONE_NUMBER
from glassformer.lens.why.graph import Graph, Node
from glassformer.lens.why.number import Found, Index, Number, Reason, Term, equation, made_by, one, source_of
from glassformer.lens.why.steps import MOVES, SAME, STEPS, UNARY, function_of_one, moved, unopened


def explain(number: Number) -> Reason:
    """Why a number is what it is."""
    seen = number.seen
    if isinstance(number.tensor, Tensor) and id(number.tensor) in seen.weights:
        return Reason(number, "weight", "a weight, which training has found", [])
    node = made_by(number)
    if node is None:
        return Reason(number, "input", "given to the model", [])
    if node.call is not None:
        return _reason(
            number, node, *_of_a_formula(seen, node, number.index), equation(node.name), source_of(node.name)
        )
    return _reason(number, node, *_of_a_step(seen, node, number.index), node.name, None)


def _reason(number: Number, node: Node, rule: str, terms: list[Term], formula: str, source: Any) -> Reason:
    ordered = sorted(terms, key=lambda term: -abs(term.value))
    return Reason(number, rule, formula, ordered, node.place, source)


def _of_a_formula(seen: Graph, node: Node, index: Index) -> Found:
    if node.name in ONE_NUMBER:
        plain = import_module(f"glassformer.kernels.{node.name}").plain
        return function_of_one(seen, node, index, lambda *operands: plain(*operands))
    if node.name in SOFTMAX_ATTENTION or node.name in patterns.LINEAR:
        return attention.weighted(seen, node, index) if node.which == 0 else unopened(seen, node)
    explainer = FORMULAS.get(node.name)
    return explainer(seen, node, index) if explainer else unopened(seen, node)


def _of_a_step(seen: Graph, node: Node, index: Index) -> Found:
    operands = list(node.operands.values())
    if node.name == "scores":
        return attention.scores(seen, node, index)
    if node.name.startswith("weights of "):
        return attention.weights(seen, node, index)
    if node.name in STEPS:
        return STEPS[node.name](seen, node, index)
    if node.name in SAME:
        return "same", [one(seen, operands[0], index, "the same")]
    if node.name in MOVES:
        return moved(seen, node, index)
    if node.name in UNARY:
        return function_of_one(seen, node, index, node.function)
    return unopened(seen, node)

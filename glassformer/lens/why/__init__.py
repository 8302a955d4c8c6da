"""Why is this number this number: its formula, the numbers that it was made of, and so on down to weights and bytes.

>>> seen = graph(model, ids)
>>> number = seen.number("blocks.1.mlp.out", 0, 5, 17)                 # (row, token, channel)
>>> reason = number.why()
>>> reason.formula, reason.rule, reason.terms[0].label, reason.terms[0].value
("y = x W^T + b", "sum", "x[301] W[17, 301]", 0.8213)
>>> reason.terms[0].of[0].why()                                        # and why is x[301] what it is?

The terms are sorted by size, and make the number by one of these rules:

    sum         the terms add up to it               product     the terms are multiplied
    same        it was moved here, not computed      function    a function of one number, such as silu(x)
    log of sum  the terms add up to e^number         weight      a parameter of the model, with its bytes
    input       a token id, or a number that no operation made
    unopened    an operation that nobody has explained here: what it was given, and no terms

`graph` records a pass with the operation that made each tensor. `explain` finds the explainer of an operation: `formulas`,
`attention` and the `steps` between them have one for each.
"""

import math
from typing import Any

from glassformer.lens.why.graph import Graph, graph
from glassformer.lens.why.number import Number, Reason, Term, short

__all__ = ["Graph", "Number", "Reason", "Term", "graph", "short", "tree"]


def tree(number: Number, depth: int = 3, width: int = 4) -> dict[str, Any]:
    """A number and what made it, `depth` levels down with the `width` largest terms of each, as JSON can hold it.

    Numbers that were only moved are stepped over. `left` says how many terms, or numbers of a term, are not shown, and
    `rest` what the terms left out amount to where the rule is a sum.
    """
    reason = number.why()
    while reason.rule == "same" and reason.terms:
        number = reason.terms[0].of[0]
        reason = number.why()
    found: dict[str, Any] = {"name": number.name, "value": number.value, "rule": reason.rule, "formula": reason.formula}
    if reason.place:
        found["place"] = f"{short(reason.place[0])}:{reason.place[1]}"
    if reason.source:
        found["source"] = f"{short(reason.source[0])}:{reason.source[1]}"
    if reason.rule == "weight":
        found["bytes"] = number.bytes
    shown = reason.terms[:width]
    if depth > 0 and reason.rule not in ("weight", "input"):
        found["terms"] = [
            {
                "label": term.label,
                "value": term.value,
                "of": [tree(part, depth - 1, width) for part in term.of[:width]],
                "left": max(0, len(term.of) - width),
            }
            for term in shown
        ]
        found["left"] = len(reason.terms) - len(shown)
        if reason.rule == "sum":
            found["rest"] = math.fsum(term.value for term in reason.terms[width:])
    return found

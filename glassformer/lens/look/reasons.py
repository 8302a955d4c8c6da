"""Why some numbers of a pass are what they are, as a list of numbers that name each other: what a page can walk through.

A number leads to thousands of others, down to the weights. `reasons` opens the nearest first, and stops after so many; each
number stands in the list once, however many others were made of it.
"""

from collections import deque
from dataclasses import dataclass, field
from math import fsum, isfinite
from typing import Any

from glassformer.errors import LensError
from glassformer.lens.why import Graph, Number, short

WIDTH = 4
"""Terms of a number, and numbers of a term, that are followed."""


@dataclass
class Reasons:
    """Numbers and what made them."""

    width: int = WIDTH
    numbers: list[dict[str, Any]] = field(default_factory=list)
    """Each {"name", "value"}; with "rule", "made", "terms" ... if it was opened."""
    made: list[dict[str, str]] = field(default_factory=list)
    """The formulas that numbers were made with, and the lines of Python: many numbers share one ("made" is its place)."""
    _known: dict[tuple[int, tuple[int, ...], str], int] = field(default_factory=dict)
    _waiting: deque[tuple[int, Number]] = field(default_factory=deque)

    def root(self, number: Number) -> int:
        """The place of a number in the list, to be opened next."""
        return self._place(number)

    def open(self, most: int) -> None:
        """Open the numbers that wait, nearest first, until `most` were opened; the others stay closed for good."""
        while self._waiting and most > 0:
            place, number = self._waiting.popleft()
            self.numbers[place].update(self._reason(number))
            most -= 1
        self._waiting.clear()

    def _place(self, number: Number) -> int:
        number = _followed(number)
        key = (id(number.tensor), number.index, number.title)
        if key not in self._known:
            self._known[key] = len(self.numbers)
            self.numbers.append({"name": number.name, "value": _nine(number.value)})
            if id(number.tensor) in number.seen.weights:  # it has nothing to open
                self.numbers[-1].update(self._reason(number))
            else:
                self._waiting.append((self._known[key], number))
        return self._known[key]

    def _reason(self, number: Number) -> dict[str, Any]:
        reason = number.why()
        made = {"formula": reason.formula}
        if reason.place:
            made |= {"place": f"{short(reason.place[0])}:{reason.place[1]}", "line": reason.line}
        if reason.source:
            made["source"] = f"{short(reason.source[0])}:{reason.source[1]}"
        if made not in self.made:
            self.made.append(made)
        found: dict[str, Any] = {"rule": reason.rule, "made": self.made.index(made)}
        if reason.rule == "weight":
            found["bytes"] = number.bytes
            return found
        found["terms"] = [
            {
                "label": term.label, "value": _nine(term.value), "left": max(0, len(term.of) - self.width),
                "of": [self._place(part) for part in term.of[: self.width]],
            }
            for term in reason.terms[: self.width]
        ]  # fmt: skip
        found["left"] = max(0, len(reason.terms) - self.width)
        if reason.rule == "sum" and found["left"]:
            found["rest"] = _nine(fsum(term.value for term in reason.terms[self.width :]))
        return found


@dataclass(frozen=True)
class Root:
    """A number that a reader can start from."""

    place: int
    """The token that it belongs to."""
    title: str
    number: int
    """Where it stands in the list of reasons."""
    layer: int | None = None
    head: int | None = None


def reasons(seen: Graph, place: int, top: list[tuple[int, int, int]], most: int, each: int) -> tuple[list[Root], Reasons]:
    """Why the numbers of one place are what they are, and in short those of every other place.

    `top` names weights to explain as (layer, head, key); the layer behind the last is a pointer. At `place` at most
    `most` numbers are opened, and at every other place `each`.
    """
    found, roots = Reasons(), list[Root]()
    ids, T = seen.ids[0].tolist(), seen.ids.shape[1]
    likeliest = seen.logits[0].argmax(-1).tolist()

    def add(at: int, title: str, name: str, *index: int, layer: int | None = None, head: int | None = None) -> None:
        try:
            roots.append(Root(at, title, found.root(seen.number(name, *index)), layer, head))
        except LensError:  # a model of which this number has no name
            pass

    add(place, "the logit of the likeliest next token", "logits", 0, place, likeliest[place])
    if place + 1 < T and ids[place + 1] != likeliest[place]:
        add(place, "the logit of the token that came", "logits", 0, place, ids[place + 1])
    if place + 1 < T and seen.nats is not None:
        add(place, "the loss of the token that came, in nats", "nats", 0, place)
    for layer, head, key in top:
        if layer == len(seen.model.blocks):
            add(place, f"how much the pointer reads place {key}", "head.pattern", 0, place, key, layer=layer, head=head)
            continue
        title = f"how much head {head} of layer {layer} reads place {key}"
        add(place, title, f"blocks.{layer}.mixer.pattern", 0, head, place, key, layer=layer, head=head)
    found.open(most)
    for other in range(T):
        if other != place:
            add(other, "the logit of the likeliest next token", "logits", 0, other, likeliest[other])
            found.open(each)
    return roots, found


def _followed(number: Number) -> Number:
    """The number behind those that were only moved."""
    for _ in range(100):
        reason = number.why() if not _is_settled(number) else None
        if reason is None or reason.rule != "same" or not reason.terms or not reason.terms[0].of:
            break
        number = reason.terms[0].of[0]
    return number


def _is_settled(number: Number) -> bool:
    """Whether a number was certainly not just moved, which spares its explanation: a weight, a plain number."""
    node = number.seen.nodes.get(id(number.tensor))
    return node is None or (node.call is not None and node.name not in ("embedding", "rope"))


def _nine(value: float) -> float | str:
    """Nine digits, which tell any two numbers of float32 apart; "-inf" as a word, since JSON has no such number."""
    return float(f"{value:.9g}") if isfinite(value) else str(value)

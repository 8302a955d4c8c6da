"""What cleaning did, counted step by step. The counts of many workers add up to one report.

Counts are a tree of plain values, so that workers can send them, and so that they can be kept on disk while a
preparation is interrupted:

    {"documents": n, "characters": n, "steps": {name: {"changed": n, "dropped": n, "removed": n, "examples": [...]}}}

`changed` includes what was `dropped`. `removed` is the characters before minus the characters after, and may be
negative.
"""

from typing import Any

from glassformer.config import Config

MOST_EXAMPLES = 3
EXCERPT = 200  # characters
BEFORE_CHANGE = 60  # of those, in front of the first change


class Example(Config):
    """An excerpt of a document that a step changed, around the first change."""

    origin: str
    before: str
    after: str
    """Empty if the document was dropped."""


class StepReport(Config):
    """What one step did to the whole corpus."""

    step: str
    changed: int
    """How many documents the step changed or dropped."""
    documents_before: int
    documents_after: int
    characters_before: int
    characters_after: int
    examples: tuple[Example, ...] = ()
    """The first documents that the step changed, at most three."""


def zero(steps: list[str]) -> dict[str, Any]:
    """The counts before the first document."""
    return {"documents": 0, "characters": 0, "steps": {step: _step() for step in steps}}


def add(total: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    """The sum of `total` and `part`, which comes later in the corpus. Neither of the two is changed.

    >>> add({}, cleaner.take()) == cleaner_that_read_the_same.take()
    True
    """
    if not total:
        return add(zero(list(part["steps"])), part)
    assert list(total["steps"]) == list(part["steps"]), "counts of different steps"
    return {
        "documents": total["documents"] + part["documents"],
        "characters": total["characters"] + part["characters"],
        "steps": {
            name: {key: one[key] + two[key] for key in ("changed", "dropped", "removed")}
            | {"examples": (one["examples"] + two["examples"])[:MOST_EXAMPLES]}
            for (name, one), two in zip(total["steps"].items(), part["steps"].values())
        },
    }


def dropped(documents: int, characters: int, examples: tuple[Example, ...] = ()) -> dict[str, Any]:
    """The counts of a step that only drops documents, such as dropping repetitions."""
    shown = [example.model_dump() for example in examples[:MOST_EXAMPLES]]
    return {"changed": documents, "dropped": documents, "removed": characters, "examples": shown}


def report(
    total: dict[str, Any], repeated: dict[str, Any] | None = None, near: dict[str, Any] | None = None
) -> list[StepReport]:
    """One line per step, in order. The last lines are the exact and the near repetitions, which the caller has dropped.

    `repeated` and `near` are made by `dropped`; each has a line unless it is None. Each line begins with the numbers of
    documents and characters with which the line before ended.
    """
    steps = total["steps"]
    steps = steps | ({"repeated_documents": repeated} if repeated else {}) | ({"near_documents": near} if near else {})
    documents, characters, lines = total["documents"], total["characters"], []
    for name, counts in steps.items():
        lines.append(
            StepReport(
                step=name,
                changed=counts["changed"],
                documents_before=documents,
                documents_after=documents - counts["dropped"],
                characters_before=characters,
                characters_after=characters - counts["removed"],
                examples=tuple(Example(**example) for example in counts["examples"]),
            )
        )
        documents, characters = lines[-1].documents_after, lines[-1].characters_after
    return lines


def excerpts(before: str, after: str) -> tuple[str, str]:
    """At most EXCERPT characters of both texts, around the first place where they differ."""
    start = max(0, first_difference(before, after) - BEFORE_CHANGE)
    return before[start : start + EXCERPT], after[start : start + EXCERPT]


def first_difference(one: str, two: str) -> int:
    """The first index at which two texts differ, or the length of the shorter one. A binary search, because comparing
    long stretches at once is fast."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == two[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _step() -> dict[str, Any]:
    return {"changed": 0, "dropped": 0, "removed": 0, "examples": []}

"""The settings of a recipe by their paths: what is saved as a tree, as one names it behind `glass train`."""

from typing import Any


def flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{path: value} of a tree of plain values; the name of a variant stands at the path of its slot.

    >>> flat({"train": {"steps": 9, "schedule": {"name": "cosine", "min_lr_ratio": 0.1}, "mixture": {}}})
    {'train.steps': 9, 'train.schedule': 'cosine', 'train.schedule.min_lr_ratio': 0.1, 'train.mixture': {}}
    """
    found: dict[str, Any] = {}
    for key, value in tree.items():
        path = prefix.rstrip(".") if key == "name" and prefix else prefix + key
        found |= flat(value, f"{path}.") if isinstance(value, dict) and value else {path: value}
    return found

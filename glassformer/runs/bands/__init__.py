"""Bands: between which losses other runs of the same recipe lay, so that a report can answer "is my loss normal?".

`<recipe>.json` beside this file holds what `bench/bands.py` measured: for some steps, the interval in which 95 of 100 runs
with other seeds lie, of the training loss and of the held-out loss. A band belongs to its settings and its text. It is
drawn behind a run that agrees in all of them, apart from those that change nothing that is learned (UNIMPORTANT), and has
as many steps, within TOLERANCE. For any other run there is no band, and the report says what differs.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

Tree = dict[str, Any]

UNIMPORTANT = {
    "seed", "memory_gb", "checkpoint_activations", "allocator", "kernels", "plain_kernels", "device", "precision",
    "eval_every", "sample_every", "checkpoint_every", "keep_checkpoints", "snapshots", "log_every", "watch", "patience",
    "steps", "micro_batch_size", "grad_accumulation", "doctor", "deterministic",
}  # fmt: skip
"""Settings below `train` that do not move the loss, or (the batch and the steps) are compared by themselves."""
TOLERANCE = 0.1
"""Part by which the number of steps may differ."""


class Band(NamedTuple):
    """Losses by step: between `low` and `high` lie 95 of 100 runs."""

    steps: list[int]
    low: list[float]
    high: list[float]


class Normal(NamedTuple):
    """What is known about runs like this one."""

    train: Band | None
    validation: Band | None
    said: str
    """One sentence: how the band was measured, or why there is none; "" if nothing was measured of this kind of model."""


def essence(recipe: Tree, dataset: Tree) -> Tree:
    """What a band depends on: the recipe without what is unimportant, its batch, and the identity of its text."""
    train = recipe.get("train") or {}
    kept = {key: value for key, value in train.items() if key not in UNIMPORTANT}
    kept["batch"] = (train.get("micro_batch_size") or 0) * (train.get("grad_accumulation") or 1)
    return {"model": recipe.get("model"), "train": kept, "text": dataset.get("fingerprint"),
            "tokenizer": dataset.get("tokenizer")}  # fmt: skip


def normal(recipe: Tree, dataset: Tree, steps: int) -> Normal:
    """What is normal for a run of `steps` steps. A band whose recipe differs in one or two settings is named as the reason
    why there is none."""
    ours, closest = essence(recipe, dataset), (3, "")
    for path in sorted(Path(__file__).parent.glob("*.json")):
        measured = json.loads(path.read_text(encoding="utf-8"))
        different = sorted(_differences(measured["essence"], ours))
        if abs(steps - measured["steps"]) > TOLERANCE * measured["steps"]:
            different.append("train.steps")
        if not different:
            said = (
                f"The tinted bands: 95 of 100 runs of this recipe lie there, by {measured['seeds']} runs with other seeds "
                f"({measured['measured']})."
            )
            return Normal(Band(**measured["train"]), Band(**measured["validation"]), said)
        if len(different) < closest[0]:
            closest = (len(different), _why(path.stem, different, measured))
    return Normal(None, None, closest[1])


def _why(name: str, different: list[str], measured: Tree) -> str:
    names = {
        "text": "the text",
        "tokenizer": "the tokenizer",
        "train.steps": f"the number of steps ({measured['steps']:,} there)",
    }
    told = " and ".join(names.get(key, key) for key in different)
    return f"There is a band of normal losses for the recipe {name}, and this run differs from it in {told}."


def _differences(a: Any, b: Any, prefix: str = "") -> set[str]:
    """The paths of the settings in `a` that are others in `b`; settings that came later are not in `a`."""
    if not (isinstance(a, dict) and isinstance(b, dict)):
        return set() if a == b else {prefix}
    return {path for key in a for path in _differences(a[key], b.get(key), f"{prefix}.{key}" if prefix else key)}

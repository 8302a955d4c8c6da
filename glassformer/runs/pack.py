"""A trained run becomes a model that comes with the package (`shipped.py`): `python bench/ship.py runs/village-mini`."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from glassformer.errors import GlassError
from glassformer.model.gpt import GPT
from glassformer.runs import checkpoint, snapshots
from glassformer.runs.run import Run
from glassformer.runs.shipped import FOLDER
from glassformer.runs.weights import write_tensors
from glassformer.runs.writing import written
from glassformer.system.files import write_atomic

FACTS = ("command", "started", "glassformer", "torch", "parameters", "precision")
"""What `run.json` keeps: nothing that names a machine."""


def pack(folder: Path, earlier: Sequence[int] = (), repeated: Path | None = None) -> Path:
    """Write the best weights of a run in bf16, with its recipe and its curve, and snapshots of the steps `earlier`; returns
    the new folder, which takes the name of the run. A model card that is there stays.

    Of steps that the run did not keep, the weights of `repeated` are taken: a training that repeats this one, with the same
    seed. Raises GlassError, also if it does not repeat the curve digit for digit.
    """
    run, saved = Run.open(folder), checkpoint.load(folder, checkpoint.best)
    kept = _kept(run, repeated)
    if missing := sorted(set(earlier) - kept.keys()):
        raise GlassError(f"{folder} has no weights of step {missing[0]}; it kept {', '.join(map(str, sorted(kept)))}")
    final = FOLDER / run.name
    for old in ("checkpoints", "recipe.json", "run.json", "metrics.jsonl", snapshots.FOLDER):
        shutil.rmtree(final / old) if (final / old).is_dir() else (final / old).unlink(missing_ok=True)
    weights = {name: t.to(torch.bfloat16) for name, t in saved.model().state_dict().items()}
    state = {**_passed(saved), "precision": "bf16", "lowest": saved.state["lowest"], "decays_from": None}
    recipe = json.dumps(saved.recipe, indent=2) + "\n"
    with written(final / "checkpoints" / f"{saved.step:08d}", state, recipe, saved.tokenizer(), {}) as growing:
        write_tensors(growing / "model.safetensors", weights)
    for step in earlier:
        _pack_snapshot(checkpoint.load(kept[step]), final)
    facts = {name: value for name, value in run.facts().items() if name in FACTS}
    facts["dataset"] = {"fingerprint": run.fact("dataset", "fingerprint"), "folder": "data"}
    write_atomic(final / "recipe.json", recipe)
    lines = [{"kind": kind, **line} for kind in ("train", "eval", "score") for line in run.metrics(kind)]
    write_atomic(final / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    write_atomic(final / "run.json", json.dumps(facts, indent=2) + "\n")
    return final


def _kept(run: Run, repeated: Path | None) -> dict[int, Path]:
    """The weights that a run kept, and those of its repetition, by step."""
    found: dict[int, Path] = {}
    for folder in (repeated, run.folder):
        if folder is not None:
            found |= {int(path.name): path for path in checkpoint.steps(folder / "checkpoints")} | snapshots.steps(folder)
    if repeated is not None:
        curves = [{line["step"]: line["loss"] for line in each.metrics("train")} for each in (run, Run.open(repeated))]
        both = sorted(curves[0].keys() & curves[1].keys())
        other = next((step for step in both if curves[0][step] != curves[1][step]), None)
        if other is not None or not both:
            where = "they have no step in common" if other is None else f"their losses differ at step {other}"
            raise GlassError(f"{repeated} does not repeat {run.folder}: {where}; train with its seed and its code")
    return found


def _pack_snapshot(saved: checkpoint.Checkpoint, final: Path) -> None:
    """The weights in bf16; those of step 0 as their seed, if it draws exactly them."""
    model, recipe, seed = saved.model(), json.dumps(saved.recipe, indent=2) + "\n", saved.recipe["train"]["seed"]
    if saved.step == 0:
        drawn = GPT(model.config, seed=seed).state_dict()
        if all(torch.equal(drawn[name], value) for name, value in model.state_dict().items()):
            snapshots.save_seed(final, seed, _passed(saved), recipe, saved.tokenizer())
            return
    snapshots.save(final, model.state_dict(), _passed(saved), recipe, saved.tokenizer(), {})


def _passed(saved: checkpoint.Checkpoint) -> dict[str, float]:
    """How far the training was."""
    return {name: saved.state[name] for name in ("step", "tokens", "seconds")}

"""A trained run becomes a model that comes with the package (`shipped.py`): `python bench/ship.py runs/village-mini`."""

import json
import shutil
from pathlib import Path

import torch

from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.runs.shipped import FOLDER
from glassformer.runs.weights import write_tensors
from glassformer.runs.writing import written
from glassformer.system.files import write_atomic

FACTS = ("command", "started", "glassformer", "torch", "parameters", "precision")
"""What `run.json` keeps: nothing that names a machine."""


def pack(folder: Path) -> Path:
    """Write the best weights of a run in bf16, with its recipe and its curve; returns the new folder, which takes the name
    of the run. A model card that is there stays. Raises GlassError."""
    run, saved = Run.open(folder), checkpoint.load(folder, checkpoint.best)
    final = FOLDER / run.name
    for old in ("checkpoints", "recipe.json", "run.json", "metrics.jsonl"):
        shutil.rmtree(final / old) if (final / old).is_dir() else (final / old).unlink(missing_ok=True)
    weights = {name: t.to(torch.bfloat16) for name, t in saved.model().state_dict().items()}
    state = {"step": saved.step, "tokens": saved.state["tokens"], "seconds": saved.state["seconds"], "precision": "bf16",
             "lowest": saved.state["lowest"], "decays_from": None}  # fmt: skip
    recipe = json.dumps(saved.recipe, indent=2) + "\n"
    with written(final / "checkpoints" / f"{saved.step:08d}", state, recipe, saved.tokenizer(), {}) as growing:
        write_tensors(growing / "model.safetensors", weights)
    facts = {name: value for name, value in run.facts().items() if name in FACTS}
    facts["dataset"] = {"fingerprint": run.fact("dataset", "fingerprint"), "folder": "data"}
    write_atomic(final / "recipe.json", recipe)
    kept = [{"kind": kind, **line} for kind in ("train", "eval", "score") for line in run.metrics(kind)]
    write_atomic(final / "metrics.jsonl", "".join(json.dumps(line) + "\n" for line in kept))
    write_atomic(final / "run.json", json.dumps(facts, indent=2) + "\n")
    return final


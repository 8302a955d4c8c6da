"""Snapshots: the weights of a run at steps 0, 1, 2, 4, 8, ... and at its end, to look at how a model learns.

    runs/<name>/snapshots/step-8/
        model.safetensors        the weights in bf16 (the averaged ones where the run has them), by parameter name
        state.json, recipe.json, tokenizer.json, parts.json, part-*.py, manifest.json    as in a checkpoint

Most happens early, so the steps are spaced by their logarithm (Biderman et al., 2023, "Pythia", keeps these steps). A
snapshot is a checkpoint without an optimizer: everything that reads one reads it, and no training can go on from it. It is
half the size of the weights, a sixth of a checkpoint of AdamW, and it is never pruned. That of step 0 may do without a
file of weights (`save_seed`).
"""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from glassformer.runs.weights import write_tensors
from glassformer.runs.writing import written
from glassformer.tokenizers import Tokenizer

FOLDER = "snapshots"


def is_due(step: int) -> bool:
    """Whether a snapshot belongs to this step: 0 and the powers of two."""
    return step & (step - 1) == 0


def save(
    run: Path, weights: Mapping[str, Tensor], state: dict[str, Any], recipe_json: str, tokenizer: Tokenizer,
    sources: Mapping[str, bytes],
) -> Path:  # fmt: skip
    """Write the snapshot of the step in `state`, in place of one that is there; returns it. Raises DiskError on a full
    disk."""
    final = run / FOLDER / f"step-{state['step']}"
    with written(final, state, recipe_json, tokenizer, sources) as growing:
        narrow = {
            name: tensor.to(torch.bfloat16) if tensor.is_floating_point() else tensor
            for name, tensor in weights.items()
        }
        write_tensors(growing / "model.safetensors", narrow)
    return final


def save_seed(run: Path, seed: int, state: dict[str, Any], recipe_json: str, tokenizer: Tokenizer) -> Path:
    """Write the snapshot of a model as its seed draws it, in a few kilobytes: the weights are drawn again when they are
    asked for. Returns it. Raises GlassError on a full disk."""
    final = run / FOLDER / "step-0"
    with written(final, {**state, "step": 0, "drawn_from": seed}, recipe_json, tokenizer, {}):
        pass
    return final


def steps(run: Path) -> dict[int, Path]:
    """The snapshots of a run by step, in order."""
    found = [path for path in (run / FOLDER).glob("step-*") if path.name.removeprefix("step-").isdecimal()]
    return dict(sorted((int(path.name.removeprefix("step-")), path) for path in found))


def forget_after(run: Path, step: int) -> None:
    """Delete the snapshots of later steps, which a run that goes back to `step` makes again."""
    for number, path in steps(run).items():
        if number > step:
            shutil.rmtree(path)

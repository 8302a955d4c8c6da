"""Checkpoints: a folder that is whole or is not there, and that is checked before anything in it is used.

    checkpoints/00000500/
        model.safetensors        the weights, by parameter name
        optimizer.safetensors    the optimizer's memory
        state.json               step, tokens, seconds, precision, loss scale
        recipe.json              every setting of the run
        tokenizer.json           text <-> ids
        manifest.json            the SHA-256 of each file above, written last

The folder is filled under another name, forced to the disk and renamed, so a crash or a full disk leaves the earlier
checkpoints as they were. Nothing is ever pickled.
"""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from glassformer.errors import CheckpointError, GlassError
from glassformer.kernels import Kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.system.files import sha256, write_atomic
from glassformer.system.folders import all_or_nothing
from glassformer.tokenizers import Tokenizer
from glassformer.tokenizers import load as load_tokenizer

FORMAT = 1


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk; weights are read when asked for."""

    folder: Path
    state: dict[str, Any]
    """step, tokens, seconds and what else the trainer keeps."""
    recipe: dict[str, Any]
    """The run's settings as a tree of plain values; `presets.Recipe.parse` makes them a Recipe again."""

    @property
    def step(self) -> int:
        """Updates done when it was saved."""
        return int(self.state["step"])

    def tokenizer(self) -> Tokenizer:
        """The tokenizer the model was trained with."""
        return load_tokenizer(self.folder / "tokenizer.json")

    def model(self, kernels: Kernels | None = None, device: str | torch.device = "cpu") -> GPT:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit the recipe."""
        config = GPTConfig.parse(self.recipe["model"])
        tensors = self._tensors("model.safetensors")
        with torch.device("meta"):
            model = GPT(config, kernels)
        _check_fit({n: p.shape for n, p in model.state_dict().items()}, tensors, self.folder / "model.safetensors")
        model.load_state_dict(tensors, assign=True)
        return model.to(device).requires_grad_(True).eval()

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """What `Updater.load` takes."""
        return self._tensors("optimizer.safetensors")

    def _tensors(self, name: str) -> dict[str, Tensor]:
        try:
            return load_file(self.folder / name)
        except (SafetensorError, OSError) as error:
            raise CheckpointError(f"{self.folder / name} cannot be read ({error}); use another checkpoint") from None


def save(
    folder: Path, model: torch.nn.Module, optimizer: dict[str, Tensor], state: dict[str, Any], recipe_json: str,
    tokenizer: Tokenizer,
) -> Path:  # fmt: skip
    """Write `folder/<step>`; returns it. One of the same step is replaced. Raises GlassError on a full disk."""
    final = folder / f"{state['step']:08d}"
    with all_or_nothing(final) as growing:
        for name, tensors in (("model", model.state_dict()), ("optimizer", optimizer)):
            _write_tensors(growing / f"{name}.safetensors", tensors)
        write_atomic(growing / "state.json", json.dumps(state, indent=2) + "\n")
        write_atomic(growing / "recipe.json", recipe_json)
        tokenizer.save(growing / "tokenizer.json")
        hashes = {path.name: sha256(path) for path in sorted(growing.iterdir())}
        write_atomic(growing / "manifest.json", json.dumps({"format": FORMAT, "sha256": hashes}, indent=2) + "\n")
    return final


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, path)
    except SafetensorError as error:  # it wraps the system's refusal
        raise OSError(str(error)) from error


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints, and what a crash left half-written."""
    for path in [*folder.glob(".*"), *steps(folder)[:-keep]]:
        shutil.rmtree(path, ignore_errors=True)


def steps(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit() and p.is_dir())


def newest(run: Path) -> Path | None:
    """The latest checkpoint of a run folder, or None."""
    found = steps(run / "checkpoints")
    return found[-1] if found else None


def load(path: Path | str) -> Checkpoint:
    """Open the checkpoint at `path`, or the newest of the run folder `path`, verifying every byte first.

    Raises CheckpointError when it is missing, truncated or altered.
    """
    path = Path(path).expanduser()
    folder = path if (path / "manifest.json").exists() else newest(path)
    if folder is None:
        there = "holds no checkpoint" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path} {there}; name a run folder such as runs/demo, or train one with `glass train`")
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        hashes = dict(manifest["sha256"])
        if manifest["format"] != FORMAT:
            raise CheckpointError(
                f"{folder} has format {manifest['format']}, this version reads {FORMAT}; update glassformer"
            )
        for name in ("model.safetensors", "state.json", "recipe.json", "tokenizer.json"):
            hashes[name]
        for name, expected in hashes.items():
            if Path(name).name != name or sha256(folder / name) != expected:
                raise CheckpointError(
                    f"{folder / name} is damaged (its SHA-256 is not the one in manifest.json); "
                    "delete this checkpoint's folder to go back to the one before"
                )
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        return Checkpoint(folder, {**state, "step": int(state["step"])}, dict(recipe))
    except GlassError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{folder} is not a whole checkpoint ({type(error).__name__}: {error}); "
            "delete its folder to go back to the one before"
        ) from None


def _check_fit(wanted: dict[str, torch.Size], found: dict[str, Tensor], path: Path) -> None:
    for name, shape in wanted.items():
        if name not in found:
            raise CheckpointError(f"{path} lacks {name}; it was made for another model than its recipe.json says")
        if found[name].shape != shape:
            was, needed = tuple(found[name].shape), tuple(shape)
            raise CheckpointError(
                f"{path}: {name} has shape {was}, the recipe needs {needed}; use the run's own recipe.json"
            )
    extra = sorted(found.keys() - wanted.keys())
    if extra:
        raise CheckpointError(
            f"{path} holds {extra[0]}, which the recipe's model does not have; use the run's own recipe.json"
        )

"""Checkpoints: a folder that is whole or is not there, and that is checked before anything in it is used.

    checkpoints/00000500/
        model.safetensors        the weights, by parameter name
        optimizer.safetensors    the tensors of the optimizer's state, by parameter name
        optimizer.json           its numbers: learning rates, step counts (optimizer_state.py)
        state.json               step, tokens, seconds, precision, loss scale, frozen parameters
        recipe.json              every setting of the run
        tokenizer.json           text <-> ids
        manifest.json            the SHA-256 of each file above, written last

The folder is filled under another name, forced to the disk and renamed, so a crash or a full disk leaves the earlier
checkpoints as they were. Nothing is ever pickled. `save_weights` and `load_weights` do the same for the weights of any
module alone: an attention layer, a block, a module of your own.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from glassformer.config import variant_class
from glassformer.errors import CheckpointError, GlassError
from glassformer.kernels import Kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.wrapped import unwrapped
from glassformer.runs import optimizer_state
from glassformer.system.command import typed
from glassformer.system.files import sha256, write_atomic
from glassformer.system.folders import all_or_nothing
from glassformer.tokenizers import Tokenizer, TokenizerRecipe
from glassformer.tokenizers import load as load_tokenizer

FORMAT = 1

Module = TypeVar("Module", bound=nn.Module)


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk; weights are read when asked for."""

    folder: Path
    state: dict[str, Any]
    """step, tokens, seconds, the names of the frozen parameters, and what else the trainer keeps."""
    recipe: dict[str, Any]
    """The run's settings as a tree of plain values; `presets.Recipe.parse` makes them a Recipe again."""

    @property
    def step(self) -> int:
        """Updates done when it was saved."""
        return int(self.state["step"])

    def tokenizer(self) -> Tokenizer:
        """The tokenizer the model was trained with."""
        name = str(self.recipe.get("tokenizer", {}).get("name", ""))
        own = variant_class(TokenizerRecipe, name) if name.endswith(".py") else None
        assert own is None or issubclass(own, TokenizerRecipe)
        return load_tokenizer(self.folder / "tokenizer.json", own)

    def model(self, kernels: Kernels | None = None, device: str | torch.device = "cpu") -> GPT:
        """The model with its weights, in evaluation mode. Raises CheckpointError if they do not fit the recipe."""
        with torch.device("meta"):
            model = GPT(GPTConfig.parse(self.recipe["model"]), kernels)
        return self.fill(model).to(device).eval()

    def fill(self, model: Module) -> Module:
        """Give `model`, which may be on the meta device, the weights; what was frozen is frozen again.

        Raises CheckpointError if they do not fit.
        """
        path = self.folder / "model.safetensors"
        tensors = _read_tensors(path)
        _check_fit(model, tensors, path)
        model.load_state_dict(tensors, assign=True)
        frozen = set(self.state.get("frozen", []))
        for name, p in model.named_parameters():
            p.requires_grad_(name not in frozen)
        return model

    def fill_optimizer(self, optimizer: torch.optim.Optimizer, model: nn.Module) -> None:
        """Give `optimizer`, made for `model` as that of the run was, its state. Raises CheckpointError if it differs."""
        path = self.folder / "optimizer.json"
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            optimizer_state.restore(optimizer, model, self.optimizer_tensors(), tree)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            raise CheckpointError(f"{path} does not hold the state of this optimizer ({why}); train again") from None

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """The tensors of the optimizer's state: `embed.weight/mean`."""
        return _read_tensors(self.folder / "optimizer.safetensors")


def save(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict[str, Any], recipe_json: str,
    tokenizer: Tokenizer,
) -> Path:  # fmt: skip
    """Write `folder/<step>`; returns it. One of the same step is replaced. `optimizer` is None where there is none to go
    on with, as in an import. Raises GlassError on a full disk.
    """
    final = folder / f"{state['step']:08d}"
    frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
    tensors, tree = optimizer_state.packed(optimizer, model) if optimizer else ({}, {})
    with all_or_nothing(final) as growing:
        _write_tensors(growing / "model.safetensors", model.state_dict())
        _write_tensors(growing / "optimizer.safetensors", tensors)
        write_atomic(growing / "optimizer.json", json.dumps(tree, indent=1) + "\n")
        write_atomic(growing / "state.json", json.dumps({**state, "frozen": frozen}, indent=2) + "\n")
        write_atomic(growing / "recipe.json", recipe_json)
        tokenizer.save(growing / "tokenizer.json")
        hashes = {path.name: sha256(path) for path in sorted(growing.iterdir())}
        write_atomic(growing / "manifest.json", json.dumps({"format": FORMAT, "sha256": hashes}, indent=2) + "\n")
    return final


def save_weights(module: nn.Module, path: Path | str) -> Path:
    """Write the weights and buffers of any module to a safetensors file, whole or not at all; returns its path.

    >>> save_weights(block.mixer, "mixer.safetensors")
    >>> load_weights(other_block.mixer, "mixer.safetensors")

    Raises GlassError on a full disk, and for a module whose state is not tensors alone.
    """
    path, module = Path(path), unwrapped(module)
    tensors = module.state_dict()
    if other := next((name for name, value in tensors.items() if not isinstance(value, Tensor)), None):
        raise GlassError(f"{other} of {type(module).__name__} is not a tensor; a weights file holds tensors only")
    write_atomic(path, to_bytes(_storable(tensors)))
    return path


def load_weights(module: Module, path: Path | str) -> Module:
    """Copy the weights that `save_weights` wrote into a module built in the same way; returns the module.

    Raises CheckpointError naming the first weight that is missing, superfluous or of another shape.
    """
    tensors, inner = _read_tensors(Path(path)), unwrapped(module)
    _check_fit(inner, tensors, Path(path))
    inner.load_state_dict(tensors, assign=any(p.is_meta for p in inner.parameters()))
    return module


def _storable(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, none of which shares memory with another: tied weights are stored once for each name."""
    stored, found = set(), {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        storage = tensor.untyped_storage().data_ptr()
        found[name] = tensor.clone() if storage in stored else tensor
        stored.add(storage)
    return found


def _write_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    try:
        save_file(_storable(tensors), path)
    except SafetensorError as error:  # it wraps the system's refusal
        raise OSError(str(error)) from error


def _read_tensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}); use another file or checkpoint") from None


def prune(folder: Path, keep: int) -> None:
    """Delete all but the best and the newest `keep` checkpoints, and what a crash left half-written."""
    kept = best(folder.parent)
    for path in [*folder.glob(".*"), *steps(folder)[:-keep]]:
        if path != kept:
            shutil.rmtree(path, ignore_errors=True)


def steps(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit() and p.is_dir())


def newest(run: Path) -> Path | None:
    """The latest checkpoint of a run folder, or None."""
    found = steps(run / "checkpoints")
    return found[-1] if found else None


def best(run: Path) -> Path | None:
    """The checkpoint of a run folder to use: that of the lowest held-out loss; None if there is no checkpoint.

    It is the newest if no evaluation before it was lower than the last one, or if it says nothing about evaluations, as in
    an import.
    """
    last = newest(run)
    try:
        lowest = json.loads((last / "state.json").read_text(encoding="utf-8"))["lowest"] if last else {"since": 0}
        lower = run / "checkpoints" / f"{lowest['step']:08d}" if lowest["since"] else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return last
    return lower if lower and (lower / "manifest.json").is_file() else last


def used(run: Path) -> str:
    """Which checkpoint of a run is used where none is named, in a sentence; "" if it is the newest, or for a checkpoint."""
    chosen, last = best(run), newest(run)
    if chosen is None or last is None or chosen == last:
        return ""
    return (
        f"Using step {int(chosen.name):,} of {int(last.name):,}, where the held-out loss was lowest. "
        f"Any other checkpoint can be named: {last}"
    )


def load(path: Path | str, which: Callable[[Path], Path | None] = newest) -> Checkpoint:
    """Open the checkpoint at `path`, or `which` (`newest` or `best`) of the run folder `path`, verifying every byte first.

    Raises CheckpointError when it is missing, truncated or altered.
    """
    path = Path(path).expanduser()
    folder = path if (path / "manifest.json").exists() else which(path)
    if folder is None:
        there = "holds no checkpoint" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path} {there}; name a run folder such as runs/demo, or train one with `{typed('train')}`")
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


def _check_fit(module: nn.Module, found: dict[str, Tensor], path: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in module.state_dict().items()}
    for name, shape in wanted.items():
        if name not in found:
            raise CheckpointError(f"{path} lacks {name}; it was written for a model with other settings")
        if (was := tuple(found[name].shape)) != shape:
            raise CheckpointError(
                f"{path}: {name} has shape {was} and the model needs {shape}; build the model with the settings (such as "
                "recipe.json) that the weights were trained with"
            )
    if extra := sorted(found.keys() - wanted.keys()):
        raise CheckpointError(f"{path} holds {extra[0]}, which the model does not have; it was written for another model")

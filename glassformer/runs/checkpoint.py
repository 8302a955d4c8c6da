"""Checkpoints: a folder that is whole or is not there, and that is checked before anything in it is used.

    checkpoints/00000500/
        model.safetensors        the weights, by parameter name; step 0 may do without (snapshots.py)
        average.safetensors      the averages of the trained weights, with `train.ema` (train/average.py)
        optimizer.safetensors    the tensors of the optimizer's state, by parameter name
        optimizer.json           its numbers: learning rates, step counts (optimizer_state.py)
        state.json               step, tokens, seconds, precision, loss scale, frozen parameters
        recipe.json              every setting of the run
        tokenizer.json           text <-> ids
        parts.json, part-*.py    the source of the user's own files that the recipe names, if there are any (parts.py)
        manifest.json            the SHA-256 of each file above, written last

`writing.py` fills the folder under another name, forces it to the disk and renames it, so a crash or a full disk leaves the
earlier checkpoints as they were. Nothing is ever pickled. `weights.py` reads and writes the tensors. Of a run's checkpoints
the `best` is used, that of the lowest held-out loss, and the `newest` is trained on. If one of them is damaged, the newest
that is whole takes its place. `retention.py` says which of them stay.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.config import variant_class
from glassformer.errors import CheckpointError, GlassError
from glassformer.kernels import Kernels, fused, with_plain
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.quantized import BITS, quantized
from glassformer.runs import manifest, optimizer_state, parts
from glassformer.runs.manifest import Damaged
from glassformer.runs.run import Run, no_run
from glassformer.runs.weights import Module, check_fit, read_tensors
from glassformer.runs.writing import AVERAGE
from glassformer.system import cache_folder
from glassformer.system.command import typed
from glassformer.system.lock import Reading
from glassformer.tokenizers import Tokenizer, TokenizerRecipe
from glassformer.tokenizers import load as load_tokenizer

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk; weights are read when asked for."""

    folder: Path
    state: dict[str, Any]
    """step, tokens, seconds, the names of the frozen parameters, and what else the trainer keeps."""
    recipe: dict[str, Any]
    """The run's settings as a tree of plain values; `presets.Recipe.parse` makes them a Recipe again. The user's own files
    in it are those with the code that the model was made with (parts.py)."""
    renamed: dict[str, str] = field(default_factory=dict)
    """{path of a kept source: what the run calls it}."""
    reading: Reading | None = field(default=None, repr=False, compare=False)
    """While it is open, the training that wrote the checkpoint does not delete it."""

    @property
    def step(self) -> int:
        """Updates done when it was saved."""
        return int(self.state["step"])

    @property
    def bits(self) -> int | None:
        """The bits of the weights, where they are whole numbers (model/quantized.py); else None."""
        bits = self.state.get("bits")
        if bits not in (None, *BITS):
            raise CheckpointError(f"{self.folder} says that its weights have {bits!r} bits; this version reads 8 and 4")
        return bits

    def close(self) -> None:
        """Everything that is wanted has been read: the training that wrote the checkpoint may delete it."""
        if self.reading is not None:
            self.reading.close()

    def tokenizer(self) -> Tokenizer:
        """The tokenizer the model was trained with."""
        name = str(self.recipe.get("tokenizer", {}).get("name", ""))
        own = variant_class(TokenizerRecipe, name) if name.endswith(".py") else None
        assert own is None or issubclass(own, TokenizerRecipe)
        return load_tokenizer(self.folder / "tokenizer.json", own)

    def model(self, kernels: Kernels | None = None, device: str | torch.device = "cpu") -> GPT:
        """The model to use, in evaluation mode: with its averaged weights if it has them. Raises CheckpointError if they do
        not fit the recipe."""
        kernels = kernels or with_plain(fused(), self.recipe.get("train", {}).get("plain_kernels", ()))
        with torch.device("meta"):
            model = GPT(GPTConfig.parse(self.recipe["model"]), kernels)
        if self.bits:
            model = quantized(model, self.bits)
        return self._fill(model, self.averages()).to(device).eval()

    def as_recorded(self, recipe_json: str) -> str:
        """A recipe that was made from this checkpoint's, with the user's own files called as the run calls them."""
        for path, name in self.renamed.items():
            recipe_json = recipe_json.replace(
                json.dumps(path, ensure_ascii=False), json.dumps(name, ensure_ascii=False)
            )
        return recipe_json

    def fill(self, model: Module) -> Module:
        """Give `model`, which may be on the meta device, the weights to train on; what was frozen is frozen again.

        Raises CheckpointError if they do not fit.
        """
        if self.bits:
            raise CheckpointError(
                f"{self.folder} holds weights of {self.bits} bits, which cannot be trained; train the run it was made from"
            )
        return self._fill(model, {})

    def averages(self) -> dict[str, Tensor]:
        """The averages of the trained weights, by parameter name; {} for a run without `train.ema`."""
        path = self.folder / AVERAGE
        return read_tensors(path) if path.exists() else {}

    def weights(self, model: nn.Module, averages: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The weights of `model` by name, in its dtypes. Raises CheckpointError if they do not fit."""
        path, seed = self.folder / "model.safetensors", self.state.get("drawn_from")
        drawn = GPT(GPTConfig.parse(self.recipe["model"]), seed=seed).state_dict() if isinstance(seed, int) else None
        tensors = {**(drawn or read_tensors(path)), **(averages or {})}
        check_fit(model, tensors, path)
        wanted = model.state_dict()  # a snapshot is narrower than the model
        return {name: value.to(wanted[name].dtype) for name, value in tensors.items()}

    def freeze(self, model: Module) -> Module:
        """Freeze the parameters that were frozen, and no others."""
        frozen = set(self.state.get("frozen", []))
        for name, p in model.named_parameters():
            p.requires_grad_(name not in frozen)
        return model

    def _fill(self, model: Module, averages: dict[str, Tensor]) -> Module:
        model.load_state_dict(self.weights(model, averages), assign=True)
        return self.freeze(model)

    def fill_optimizer(
        self, optimizer: torch.optim.Optimizer, model: nn.Module, placed: optimizer_state.Placed = optimizer_state.alone,
        is_part: bool = False,
    ) -> None:  # fmt: skip
        """Give `optimizer`, made for `model` as that of the run was, its state; `placed` divides a tensor as its parameter
        is, and a model that `is_part` of the run's takes what belongs to it. Raises CheckpointError if it differs."""
        path = self.folder / "optimizer.json"
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            tree = optimizer_state.of_these(tree, dict(model.named_parameters())) if is_part else tree
            optimizer_state.restore(optimizer, model, self.optimizer_tensors(), tree, placed)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            raise CheckpointError(f"{path} does not hold the state of this optimizer ({why}); train again") from None

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """The tensors of the optimizer's state: `embed.weight/mean`."""
        return read_tensors(self.folder / "optimizer.safetensors")


def steps(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit() and p.is_dir())


def run_of(folder: Path) -> tuple[Path, Path | None]:
    """(the folder of the run, the checkpoint) that a person means by a run or by one of its checkpoints."""
    folder = Path(folder).expanduser()
    place = folder.absolute().parent.name
    if (folder / manifest.NAME).is_file() and place in ("checkpoints", "finished", "snapshots"):
        return folder.parent.parent if folder.parent.name else folder.absolute().parents[1], folder
    return folder, None


def can_go_on(folder: Path) -> bool:
    """Whether a checkpoint is one that the training of its run may go on from; no snapshot, nor one that was set aside."""
    return folder.absolute().parent.name == "checkpoints"


def is_imported(folder: Path) -> bool:
    """Whether a run, or the run of a checkpoint, holds weights that were imported, and no training of its own."""
    return "imported" in Run.open(run_of(folder)[0]).facts()


def recipe_of(run: Run) -> dict[str, Any]:
    """The recipe of a run as plain values, with the user's own files in it as the newest checkpoint has them. Raises
    CheckpointError for code that may not run here."""
    return parts.resolved(run.recipe(), newest(run.folder) or run.folder)[0]


def newest(run: Path) -> Path | None:
    """The latest checkpoint of a run folder, or None."""
    found = steps(run / "checkpoints")
    return found[-1] if found else None


def best(run: Path) -> Path | None:
    """The checkpoint of a run folder to use: that of the lowest held-out loss; None if there is no checkpoint.

    It is the newest if no evaluation before it was lower than the last one, or if it says nothing about evaluations, as in
    an import.
    """
    lower = _remembered(run, lambda state: state["lowest"]["step"] if state["lowest"]["since"] else None)
    return lower or newest(run)


def before_decay(run: Path) -> Path | None:
    """The checkpoint from which the schedule of a run began its decay (`wsd`); None if the newest is in no decay."""
    return _remembered(run, lambda state: state["decays_from"])


def _remembered(run: Path, step_in: Callable[[Any], int | None]) -> Path | None:
    """The checkpoint of the step that the state of the newest one names; None if it names none, or if that is gone."""
    last = newest(run)
    try:
        step = step_in(json.loads((last / "state.json").read_text(encoding="utf-8"))) if last else None
        found = run / "checkpoints" / f"{step:08d}" if step is not None else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if found and (found / manifest.NAME).is_file() else None


def used(run: Path) -> str:
    """Which weights of a run or a checkpoint are used, where that is not obvious, in sentences: another checkpoint than the
    newest, or averaged weights. Else ""."""
    chosen, last, words = best(run), newest(run), ""
    if chosen is not None and last is not None and chosen != last:
        words = f"Using step {int(chosen.name):,} of {int(last.name):,}, where the held-out loss was lowest. "
        words += f"Any other checkpoint can be named: {last}"
    averaged = "The weights are averages over the steps (train.ema)." if ((chosen or run) / AVERAGE).is_file() else ""
    return ". ".join(filter(None, (words, averaged)))


def load(
    path: Path | str, which: Callable[[Path], Path | None] = newest, as_now: Collection[str] = ()
) -> Checkpoint:  # fmt: skip
    """Open the checkpoint at `path`, or `which` (`newest` or `best`) of the run folder `path`, verifying every byte first.

    If that one of a run is damaged, the newest that is whole is opened, and a note says so. The user's own files `as_now`
    are run as they are now, and not as they were kept with the checkpoint. Raises CheckpointError when `path` is missing,
    and Damaged when it is a checkpoint that is truncated or altered, or a run without a whole one.
    """
    path = Path(path).expanduser()
    if (path / manifest.NAME).exists():
        try:
            return _opened(path, as_now)
        except Damaged as error:
            run, of_run = run_of(path)
            other = f"name {run} in its place, and its newest whole checkpoint is used"
            raise Damaged(f"{error}; {other if of_run else 'restore it from a copy'}") from None
    chosen = which(path)
    if chosen is None:
        waits = f"{path} holds no checkpoint yet; `{typed('resume', path)}` trains it"
        raise CheckpointError(waits if (path / "run.json").exists() else no_run(path))
    damage: Damaged | None = None
    for folder in dict.fromkeys([chosen, *reversed(steps(path / "checkpoints"))]):
        try:
            found = _opened(folder, as_now)
        except Damaged as error:
            if not folder.exists():  # a training that goes on has written another, and deleted this one
                return load(path, which, as_now)
            damage = damage or error
        else:
            if damage is not None:
                log.warning(f"{damage}; the checkpoint of step {found.step} is used in its place")
            return found
    raise Damaged(f"{damage}, and {path} has no whole checkpoint; restore one from a copy, or train a new run")


def _opened(folder: Path, as_now: Collection[str]) -> Checkpoint:
    """The checkpoint in `folder`, every byte of which is as it was written. Raises CheckpointError."""
    try:
        reading = Reading(folder / manifest.NAME)
    except OSError as error:
        raise manifest.not_whole(folder, error) from None
    sealed = manifest.verify(folder)
    try:
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        if not isinstance(state.get("drawn_from"), int):
            sealed["model.safetensors"]
        known, renamed = parts.resolved(dict(recipe), folder, as_now)
        return Checkpoint(folder, {**state, "step": int(state["step"])}, known, renamed, reading)
    except GlassError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise manifest.not_whole(folder, error) from None


def trust(path: Path | str) -> list[Path]:
    """Allow the code that the checkpoint at `path`, or the newest of a run, brings; returns its files. Raises
    CheckpointError if it brings none, or if it cannot be remembered."""
    path = Path(path).expanduser()
    if (folder := path if (path / manifest.NAME).exists() else newest(path)) is None:
        raise CheckpointError(no_run(path))
    try:
        files = parts.brought(json.loads((folder / "recipe.json").read_text(encoding="utf-8")), folder)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / 'recipe.json'} cannot be read ({error}); copy the checkpoint again") from None
    if not files:
        raise CheckpointError(f"{folder} brings no Python code; there is nothing to allow")
    parts.trust(file.read_bytes() for file in files)
    if not all(parts.is_trusted(file.read_bytes()) for file in files):
        place = cache_folder.folder()
        raise CheckpointError(f"{place} cannot be written; make it writable, or set XDG_CACHE_HOME to a folder that is")
    return files

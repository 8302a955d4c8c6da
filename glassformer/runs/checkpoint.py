"""Checkpoints: a folder that is whole or is not there, and that is checked before anything in it is used.

    checkpoints/00000500/
        model.safetensors        the weights, by parameter name
        average.safetensors      the averages of the trained weights, with `train.ema` (train/average.py)
        optimizer.safetensors    the tensors of the optimizer's state, by parameter name
        optimizer.json           its numbers: learning rates, step counts (optimizer_state.py)
        state.json               step, tokens, seconds, precision, loss scale, frozen parameters
        recipe.json              every setting of the run
        tokenizer.json           text <-> ids
        parts.json, part-*.py    the source of the user's own files that the recipe names, if there are any (parts.py)
        manifest.json            the SHA-256 of each file above, written last

The folder is filled under another name, forced to the disk and renamed, so a crash or a full disk leaves the earlier
checkpoints as they were. Nothing is ever pickled. `weights.py` reads and writes the tensors. Of a run's checkpoints the
`best` is used, that of the lowest held-out loss, and the `newest` is trained on.
"""

import contextlib
import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.config import variant_class
from glassformer.errors import CheckpointError, GlassError
from glassformer.kernels import Kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs import optimizer_state, parts
from glassformer.runs.run import Run, no_run
from glassformer.runs.weights import Module, check_fit, read_tensors, write_tensors
from glassformer.system import cache_folder
from glassformer.system.command import typed
from glassformer.system.files import sha256, write_atomic
from glassformer.system.folders import all_or_nothing
from glassformer.tokenizers import Tokenizer, TokenizerRecipe
from glassformer.tokenizers import load as load_tokenizer

FORMAT = 1
AVERAGE = "average.safetensors"


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
        """The model to use, in evaluation mode: with its averaged weights if it has them. Raises CheckpointError if they do
        not fit the recipe."""
        with torch.device("meta"):
            model = GPT(GPTConfig.parse(self.recipe["model"]), kernels)
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
        return self._fill(model, {})

    def averages(self) -> dict[str, Tensor]:
        """The averages of the trained weights, by parameter name; {} for a run without `train.ema`."""
        path = self.folder / AVERAGE
        return read_tensors(path) if path.exists() else {}

    def weights(self, model: nn.Module, averages: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The weights of `model` by name, in its dtypes. Raises CheckpointError if they do not fit."""
        path = self.folder / "model.safetensors"
        tensors = {**read_tensors(path), **(averages or {})}
        wanted = model.state_dict()  # a snapshot is narrower than the model
        if getattr(model, "partial", False):
            tensors = {name: value for name, value in tensors.items() if name in wanted}
        check_fit(model, tensors, path)
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
        self, optimizer: torch.optim.Optimizer, model: nn.Module, placed: optimizer_state.Placed = optimizer_state.alone
    ) -> None:
        """Give `optimizer`, made for `model` as that of the run was, its state; `placed` divides a tensor as its parameter
        is. Raises CheckpointError if it differs."""
        path = self.folder / "optimizer.json"
        try:
            tree = json.loads(path.read_text(encoding="utf-8"))
            optimizer_state.restore(optimizer, model, self.optimizer_tensors(), tree, placed)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            why = f"{type(error).__name__}: {error}"
            raise CheckpointError(f"{path} does not hold the state of this optimizer ({why}); train again") from None

    def optimizer_tensors(self) -> dict[str, Tensor]:
        """The tensors of the optimizer's state: `embed.weight/mean`."""
        return read_tensors(self.folder / "optimizer.safetensors")


Whole = Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]
"""Gives the whole tensors by name, of which several processes may hold parts."""


@dataclass(frozen=True)
class Content:
    """What a checkpoint keeps of a training: all of its tensors, and the numbers of the optimizer."""

    weights: Mapping[str, Tensor]
    averages: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    tree: dict[str, Any]
    frozen: list[str]

    @classmethod
    def of(
        cls, model: nn.Module, optimizer: torch.optim.Optimizer | None, averages: Mapping[str, Tensor] | None = None,
        whole: Whole = dict,
    ) -> "Content":  # fmt: skip
        """Of a model and its optimizer, if there is one to go on with (in an import there is none); `averages` are those of
        the weights."""
        frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
        tensors, tree = optimizer_state.packed(optimizer, model) if optimizer else ({}, {})
        return cls(whole(model.state_dict()), whole(averages or {}), whole(tensors), tree, frozen)


def save(
    folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None, state: dict[str, Any], recipe_json: str,
    tokenizer: Tokenizer, sources: Mapping[str, bytes] | None = None, averages: Mapping[str, Tensor] | None = None,
) -> Path:  # fmt: skip
    """Write `folder/<step>` of a model that this process has whole; see `Content` and `write`."""
    return write(folder, Content.of(model, optimizer, averages), state, recipe_json, tokenizer, sources)


def write(
    folder: Path, content: Content, state: dict[str, Any], recipe_json: str, tokenizer: Tokenizer,
    sources: Mapping[str, bytes] | None = None,
) -> Path:  # fmt: skip
    """Write `folder/<step>`; returns it. One of the same step is replaced. `sources` are the user's own files that the
    recipe names. Raises GlassError on a full disk.
    """
    final = folder / name_of(state)
    with written(final, {**state, "frozen": content.frozen}, recipe_json, tokenizer, sources or {}) as growing:
        write_tensors(growing / "model.safetensors", dict(content.weights))
        write_tensors(growing / "optimizer.safetensors", dict(content.optimizer))
        if content.averages:
            write_tensors(growing / AVERAGE, dict(content.averages))
        write_atomic(growing / "optimizer.json", json.dumps(content.tree, indent=1) + "\n")
    return final


def name_of(state: Mapping[str, Any]) -> str:
    """The name of the folder of a checkpoint with this state: its step."""
    return f"{state['step']:08d}"


@contextlib.contextmanager
def written(
    final: Path, state: dict[str, Any], recipe_json: str, tokenizer: Tokenizer, sources: Mapping[str, bytes]
) -> Iterator[Path]:
    """A folder to put the weights into, which becomes `final` with the rest of a checkpoint if the block ends without an
    error. Raises GlassError on a full disk."""
    with all_or_nothing(final) as growing:
        yield growing
        write_atomic(growing / "state.json", json.dumps(state, indent=2) + "\n")
        write_atomic(growing / "recipe.json", recipe_json)
        tokenizer.save(growing / "tokenizer.json")
        parts.keep(growing, sources)
        hashes = {path.name: sha256(path) for path in sorted(growing.iterdir())}
        write_atomic(growing / "manifest.json", json.dumps({"format": FORMAT, "sha256": hashes}, indent=2) + "\n")


def prune(folder: Path, keep: int) -> None:
    """Delete all but the newest `keep` checkpoints, the best and the one before the decay, and what a crash left
    half-written."""
    kept = best(folder.parent), before_decay(folder.parent)
    for path in [*folder.glob(".*"), *steps(folder)[:-keep]]:
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def steps(folder: Path) -> list[Path]:
    """The checkpoints below `folder`, oldest first."""
    return sorted(p for p in folder.glob("[0-9]*") if p.name.isdigit() and p.is_dir())


def run_of(folder: Path) -> tuple[Path, Path | None]:
    """(the folder of the run, the checkpoint) that a person means by a run or by one of its checkpoints."""
    folder = Path(folder).expanduser()
    place = folder.absolute().parent.name
    if (folder / "manifest.json").is_file() and place in ("checkpoints", "finished", "snapshots"):
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
    return found if found and (found / "manifest.json").is_file() else None


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

    The user's own files `as_now` are run as they are now, and not as they were kept with the checkpoint. Raises
    CheckpointError when it is missing, truncated or altered.
    """
    path = Path(path).expanduser()
    folder = path if (path / "manifest.json").exists() else which(path)
    if folder is None:
        waits = f"{path} holds no checkpoint yet; `{typed('resume', path)}` trains it"
        raise CheckpointError(waits if (path / "run.json").exists() else no_run(path))
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
        return Checkpoint(folder, {**state, "step": int(state["step"])}, *parts.resolved(dict(recipe), folder, as_now))
    except GlassError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(
            f"{folder} is not a whole checkpoint ({type(error).__name__}: {error}); "
            "delete its folder to go back to the one before"
        ) from None


def trust(path: Path | str) -> list[Path]:
    """Allow the code that the checkpoint at `path`, or the newest of a run, brings; returns its files. Raises
    CheckpointError if it brings none, or if it cannot be remembered."""
    path = Path(path).expanduser()
    if (folder := path if (path / "manifest.json").exists() else newest(path)) is None:
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

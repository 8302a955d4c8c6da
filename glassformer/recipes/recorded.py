"""What a run has recorded is what it goes on with: the few settings that a resume may change, and a refusal of all others.

The settings that made the weights of a checkpoint are in the checkpoint. `recipe.json` of the run folder says the same; a
person may edit it, or name settings after `glass resume RUN`, but only those of `MAY_CHANGE` have an effect that can be
meant: when the run looks at itself, what it writes while it trains, and where its device and its text are.
"""

import json
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from glassformer.errors import SettingError
from glassformer.recipes.presets import Recipe
from glassformer.runs.checkpoint import Checkpoint
from glassformer.runs.run import Run

MAY_CHANGE = (
    "sample", "train.eval_every", "train.sample_every", "train.checkpoint_every", "train.keep_checkpoints",
    "train.keep_every", "train.async_checkpoint", "train.log_every", "train.watch", "train.doctor", "train.device",
    "train.checkpoint_activations", "train.allocator", "train.micro_batch_size", "train.grad_accumulation", "corpus.path",
    "parallel",
)  # fmt: skip
"""Settings, and groups of settings, that a resume may change: the run learns the same from the same tokens (a batch may be
divided in another way, but has to stay the same)."""


def parts_as_now(run: Run, settings: Sequence[str]) -> tuple[list[str], list[str]]:
    """(the user's own files that `settings` name again for the places that they have in the run, the other settings).

    `glass resume RUN train.optimizer=./my.py` runs the file as it is now; without the setting, as it was kept.
    """
    again, others, recipe = [], [], run.recipe()
    for setting in settings:
        path, _, value = setting.partition("=")
        name = _at(recipe, f"{path.strip()}.name")
        same = value.endswith(".py") and isinstance(name, str) and str(Path(value).expanduser().resolve()) == name
        (again if same else others).append(name if same else setting)
    return again, others


def own_parts(tree: Any, files: Collection[str], path: str = "") -> list[str]:
    """The settings of a recipe, as a tree of plain values, that name these files, as `parts_as_now` takes them."""
    if not isinstance(tree, dict):
        return []
    here = [f"{path}={tree['name']}"] if path and tree.get("name") in files else []
    return here + [s for key, child in tree.items() for s in own_parts(child, files, f"{path}.{key}" if path else key)]


def _at(tree: Any, path: str) -> Any:
    for part in path.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree


def recorded(run: Run, saved: Checkpoint | None, settings: Sequence[str] = ()) -> Recipe:
    """The recipe that a run goes on with: its checkpoint's, with what a resume may change from `recipe.json` and from
    `settings`. Raises SettingError that names any other difference.
    """
    for setting in settings:
        if not _may(setting.partition("=")[0].strip()):
            raise SettingError(
                f"{setting} cannot be changed in a run that has begun; a resume may change {_listed()}, and everything "
                "else takes a new run"
            )
    asked = run.recipe()
    if saved is None:  # nothing was learned yet
        return Recipe.parse(asked).override(*settings)
    was = json.loads((saved.folder / "recipe.json").read_text(encoding="utf-8"))
    changes = list(_differences(was, asked))
    if refused := [change for change in changes if not _may(change[0])]:
        path, before, after = refused[0]
        others = f" (and {len(refused) - 1} more)" if len(refused) > 1 else ""
        raise SettingError(
            f"{run.folder / 'recipe.json'} was changed after the run had begun: {path} is {_shown(after)}, and the "
            f"checkpoint was made with {_shown(before)}{others}; copy {saved.folder / 'recipe.json'} there, or start a "
            f"new run (a resume may change {_listed()})"
        )
    mended = [f"{path}={json.dumps(after)}" for path, _, after in changes]
    kept = Recipe.parse(saved.recipe)
    recipe = kept.override(*mended, *settings)
    if recipe.train.batch_size != kept.train.batch_size:
        raise SettingError(
            f"train.micro_batch_size={recipe.train.micro_batch_size} times train.grad_accumulation="
            f"{recipe.train.grad_accumulation} is another batch than the {kept.train.batch_size} sequences of the run; "
            "change both, so that their product stays"
        )
    return recipe


def done_at(events: list[dict[str, Any]]) -> int | None:
    """The step at which a run with these events came to its end; None if it has not, or if it was extended after that."""
    turns = [event for event in events if event["what"] in ("start", "plan", "resume", "interrupted", "nan", "done")]
    return turns[-1]["step"] if turns and turns[-1]["what"] == "done" else None


def ended(folder: Path) -> bool:
    """Whether the run in `folder` is complete or has diverged, so that nothing is left to train."""
    if not (folder / "run.json").exists():
        return False
    events = Run.open(folder).metrics("event")
    return done_at(events) is not None or any(event["what"] == "nan" for event in events)


def _may(path: str) -> bool:
    return any(path == allowed or path.startswith(allowed + ".") for allowed in MAY_CHANGE)


def _listed() -> str:
    return ", ".join(f"{name}.*" if name in ("sample", "parallel") else name for name in MAY_CHANGE)


def _differences(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of every setting that differs; what is not there is None."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in {**was, **now}:
            yield from _differences(was.get(key), now.get(key), f"{path}.{key}" if path else key)
    elif was != now or isinstance(was, bool) != isinstance(now, bool):
        yield path, was, now


def _shown(value: Any) -> str:
    return "not there" if value is None else f"{json.dumps(value):.60}"

"""From a recipe to a run, and from an interrupted run to its end.

    parts = build(recipe, data)          dataset, model, batches, loss
    choices = measure(parts)             precision, and about how many steps fit into the time
    run = start(parts, choices)          the run folder
    Trainer(...).train()

A resumed run has the same parts, and reads its choices from the run folder.
"""

import shlex
import sys
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import glassformer
from glassformer.config.user_files import blaming
from glassformer.data.batches import sequential
from glassformer.data.loader import Loader
from glassformer.data.pace import Pace
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import CheckpointError, DatasetError
from glassformer.generate.text import complete
from glassformer.model.gpt import GPT
from glassformer.model.parameters import parameters
from glassformer.recipes.build import Parts, Say, build, dataset
from glassformer.recipes.measure import Choices, Limit, enough_memory, measure, small_batch
from glassformer.recipes.presets import Recipe
from glassformer.recipes.rehearsal import rehearse
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.system.command import typed
from glassformer.system.machine import git_commit, machine_facts
from glassformer.train.budget import Budget
from glassformer.train.doctor import Diverged
from glassformer.train.trainer import Trainer

Watching = Callable[[int, int], Any]
"""`watching(steps, done)` is a context that gives a function which sees each line that a run logs."""


def train(
    recipe: Recipe,
    data: Dataset,
    folder: Path,
    *,
    say: Say,
    watching: Watching,
    limit: Limit | None = None,
    told: Collection[str] = (),
    argv: list[str] | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> str:
    """Train a new model in the run folder `folder`; returns "done" or "interrupted".

    With a `limit`, the number of steps is adapted to the speed of the machine, before training and all through it, so that
    the run ends on time. `told` are the paths of the settings that the user has given. `argv` are the words after `glass`
    that make this run, where they are not those of this process. `clock` gives seconds.
    """
    with blaming(recipe), enough_memory():
        parts = build(recipe, data, say)
        rehearse(parts.recipe, parts.model, small_batch(parts))
        choices = measure(parts, limit, say, told, clock)
    run = start(parts, choices, folder, sys.argv[1:] if argv is None else argv, say)
    return _train(parts, choices, run, watching, clock=clock)


def resume(
    folder: Path, *, say: Say, progress: Progress, watching: Watching, clock: Callable[[], float] = time.perf_counter
) -> str:  # fmt: skip
    """Continue a run from its newest checkpoint, exactly as if it had never stopped; returns "done" or "interrupted"."""
    run = Run.open(folder)
    recipe, facts = Recipe.parse(run.recipe()), run.facts()
    data = dataset(recipe, progress)
    if data.index.fingerprint != facts["dataset"]["fingerprint"]:
        raise DatasetError(
            f"the text of {folder} has changed since it was started; bring back the old text or start a new run"
        )
    saved, events = _newest(folder, data), run.metrics("event")
    pace, budget = Pace.logged(recipe.train.steps, events), Budget.logged(events)
    if saved and saved.step >= (pace.steps if (end := done_at(events)) is None else end):
        say(f"{folder} is complete at step {saved.step}; nothing to resume")
        return "done"
    if saved is None:
        say("the run was stopped before its first checkpoint; starting from the beginning")
    else:
        say(f"continuing {folder} from step {saved.step} of {pace.steps}")
    parts, precision = build(recipe, data, say, saved), facts["precision"]
    choices = Choices(parts.recipe, precision["chosen"], precision["why"], pace, budget)
    run.log("event", saved.step if saved else 0, what="resume", detail=saved.folder.name if saved else "from the beginning")
    return _train(parts, choices, run, watching, saved, clock)


def done_at(events: list[dict[str, Any]]) -> int | None:
    """The step at which a run with these events came to its end; None if it has not, or if it was extended after that."""
    turns = [event for event in events if event["what"] in ("start", "plan", "resume", "interrupted", "nan", "done")]
    return turns[-1]["step"] if turns and turns[-1]["what"] == "done" else None


def train_or_resume(
    recipe: Recipe, data: Dataset, folder: Path, *, say: Say, progress: Progress, watching: Watching, argv: list[str]
) -> str:
    """Bring the run in `folder` to its end, whatever is there of it; returns "done", "interrupted" or "diverged".

    Lines about the run itself are not said, only why it diverged.
    """
    try:
        if ended(folder):
            return "done"
        if (folder / "run.json").exists():
            return resume(folder, say=lambda line: None, progress=progress, watching=watching)
        return train(recipe, data, folder, say=lambda line: None, watching=watching, argv=argv)
    except Diverged as error:
        say(f"{folder.name}: {error}")
        return "diverged"


def ended(folder: Path) -> bool:
    """Whether the run in `folder` is complete or has diverged, so that nothing is left to train."""
    if not (folder / "run.json").exists():
        return False
    events = Run.open(folder).metrics("event")
    return done_at(events) is not None or any(event["what"] == "nan" for event in events)


def start(parts: Parts, choices: Choices, folder: Path, argv: list[str], say: Say) -> Run:
    """A new run folder that says how the run was made, by which versions and on which machine."""
    n = parameters(parts.model)
    say(f"a model of {n:,} parameters on {parts.model.device}, in {choices.precision} ({choices.why})")
    facts = {
        "command": shlex.join(["glass", *argv]), "argv": argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"), "glassformer": glassformer.__version__,
        "git": git_commit(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "machine": machine_facts(),
        "parameters": n, "precision": {"chosen": choices.precision, "why": choices.why}, "dataset": parts.data.summary(),
    }  # fmt: skip
    run = Run.create(folder, choices.recipe.to_json(), facts)
    run.log("event", 0, what="start", detail=facts["command"])
    if (budget := choices.budget) is not None:
        detail = f"{choices.pace.steps:,} steps fit into {budget.seconds:.0f} seconds"
        legs, limits = choices.pace.legs, budget.limits()
        run.log("event", 0, what="plan", steps=choices.pace.steps, legs=legs, budget=limits, detail=detail)
    return run


def _newest(folder: Path, data: Dataset) -> checkpoint.Checkpoint | None:
    """The newest checkpoint of a run, if it has any. Raises CheckpointError for one with another tokenizer."""
    if checkpoint.newest(folder) is None:
        return None
    saved = checkpoint.load(folder)
    if saved.tokenizer().fingerprint() != data.tokenizer.fingerprint():
        raise CheckpointError(
            f"{saved.folder} and {data.folder} have different tokenizers; delete the dataset's folder and resume again"
        )
    return saved


def _train(
    parts: Parts, choices: Choices, run: Run, watching: Watching, saved: checkpoint.Checkpoint | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> str:  # fmt: skip
    parts, recipe, config = replace(parts, recipe=choices.recipe).at(choices.pace), choices.recipe, choices.recipe.train
    tokenizer, T, steps = parts.data.tokenizer, recipe.model.context_length, choices.pace.steps

    def sample(model: GPT) -> tuple[str, str]:
        return recipe.sample.prompt, complete(model, tokenizer, [recipe.sample.prompt], recipe.sample)[0]

    with (
        Loader(parts.batches, steps, pinned=parts.model.device.type == "cuda") as batches,
        watching(steps, saved.step if saved else 0) as watch,
        enough_memory(),
    ):
        trainer = Trainer(
            parts.model, tokenizer, batches,
            held_out=lambda: sequential(parts.data.validation, T, config.micro_batch_size, config.eval_tokens),
            config=config, run=run, recipe_json=recipe.to_json(), precision=choices.precision, sample=sample, watch=watch,
            pace=choices.pace, budget=choices.budget, clock=clock,
            follow=lambda pace: batches.follow(parts.at(pace).batches, pace.steps),
        )  # fmt: skip
        if saved is not None:
            trainer.restore(saved)
        then = f"mend the file and continue from the last checkpoint with `{typed('resume', run.folder)}`"
        with blaming(recipe, "training stopped", then):
            return trainer.train()

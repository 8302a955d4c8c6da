"""From a recipe to a run, and from an interrupted run to its end.

    parts = build(recipe, data)          dataset, model, batches, loss
    choices = measure(parts)             precision, and about how many steps fit into the time
    run = start(parts, choices)          the run folder
    Trainer(...).train()

A resumed run has the same parts, and reads its choices from the run folder.
"""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import glassformer
from glassformer.config.sources import sources
from glassformer.config.user_files import blaming
from glassformer.data.batches import sequential
from glassformer.data.loader import Loader
from glassformer.data.pace import Pace
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import CheckpointError, DiskError, GlassError
from glassformer.generate.text import complete
from glassformer.model.gpt import GPT
from glassformer.model.parameters import parameters
from glassformer.parallel.world import ALONE, World
from glassformer.recipes import exactness
from glassformer.recipes.build import Parts, Say, build
from glassformer.recipes.division import divided, passes_at, set_allocator
from glassformer.recipes.measure import Choices, Limit, enough_memory, measure, small_batch
from glassformer.recipes.presets import Recipe
from glassformer.recipes.recorded import done_at, ended, own_parts, parts_as_now, recorded
from glassformer.recipes.rehearsal import rehearse, rehearse_sample
from glassformer.recipes.together import agreed, meet
from glassformer.recipes.trained_on import says_when_changed, trained_on
from glassformer.runs import checkpoint, dashboard, snapshots
from glassformer.runs.parts import neighbours, trust
from glassformer.runs.retention import set_aside
from glassformer.runs.run import Run, check_free
from glassformer.system import torchrun
from glassformer.system.command import typed
from glassformer.system.files import write_atomic
from glassformer.system.folders import remove
from glassformer.system.lock import locked
from glassformer.system.machine import git_commit, machine_facts
from glassformer.train.budget import Budget
from glassformer.train.doctor.diverged import Diverged
from glassformer.train.ranks import Ranks
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
    world: World = ALONE,
) -> str:
    """Train a new model in the run folder `folder`; returns "done" or "interrupted". What is refused before the first step
    leaves no folder.

    Every process of a `world` calls this; one of them writes the folder.

    With a `limit`, the number of steps is adapted to the speed of the machine, before training and all through it, so that
    the run ends on time. `told` are the paths of the settings that the user has given. `argv` are the words after `glass`
    that make this run, where they are not those of this process. `clock` gives seconds.
    """
    dashboard.available(recipe.train.watch)
    exactness.refuse(recipe, minutes=limit is not None)
    with locked(folder) if world.writes else contextlib.nullcontext(), exactness.deterministic(recipe):
        if world.writes:
            check_free(folder)
        set_allocator(recipe, say)
        with blaming(recipe), enough_memory():
            parts, division = divided(build(recipe, data, say, world=world), say)
            whole = Ranks(world.mesh).can_generate
            if whole:
                rehearse(parts.recipe, parts.model, small_batch(parts))
                rehearse_sample(parts.recipe, parts.model, parts.data.tokenizer)
            elif recipe.train.sample_every:
                say("no samples are written while the model is divided into the stages of a pipeline")
            choices = agreed(replace(measure(parts, limit, say, told, clock), division=division), world)
            if whole:
                exactness.rehearse(parts, choices.precision)
        run = start(parts, choices, folder, sys.argv[1:] if argv is None else argv, say) if world.writes else Run(folder)
        world.told(lambda: True)  # the folder is there
        try:
            return _train(parts, choices, run, watching, clock=clock)
        except Exception:
            if world.writes and checkpoint.newest(folder) is None:
                run.delete()
            raise


def resume(
    folder: Path, *, say: Say, progress: Progress, watching: Watching, settings: Sequence[str] = (),
    clock: Callable[[], float] = time.perf_counter, world: World | None = None,
) -> str:  # fmt: skip
    """Continue a run from its newest checkpoint, exactly as if it had never stopped; returns "done" or "interrupted".

    `folder` is the run, or one of its checkpoints to go back to: those after it are deleted, since their steps are trained
    again. `settings` are changed from here on (`recorded.MAY_CHANGE`), and parts that they name again run as their files
    are now (`recorded.parts_as_now`). The run goes on with the dataset it began with. `clock` gives seconds. `world` is the
    one of a training that was started again; without it the processes of this launch, if there are several, meet here.
    """
    run, chosen = run_to_resume(folder)
    launched, first = torchrun.launch(), world.writes if world else torchrun.is_first()
    with contextlib.ExitStack() as stack:
        if first:
            stack.enter_context(locked(run.folder))
        mended, settings = parts_as_now(run, settings)
        saved = _checkpoint(run, chosen, mended)
        recipe = recorded(run, saved, settings)
        dashboard.available(recipe.train.watch)
        world = world or stack.enter_context(meet(recipe, launched))
        world.agree("checkpoint", {"the checkpoint": saved and saved.folder.name, "the run": run.name})
        data = world.first(lambda: trained_on(run, recipe, progress))
        if saved and saved.tokenizer().fingerprint() != data.tokenizer.fingerprint():
            raise CheckpointError(
                f"{saved.folder} and {data.folder} have different tokenizers; delete the dataset's folder and resume again"
            )
        events = run.metrics("event")
        pace, budget = Pace.logged(recipe.train.steps, events), Budget.logged(events)
        if saved and saved.step >= (pace.steps if (end := done_at(events)) is None else end):
            say(f"{run.folder} is complete at step {saved.step}; nothing to resume")
            return "done"
        says_when_changed(run, recipe, data, say)
        if saved is None:
            say("the run was stopped before its first checkpoint; starting from the beginning")
        else:
            say(f"continuing {run.folder} from step {saved.step} of {pace.steps}")
        exactness.refuse(recipe, minutes=budget is not None)
        threads = exactness.says_when_moved(run, recipe, say)
        set_allocator(recipe, say)
        parts, why = build(recipe, data, say, saved, world), run.fact("precision", "why")
        precision = saved.state["precision"] if saved else run.fact("precision", "chosen")
        choices = Choices(parts.recipe, precision, why, pace, budget)
        if world.writes:
            if settings:
                text = choices.recipe.to_json()
                write_atomic(run.folder / "recipe.json", saved.as_recorded(text) if saved else text)
            _go_back(run, saved, chosen is not None, say)
            detail = saved.folder.name if saved else "from the beginning"
            run.log("event", saved.step if saved else 0, what="resume", detail=detail)
            if saved and (passes := recipe.train.grad_accumulation) != saved.recipe["train"]["grad_accumulation"]:
                run.log("event", saved.step - 1, what="divide", passes=passes, detail=f"resumed with {passes} passes")
        world.told(lambda: True)  # the others read the log, which the first one has written
        with exactness.deterministic(recipe, threads):
            return _train(parts, choices, run, watching, saved, clock)


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


def start(parts: Parts, choices: Choices, folder: Path, argv: list[str], say: Say) -> Run:
    """A new run folder that says how the run was made, by which versions and on which machine."""
    with torch.device("meta"):  # this process may have some of the blocks alone
        n = parameters(parts.model if Ranks(parts.world.mesh).can_generate else GPT(parts.recipe.model))
    say(f"a model of {n:,} parameters on {parts.model.device}, in {choices.precision} ({choices.why})")
    facts = {
        "command": shlex.join(["glass", *argv]), "argv": argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"), "glassformer": glassformer.__version__,
        "git": git_commit(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "machine": machine_facts(),
        "parameters": n, "precision": {"chosen": choices.precision, "why": choices.why},
        "division": choices.division and vars(choices.division), "dataset": parts.data.summary(),
        "processes": parts.world.launch.size if parts.world.launch else 1,
        "launch": parts.world.launch and parts.world.launch.id,
    }  # fmt: skip
    own = sources(choices.recipe)
    trust(own.values())
    for path, source in own.items():
        if others := neighbours(path, source):
            say(f"{Path(path).name} is kept with every checkpoint, and {', '.join(others)}, which it imports, is not: put "
                "what it needs into one file, or keep them beside it")  # fmt: skip
    run = Run.create(folder, choices.recipe.to_json(), facts)
    try:
        run.log("event", 0, what="start", detail=facts["command"])
        if (budget := choices.budget) is not None:
            detail = f"{choices.pace.steps:,} steps fit into {budget.seconds:.0f} seconds"
            legs, limits = choices.pace.legs, budget.limits()
            run.log("event", 0, what="plan", steps=choices.pace.steps, legs=legs, budget=limits, detail=detail)
    except GlassError:
        run.delete()
        raise
    return run


def run_to_resume(folder: Path) -> tuple[Run, Path | None]:
    """(the run, the checkpoint that was named). Raises GlassError for what is no run, and for one that never trained."""
    folder, chosen = checkpoint.run_of(folder)
    run = Run.open(folder)
    if chosen is not None and not checkpoint.can_go_on(chosen):
        raise GlassError(
            f"{chosen} can be used, but no training goes on from it; `{typed('resume', folder)}` continues its run"
        )
    if "imported" in run.facts():
        raise GlassError(
            f"{folder} holds imported weights and no training that could go on: `{typed('generate', folder)}` lets "
            f"it write, and `{typed('eval', folder, 'my_book.txt')}` measures it on a text"
        )
    return run, chosen


def _checkpoint(run: Run, chosen: Path | None, mended: Sequence[str]) -> checkpoint.Checkpoint | None:
    """The checkpoint to go on from: the one that was named, else the newest, if there is any."""
    if chosen is None and checkpoint.newest(run.folder) is None:
        return None
    return checkpoint.load(chosen or run.folder, as_now=mended)


def _go_back(run: Run, saved: checkpoint.Checkpoint | None, named: bool, say: Say) -> None:
    """Delete the checkpoints and snapshots after the one that a run goes on from. If nobody `named` that one, those after
    it are damaged; they are moved and not deleted, since another disk or machine may still read them."""
    snapshots.forget_after(run.folder, saved.step if saved else -1)
    for path in reversed(checkpoint.steps(run.folder / "checkpoints")):
        if saved is None or int(path.name) <= saved.step:
            continue
        if named:
            remove(path)
        else:
            say(f"the damaged checkpoint is in {set_aside(path, 'damaged')}; delete it when you no longer need it")


@contextlib.contextmanager
def _kept(run: Run) -> Iterator[None]:
    """A full disk says what is kept of the run and how it goes on; the command that began it would begin another."""
    try:
        yield
    except DiskError as error:
        newest = checkpoint.newest(run.folder)
        if newest is None:
            raise
        then = f"go on from step {int(newest.name):,} with `{typed('resume', run.folder)}`"
        raise DiskError(error.what, error.remedy, then) from error


def _train(
    parts: Parts, choices: Choices, run: Run, watching: Watching, saved: checkpoint.Checkpoint | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> str:  # fmt: skip
    parts, recipe, config = replace(parts, recipe=choices.recipe).at(choices.pace), choices.recipe, choices.recipe.train
    tokenizer, T, steps = parts.data.tokenizer, recipe.model.context_length, choices.pace.steps
    text, own = recipe.to_json(), sources(recipe)
    if saved is not None:  # the run goes on calling its own files as it did
        text, own = saved.as_recorded(text), {saved.renamed.get(path, path): source for path, source in own.items()}

    def sample(model: GPT) -> tuple[str, str]:
        return recipe.sample.prompt, complete(model, tokenizer, [recipe.sample.prompt], recipe.sample)[0]

    writes = parts.world.writes
    with (
        Loader(parts.batches, steps, pinned=parts.model.device.type == "cuda") as batches,
        dashboard.Watch(run, config.watch if writes else ()) as dashboards,
        watching(steps, saved.step if saved else 0) as display,
        enough_memory(),
        _kept(run),
    ):

        def watch(line: dict[str, Any]) -> None:
            display(line)
            dashboards()

        trainer = Trainer(
            parts.called, tokenizer, batches,
            held_out=lambda: sequential(parts.data.validation, T, config.micro_batch_size, config.eval_tokens),
            config=config, run=run, recipe_json=text, precision=choices.precision, sample=sample, watch=watch,
            sources=own, pace=choices.pace, budget=choices.budget, clock=clock,
            follow=lambda pace: batches.follow(parts.at(pace).batches, pace.steps),
            passes=passes_at(run, 0 if saved is None else saved.step), ranks=Ranks(parts.world.mesh),
        )  # fmt: skip
        if saved is not None:
            trainer.restore(saved)
            saved.close()
        again = own_parts(run.recipe(), own)
        then = f"mend the file and continue from the last checkpoint with `{typed('resume', run.folder, *again)}`"
        with blaming(recipe, "training stopped", then):
            return trainer.train()

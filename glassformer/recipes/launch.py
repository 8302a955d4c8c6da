"""From a recipe to a run, and from an interrupted run to its end."""

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import glassformer
from glassformer.config.user_files import blaming
from glassformer.data.batches import Batch, sequential
from glassformer.data.loader import Loader
from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import CheckpointError, DatasetError, SettingError
from glassformer.generate.text import complete
from glassformer.model.cost import parameters
from glassformer.model.gpt import GPT
from glassformer.recipes.build import batches, dataset, device_of, kernels_of, new_model
from glassformer.recipes.presets import Recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.system.machine import git_commit, machine_facts
from glassformer.train.precision import Precision, choose
from glassformer.train.trainer import Trainer

Say = Callable[[str], None]
"""Tells a person one line about what is going on."""
Watch = Callable[[dict[str, Any]], None]
"""Sees each line that a run logs."""


def train(
    recipe: Recipe,
    data: Dataset,
    folder: Path,
    *,
    say: Say,
    watching: Callable[[int, int], Any],
    minutes: float | None = None,
    argv: list[str] | None = None,
) -> str:
    """Train a new model in the run folder `folder`; returns "done" or "interrupted".

    `argv` are the words after `glass` that make this run, where they are not those of this process.
    With `minutes`, the number of steps is chosen after measuring a step so that the run takes about that long.
    `watching(steps, done)` is a context that gives a Watch.
    """
    recipe = recipe.override(f"model.vocab_size={data.tokenizer.vocab_size}")
    device = device_of(recipe.train.device)
    with blaming(recipe), enough_memory():
        model = new_model(recipe, data, kernels_of(recipe, device, say)).to(device)
        trial = _trial(model, batches(recipe, data)(recipe.train.steps - 1), recipe)  # the last rows are the longest
        precision, why = choose(recipe.train.precision, device, trial)
        trial(Precision(precision, device))  # whatever cannot take a step leaves no run behind
    if minutes is not None:
        recipe = _fit(recipe, trial, Precision(precision, device), minutes * 60, say)
    asked, warmup = recipe.train.schedule.warmup_steps, recipe.train.schedule.warmup(recipe.train.steps)
    if asked is not None and warmup != asked:
        say(f"a warmup of {asked:,} steps does not fit into {recipe.train.steps:,}: it takes a tenth, {warmup}")
    n, argv = parameters(model), sys.argv[1:] if argv is None else argv
    say(f"a model of {n:,} parameters on {device}, in {precision} ({why})")
    facts = {
        "command": shlex.join(["glass", *argv]), "argv": argv,
        "started": datetime.now().astimezone().isoformat(timespec="seconds"), "glassformer": glassformer.__version__,
        "git": git_commit(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "machine": machine_facts(),
        "parameters": n, "precision": {"chosen": precision, "why": why}, "dataset": data.summary(),
    }  # fmt: skip
    run = Run.create(folder, recipe.to_json(), facts)
    run.log("event", 0, what="start", detail=facts["command"])
    return _run(recipe, data, model, run, precision, watching)


def resume(folder: Path, *, say: Say, progress: Progress, watching: Callable[[int, int], Any]) -> str:
    """Continue a run from its newest checkpoint, exactly as if it had never stopped."""
    run = Run.open(folder)
    recipe, facts = Recipe.parse(run.recipe()), run.facts()
    data = dataset(recipe, progress)
    if data.index.fingerprint != facts["dataset"]["fingerprint"]:
        raise DatasetError(
            f"the text of {folder} has changed since it was started; bring back the old text or start a new run"
        )
    device = device_of(recipe.train.device)
    maths = kernels_of(recipe, device, say)
    if checkpoint.newest(folder) is None:
        say("the run was stopped before its first checkpoint; starting from the beginning")
        run.log("event", 0, what="resume", detail="from the beginning")
        model = new_model(recipe, data, maths).to(device)
        return _run(recipe, data, model, run, facts["precision"]["chosen"], watching)
    saved = checkpoint.load(folder)
    if saved.tokenizer().fingerprint() != data.tokenizer.fingerprint():
        raise CheckpointError(
            f"{saved.folder} and {data.folder} have different tokenizers; delete the dataset's folder"
        )
    if saved.step >= recipe.train.steps:
        say(f"{folder} is complete at step {saved.step}; nothing to resume")
        return "done"
    say(f"continuing {folder} from step {saved.step} of {recipe.train.steps}")
    run.log("event", saved.step, what="resume", detail=saved.folder.name)
    return _run(recipe, data, saved.model(maths, device), run, saved.state["precision"], watching, saved)


def _run(
    recipe: Recipe, data: Dataset, model: GPT, run: Run, precision: str, watching: Callable[[int, int], Any],
    saved: checkpoint.Checkpoint | None = None,
) -> str:  # fmt: skip
    config, T, device = recipe.train, recipe.model.context_length, next(model.parameters()).device

    def sample(model: GPT) -> tuple[str, str]:
        return recipe.sample.prompt, complete(model, data.tokenizer, [recipe.sample.prompt], recipe.sample)[0]

    with (
        Loader(batches(recipe, data), config.steps, pinned=device.type == "cuda") as loader,
        watching(config.steps, saved.step if saved else 0) as watch,
    ):
        trainer = Trainer(
            model.train(), data.tokenizer, batches=loader,
            held_out=lambda: sequential(data.validation, T, config.micro_batch_size, config.eval_tokens),
            config=config, run=run, recipe_json=recipe.to_json(), precision=precision, sample=sample, watch=watch,
        )  # fmt: skip
        if saved is not None:
            trainer.restore(saved)
        with enough_memory():
            return trainer.train()


@contextlib.contextmanager
def enough_memory() -> Iterator[None]:
    """Running out of it becomes a SettingError with the remedies."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:  # torch.OutOfMemoryError is a RuntimeError
        if not isinstance(error, MemoryError | torch.OutOfMemoryError) and "can't allocate memory" not in str(error):
            raise
        raise SettingError(
            "there is not enough memory for a step: lower train.micro_batch_size (and raise train.grad_accumulation), "
            "model.context_length or the model; `glass plan` with the same settings says what fits"
        ) from error


def _trial(model: GPT, batch: Batch, recipe: Recipe) -> Callable[[Precision], None]:
    """One forward and backward pass of a micro-batch, leaving no gradient behind."""

    def run(precision: Precision) -> None:
        micro = next(batch.parts(recipe.train.grad_accumulation)).to(precision.device)
        with precision.autocast():
            loss = recipe.train.loss.nats(model, micro).mean()
        loss.backward()
        model.zero_grad(set_to_none=True)

    return run


def _fit(recipe: Recipe, trial: Callable[[Precision], None], precision: Precision, seconds: float, say: Say) -> Recipe:
    """Choose the number of steps that fit into `seconds`, from the measured speed of this machine."""
    times: list[float] = []
    while len(times) < 5 or sum(times) < min(4, seconds / 40):  # a shared machine is slow for a second now and then
        start = time.perf_counter()
        trial(precision)
        times.append(time.perf_counter() - start)
    a_pass = sorted(times)[len(times) // 2]
    a_step = 1.15 * a_pass * recipe.train.grad_accumulation  # with the optimizer, evaluations and samples
    every = max(4, round(seconds / a_step / 6))
    steps = 6 * every
    say(f"{1000 * a_step:.0f} ms a step: {steps:,} steps fit into {seconds / 60:.1f} minutes")
    shorter = []
    if (recipe.train.schedule.warmup_steps or 0) > steps // 2:  # it was meant for a longer run
        shorter = [f"train.schedule.warmup_steps={steps // 10}"]
        say(f"the warmup takes {steps // 10} of them: {recipe.train.schedule.warmup_steps:,} would be more than half")
    return recipe.override(
        f"train.steps={steps}", f"train.eval_every={every}", f"train.sample_every={every}",
        f"train.checkpoint_every={every}", *shorter,
    )  # fmt: skip

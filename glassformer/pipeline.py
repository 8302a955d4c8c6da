"""From a recipe to a run, and from a run folder back to a model. The verbs of the command line are these functions."""

import contextlib
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import torch

import glassformer
from glassformer import kernels
from glassformer.blame import blaming
from glassformer.corpora.files import Files
from glassformer.data.batches import Batch, Batches, sequential
from glassformer.data.curriculum import lengthening
from glassformer.data.loader import Loader
from glassformer.data.mixture import mixture
from glassformer.data.prepare import Progress, fingerprint, prepare
from glassformer.data.shards import Dataset
from glassformer.errors import CheckpointError, DatasetError, SettingError
from glassformer.generate.text import complete, stream
from glassformer.kernels import flex
from glassformer.machine import machine_facts
from glassformer.model.cost import parameters
from glassformer.model.gpt import GPT
from glassformer.presets import Recipe
from glassformer.runs import Run
from glassformer.train import checkpoint
from glassformer.train.loss import next_token
from glassformer.train.precision import Precision, choose
from glassformer.train.trainer import Trainer
from glassformer.train.vectors import start_from_vectors

Say = Callable[[str], None]
"""Tells a person one line about what is going on."""
Watch = Callable[[dict[str, Any]], None]
"""Sees each line that a run logs."""


def dataset(recipe: Recipe, progress: Progress, fresh: bool = False, workers: int | None = None) -> Dataset:
    """The prepared dataset of a recipe, below `data/`; made now, or continued, unless it is there.

    A recipe that reads the folder of a dataset, as `glass data import` makes them, has that one.
    """
    if isinstance(recipe.corpus, Files) and (Path(recipe.corpus.path) / "train-documents.bin").is_file():
        return Dataset.open(recipe.corpus.path, type(recipe.tokenizer) if recipe.tokenizer.name.endswith(".py") else None)
    folder = Path("data") / f"{stem(recipe)}-{fingerprint(recipe.corpus, recipe.tokenizer, recipe.data)[:8]}"
    return prepare(recipe.corpus, recipe.tokenizer, recipe.data, folder, progress, fresh, workers)


def stem(recipe: Recipe) -> str:
    """A name for what a recipe reads: the corpus, or the file or folder given."""
    return (
        Path(recipe.corpus.path).resolve().stem if isinstance(recipe.corpus, Files) else Path(recipe.corpus.name).stem
    )


def device_of(name: str) -> torch.device:
    """The device that a recipe asks for. Raises SettingError when it is not there."""
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        return torch.device("cuda" if present["cuda"] else "cpu")
    if not present[name]:
        raise SettingError(f"train.device={name}: torch sees no such device here; use auto or cpu")
    return torch.device(name)


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
        model = new_model(recipe, data, _kernels(recipe, device, say)).to(device)
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
        "git": _git_commit(), "torch": torch.__version__, "threads": torch.get_num_threads(),
        "machine": machine_facts(),
        "parameters": n, "precision": {"chosen": precision, "why": why}, "dataset": data.summary(),
    }  # fmt: skip
    run = Run.create(folder, recipe.to_json(), facts)
    run.log("event", 0, what="start", detail=facts["command"])
    return _run(recipe, data, model, run, precision, watching)


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


def new_model(recipe: Recipe, data: Dataset, maths: kernels.Kernels) -> GPT:
    """The model that a run starts from."""
    model = GPT(recipe.model, maths, seed=recipe.train.seed)
    if recipe.train.vectors is not None:
        start_from_vectors(model.embedding, data.tokenizer, recipe.train.vectors)
    return model


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
    maths = _kernels(recipe, device, say)
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


def _kernels(recipe: Recipe, device: torch.device, say: Say) -> kernels.Kernels:
    """The formulas a recipe trains with, the same in a run and its resume; says so where FlexAttention is of no use."""
    if recipe.train.kernels == "fused":
        return kernels.fused()
    why = flex.missing(device) or ("FlexAttention knows no dropout" if recipe.model.dropout else None)
    if why:
        say(f"train.kernels=flexible changes nothing here: {why}")
    return kernels.flexible()


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


def batches(recipe: Recipe, data: Dataset) -> Batches:
    """What a run of `recipe` reads: its sampler, under its schedules. Raises SettingError or DatasetError."""
    config, T = recipe.train, recipe.model.context_length
    shares = mixture(config.mixture, data.index.sources, data.index.weights, config.steps)
    sampler = config.sampler.build(data.train, T, config.batch_size, config.seed, shares)
    return lengthening(sampler, config.lengths, T, config.steps)


def _trial(model: GPT, batch: Batch, recipe: Recipe) -> Callable[[Precision], None]:
    """One forward and backward pass of a micro-batch, leaving no gradient behind."""

    def run(precision: Precision) -> None:
        micro = next(batch.parts(recipe.train.grad_accumulation)).to(precision.device)
        with precision.autocast():
            loss = next_token(model, micro).mean()
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


def named_folder(name: str) -> Path:
    """`runs/<name>`. Raises SettingError for a name that leads elsewhere."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise SettingError(f"--name '{name}' is no folder below runs/; choose one such as --name first")
    return Path("runs") / name


def new_run(name: str | None, stem: str) -> Path:
    """`runs/<name>`, or the first free of `runs/<stem>`, `runs/<stem>-2`, ... Raises SettingError."""
    if name is not None:
        return named_folder(name)
    candidates = (Path("runs") / (stem if i == 1 else f"{stem}-{i}") for i in range(1, 100_000))
    return next(path for path in candidates if not path.exists())


def _git_commit() -> str | None:
    try:
        root = Path(glassformer.__file__).parent
        return (
            subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=5
            ).stdout.strip()
            or None
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def check_free(folder: Path) -> None:
    """Raise before any work is done if `folder` already holds a run."""
    if (folder / "run.json").exists():
        raise SettingError(
            f"{folder} already holds a run; continue it with `glass resume {folder}` or choose another --name"
        )


def write_texts(folder: Path, prompts: list[str], settings: list[str], count: int, console: Any) -> None:
    """Continue each prompt `count` times, on the terminal: a single text streams, several come when done."""
    saved = checkpoint.load(folder)
    config = Recipe.parse(saved.recipe).sample.override(*settings)
    model, tokenizer = saved.model(device=device_of("auto")), saved.tokenizer()
    wanted = [prompt for prompt in prompts for _ in range(count)]
    if len(wanted) == 1:
        console.print(wanted[0], end="", markup=False, soft_wrap=True)
        for piece in stream(model, tokenizer, wanted[0], config):
            console.print(piece, end="", markup=False, soft_wrap=True)
        console.print()
        return
    for prompt, text in zip(wanted, complete(model, tokenizer, wanted, config)):
        console.print(prompt + text, markup=False, soft_wrap=True)
        console.rule(style="dim")

"""What data costs a training step at the demo's shape: waiting for batches, and the mask of packed documents.

    python bench/loader.py                         about three minutes on two cores
    python bench/loader.py --steps 5 --rounds 1 --megabytes 1

Every sampler trains the demo's model on the village through the real Trainer, with the loader reading ahead and without
it (each batch built in the loop), taking turns; figures are medians over rounds. Then `prepared` steps, whose batches
are all there beforehand, show what packed rows cost attention. One line of JSON per claim; a share is of a step's time,
and its ratio says how many times it fits under the bar.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import measure
from rich.console import Console
from rich.table import Table

from glassformer.config import variants
from glassformer.data.batches import Batch
from glassformer.data.loader import Loader
from glassformer.data.pace import Pace
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Dataset
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.recipes import build
from glassformer.recipes.presets import Recipe, mini
from glassformer.runs.run import Run
from glassformer.train.trainer import Trainer

BAR = 0.02
TABLE = Table("what", "ours", "peer", "ratio", "target")


def claim(what: str, ours: float, peer: float, name: str, ratio: float, target: float) -> None:
    """One line of JSON, and one of the table."""
    measure.claim(what, ours, peer, name, target, ratio=ratio, digits=6)
    TABLE.add_row(what, f"{ours:.6f}", f"{name} {peer:.6f}", f"{ratio:.2f}", str(target))


def trainer(recipe: Recipe, data: Dataset, batches: Callable[[int], Batch], precision: str, folder: Path) -> Trainer:
    model = GPT(recipe.model, seed=1).to(build.device_of(recipe.train.device)).train()
    return Trainer(
        model, data.tokenizer, batches, lambda: iter([]), recipe.train, Run.create(folder, recipe.to_json(), {}),
        recipe_json=recipe.to_json(), precision=precision,
    )  # fmt: skip


def timed(made: Trainer, steps: range) -> tuple[float, float]:
    """(seconds a step, seconds of it waiting for its batch)."""
    made.update(steps[0] - 1)  # the first batch is nobody's fault
    made.waited, start = 0.0, time.perf_counter()
    for step in steps:
        made.update(step)
    return (time.perf_counter() - start) / len(steps), made.waited / len(steps)


def waiting(recipe: Recipe, data: Dataset, precision: str, steps: int, rounds: int, folder: Path) -> None:
    for name in variants(Sampler):
        its = recipe.override(f"train.sampler={name}")
        ahead, in_loop = [], []
        reading = build.batches(its, data, Pace.even(its.train.steps))
        with Loader(reading, its.train.steps) as loader:
            made = trainer(its, data, loader, precision, folder / f"{name}-ahead")
            alone = trainer(its, data, reading, precision, folder / f"{name}-alone")
            for i in range(rounds):
                part = range(1 + i * steps, 1 + (i + 1) * steps)
                for run, shares in ((made, ahead), (alone, in_loop)):
                    seconds, waited = timed(run, part)
                    shares.append(waited / seconds)
        ours, peer = statistics.median(ahead), statistics.median(in_loop)
        claim(f"waiting for data, {name}, share of a step (at most {BAR})", ours, peer, "in the loop", BAR / ours, 1.0)


def masks(recipe: Recipe, data: Dataset, precision: str, steps: int, rounds: int, folder: Path) -> None:
    """Counted tokens per second on rows that are all there beforehand."""
    speeds: dict[str, list[float]] = {}
    runs = {}
    for name in ("windows", "packed", "buckets"):
        its = recipe.override(f"train.sampler={name}")
        sampler = build.batches(its, data, Pace.even(its.train.steps))
        prepared = {step: sampler(step) for step in range(1 + steps)}
        counted = sum(int((prepared[step].targets != IGNORED).sum()) for step in range(1, 1 + steps))
        runs[name] = trainer(its, data, prepared.__getitem__, precision, folder / f"{name}-prepared"), counted
    for _ in range(rounds):
        for name, (made, counted) in runs.items():
            speeds.setdefault(name, []).append(counted / steps / timed(made, range(1, 1 + steps))[0])
    middle = {name: statistics.median(each) for name, each in speeds.items()}
    for name in ("packed", "buckets"):
        ratio = middle[name] / middle["windows"]
        claim(f"training on {name}, counted tokens/s", middle[name], middle["windows"], "windows", ratio, 0.8)


@contextlib.contextmanager
def workshop() -> Iterator[Path]:
    """A folder that is gone afterwards, and in which we are."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=30, help="steps in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", default="bf16", choices=["fp32", "bf16", "fp16"])
    parser.add_argument("--megabytes", type=float, default=20, help="of village")
    options = parser.parse_args()
    recipe = mini().override(f"corpus.megabytes={options.megabytes}")
    with workshop() as folder:
        data = build.dataset(recipe, lambda *told: None)
        recipe = recipe.override(f"model.vocab_size={data.tokenizer.vocab_size}")
        print(f"{data.train}, in {options.precision}", flush=True)
        waiting(recipe, data, options.precision, options.steps, options.rounds, folder)
        masks(recipe, data, options.precision, options.steps, options.rounds, folder)
    Console().print(TABLE)


if __name__ == "__main__":
    main()

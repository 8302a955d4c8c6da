"""What `kill -9` does to a training: kills it at random moments and inside of saves, resumes it, and compares the bits.

    python bench/kills.py                        50 kills, half of them with train.async_checkpoint, about five minutes
    python bench/kills.py --kills 3              a few seconds

A small run on the village saves after every step. Half of the kills come at a random moment after the first new step, the
others while the folder of a checkpoint is being filled. After each of them every checkpoint that can be seen is read whole
and compared with its checksums, and the run is resumed. A run that has come to its end is compared with one that was never
disturbed: weights and optimizer, bit for bit. Then the next run begins, until there were enough kills.

Each training is a process of its own. They are forked from one that has imported everything, so that a start takes no time.
"""

import argparse
import contextlib
import functools
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import measure
from rich.console import Console
from rich.table import Table

from glassformer.data.shards import Dataset
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe, mini
from glassformer.runs import checkpoint, manifest
from glassformer.runs.manifest import Damaged

SMALL = (
    "model.embed=token", "model.head=tied", "train.sampler=windows", "corpus.megabytes=0.2",
    "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=400", "model.n_layer=2",
    "model.n_embd=64", "model.n_head=2", "model.context_length=64", "model.dropout=0.1", "train.steps=40",
    "train.micro_batch_size=4", "train.precision=fp32", "train.eval_every=10", "train.eval_tokens=256",
    "train.sample_every=0", "train.checkpoint_every=1", "train.log_every=1",
)  # fmt: skip


def forked(work: Callable[[], object]) -> int:
    """Do `work` in a process of its own; returns its id."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = 1
    try:
        work()
        code = 0
    finally:
        os._exit(code)


def ended(pid: int) -> bool:
    """Wait for a process; returns whether it came to its end by itself."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"a training ended with exit code {code}")
    return code == 0


def train(folder: Path, recipe: Recipe) -> None:
    """Begin the run in `folder`, or resume it."""

    def quiet(*told: object) -> None:
        pass

    def watching(steps: int, done: int) -> object:
        return nullcontext(quiet)

    if (folder / "run.json").exists():
        launch.resume(folder, say=quiet, progress=quiet, watching=watching)
    else:
        data: Dataset = build.dataset(recipe, quiet)
        launch.train(recipe, data, folder, say=quiet, watching=watching, argv=[])


def kill_in(pid: int, folder: Path, dice: random.Random) -> bool:
    """Kill the training of `folder` at a random moment; returns whether a checkpoint was in the making."""
    log, places, start = folder / "metrics.jsonl", folder / "checkpoints", time.time_ns()
    size = log.stat().st_size if log.exists() else 0

    def saves() -> bool:
        """Whether there is the hidden folder of a save, and not one that the kill before has left."""
        with contextlib.suppress(FileNotFoundError):  # it was renamed just now
            return any(path.stat().st_ctime_ns > start for path in places.glob(".*.preparing"))
        return False

    def until(happens: Callable[[], bool]) -> None:
        while not happens() and not os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            time.sleep(0.0005)

    until(lambda: log.exists() and log.stat().st_size > size)
    if dice.random() < 0.5:
        time.sleep(dice.uniform(0, 0.3))
    else:
        time.sleep(dice.uniform(0, 0.1))
        until(saves)
        time.sleep(dice.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return saves()


def damaged(folder: Path) -> list[Path]:
    """The checkpoints of a run that are not whole."""
    found = []
    for path in checkpoint.steps(folder / "checkpoints"):
        try:
            manifest.verify(path)
        except Damaged:
            found.append(path)
    return found


def same(folder: Path, whole: Path) -> bool:
    """Whether two finished runs have the same weights and optimizer, bit for bit."""
    ends = [checkpoint.newest(run) for run in (folder, whole)]
    names = ("model.safetensors", "optimizer.safetensors", "optimizer.json")
    return all(len({(end / name).read_bytes() for end in ends if end}) == 1 for name in names)


def trial(recipe: Recipe, kills: int, whole: Path, place: Path, dice: random.Random) -> dict[str, int]:
    """Runs below `place` that are killed so many times in all, each of them resumed to its end; returns the counts."""
    counts = dict.fromkeys(("kills", "in a save", "corrupt", "runs", "other bits"), 0)
    while counts["kills"] < kills or counts["runs"] == 0:
        folder, done = place / str(counts["runs"]), False
        while not done:
            pid = forked(functools.partial(train, folder, recipe))
            inside = counts["kills"] < kills and kill_in(pid, folder, dice)
            done = ended(pid)
            if not done:
                counts["kills"] += 1
                counts["in a save"] += inside
                counts["corrupt"] += len(damaged(folder))
        counts["runs"] += 1
        counts["other bits"] += not same(folder, whole)
    return counts


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--kills", type=int, default=50, help="in all, half of them with train.async_checkpoint")
    options.add_argument("--seed", type=int, default=0, help="of the moments")
    options.add_argument("--steps", type=int, default=40, help="of each run")
    options.add_argument("--whole", nargs="*", default=[], help="other settings of the undisturbed run: see it differ")
    asked = options.parse_args()
    table = Table("checkpoints are written", "kills", "in a save", "corrupt", "runs", "other bits")
    dice, start = random.Random(asked.seed), time.time()
    total = dict.fromkeys(("kills", "in a save", "corrupt", "runs", "other bits"), 0)
    with tempfile.TemporaryDirectory() as place:
        os.chdir(place)
        recipe, whole = mini().override(*SMALL, f"train.steps={asked.steps}"), Path("runs/whole")
        ended(forked(functools.partial(train, whole, recipe.override(*asked.whole))))
        for background in (False, True):
            kills = asked.kills // 2 if background else -(-asked.kills // 2)
            asking = recipe.override(f"train.async_checkpoint={str(background).lower()}")
            counts = trial(asking, kills, whole, Path(f"runs/{background}"), dice)
            table.add_row("in the background" if background else "in the foreground", *map(str, counts.values()))
            total = {name: total[name] + counts[name] for name in total}
    Console().print(table)
    note = {"kills": total["kills"], "in_a_save": total["in a save"], "seconds": round(time.time() - start)}
    measure.claim("corrupt checkpoints after kill -9", total["corrupt"], None, None, 0, digits=None, **note)
    measure.claim("resumed runs with other bits", total["other bits"], None, None, 0, digits=None, runs=total["runs"])
    raise SystemExit(1 if total["corrupt"] or total["other bits"] else 0)


if __name__ == "__main__":
    main()

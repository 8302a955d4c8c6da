"""What is normal: the loss curves of several seeds of a shipped recipe, from which the report's bands are made.

    python bench/bands.py train --into FOLDER --recipes speedrun speedrun_tokens mini       trains; a second call goes on
    python bench/bands.py write --into FOLDER                                             writes glassformer/runs/bands/*.json

Every seed is a whole run of the recipe with nothing changed but the seed, how often it is logged and evaluated, and for
`mini` the number of steps, in fp32 or bf16 as it is timed here. The band around the mean of the logarithms of n losses is
the interval in which 95 of 100 further runs lie at that step, if they scatter normally:

    mean +- t(n - 1, 0.975) sqrt(1 + 1 / n) s        s: standard deviation, pooled over the neighbouring logged steps

`write` also leaves out each seed in turn and says how many of its losses lie in the band of the others.
"""

import argparse
import contextlib
import os
import time
from pathlib import Path

from glassformer.recipes import build, launch
from glassformer.recipes.presets import named
from glassformer.recipes.recorded import ended
from glassformer.runs.run import Run

SETTINGS = {
    "speedrun": ["train.log_every=2"],
    "speedrun_tokens": ["train.log_every=4"],
    "mini": ["train.steps=200", "train.log_every=4"],
}
ALWAYS = ["train.eval_every=0.2", "train.sample_every=0", "train.checkpoint_every=1000000", "train.keep_checkpoints=1"]


def train(folder: Path, recipes: list[str], seeds: int) -> None:
    """Train what is not there yet: FOLDER/runs/RECIPE-SEED."""
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    for name in recipes:
        recipe = named(name).override(*SETTINGS[name], *ALWAYS)
        data = build.dataset(recipe, lambda *told: None)
        for seed in range(1, seeds + 1):
            run, start = Path("runs") / f"{name}-{seed}", time.perf_counter()
            if not ended(run):
                launch.train_or_resume(
                    recipe.override(f"train.seed={seed}"), data, run, say=print, progress=lambda *told: None,
                    watching=lambda steps, done: contextlib.nullcontext(lambda line: None), argv=["bench/bands.py"],
                )  # fmt: skip
            last = Run.open(run).metrics("eval")[-1]
            print(f"{run}: {time.perf_counter() - start:.0f} s, held-out loss {last['loss']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "write"])
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    if given.what == "train":
        train(given.into, given.recipes, given.seeds)


if __name__ == "__main__":
    main()

"""What is normal: the loss curves of several seeds of a shipped recipe, from which the report's bands are made.

    python bench/bands.py train --into FOLDER --recipes speedrun mini     trains; a second call goes on
    python bench/bands.py write --into FOLDER                             writes glassformer/runs/bands/*.json

Every seed is a whole run of the recipe with nothing changed but the seed, how often it is logged and evaluated, and for
`mini` the number of steps, in fp32 or bf16 as it is timed here. The band around the mean of the logarithms of n losses is
the interval in which 95 of 100 further runs lie at that step, if they scatter normally:

    mean +- t(n - 1, 0.975) sqrt(1 + 1 / n) s        s: standard deviation, pooled over the neighbouring logged steps

`write` also leaves out each seed in turn and says how many of its losses lie in the band of the others.
"""

import argparse
import contextlib
import json
import math
import os
import statistics
import time
from pathlib import Path

from glassformer.recipes import build, launch
from glassformer.recipes.presets import named
from glassformer.recipes.recorded import ended
from glassformer.runs import bands
from glassformer.runs.bands import essence
from glassformer.runs.run import Run

SETTINGS = {
    "speedrun": ["train.log_every=2"],
    "speedrun_tokens": ["train.log_every=4"],
    "mini": ["train.steps=200", "train.log_every=4"],
}
T_975 = {3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""The 97.5 % quantile of Student's t distribution, by degrees of freedom."""
NEIGHBOURS = 3
"""Logged steps on each side whose variances are averaged with a step's own."""
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


def loss_of(run: Path, kind: str) -> dict[int, float]:
    """The logarithms of the losses of a run by step."""
    return {line["step"]: math.log(line["loss"]) for line in Run.open(run).metrics(kind)}


def band(curves: list[dict[int, float]]) -> dict[str, list]:
    """The band of several runs, over the steps that all of them have."""
    steps, n = sorted(set.intersection(*map(set, curves))), len(curves)
    means = [statistics.fmean(curve[step] for curve in curves) for step in steps]
    variances = [statistics.variance(curve[step] for curve in curves) for step in steps]
    found = {"steps": steps, "low": [], "high": []}
    for i, mean in enumerate(means):
        near = variances[max(0, i - NEIGHBOURS) : i + NEIGHBOURS + 1]
        reach = T_975[n - 1] * math.sqrt((1 + 1 / n) * statistics.fmean(near))
        found["low"].append(round(math.exp(mean - reach), 4))
        found["high"].append(round(math.exp(mean + reach), 4))
    return found


def inside(curves: list[dict[int, float]]) -> float:
    """The share of the losses of each run that lie in the band of the others."""
    hits = []
    for left_out in range(len(curves)):
        others = band(curves[:left_out] + curves[left_out + 1 :])
        rows = zip(others["steps"], others["low"], others["high"])
        hits += [low <= math.exp(curves[left_out][step]) <= high for step, low, high in rows]
    return statistics.fmean(hits)


def write(folder: Path, recipes: list[str]) -> None:
    """Write the bands of the recipes of which at least five seeds have come to their end."""
    for name in recipes:
        runs = [run for run in sorted((folder / "runs").glob(f"{name}-[0-9]*")) if ended(run)]
        if len(runs) < 5:
            print(f"{name}: {len(runs)} runs have ended, and five are needed")
            continue
        facts, recipe = Run.open(runs[0]).facts(), Run.open(runs[0]).recipe()
        told = {
            "recipe": name, "settings": SETTINGS[name], "seeds": len(runs), "steps": recipe["train"]["steps"],
            "measured": f"{facts['started'][:10]}, {facts['machine']['cpu']}, {facts['precision']['chosen']}",
            "essence": essence(recipe, facts["dataset"]),
        }  # fmt: skip
        for kind, key in (("train", "train"), ("eval", "validation")):
            curves = [loss_of(run, kind) for run in runs]
            told[key] = band(curves)
            print(f"{name}, {key}: {len(curves)} seeds, last losses {[round(math.exp(c[max(c)]), 4) for c in curves]}, "
                  f"{inside(curves):.0%} of a seed's losses lie in the band of the others")  # fmt: skip
        path = Path(bands.__file__).with_name(f"{name}.json")
        path.write_text(json.dumps(told) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "write"])
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--recipes", nargs="+", default=list(SETTINGS), choices=SETTINGS)
    parser.add_argument("--seeds", type=int, default=6)
    given = parser.parse_args()
    if given.what == "train":
        train(given.into, given.recipes, given.seeds)
    else:
        write(given.into, given.recipes)


if __name__ == "__main__":
    main()

"""What the run doctor finds: bugs put into small trainings, and healthy trainings, in which it should find nothing.

    python bench/doctor.py bugs                    each bug of doctor_cases.py, in the model its thresholds were chosen with
    python bench/doctor.py bugs --other            the same bugs in a model of other parts
    python bench/doctor.py healthy --seeds 4       five recipes, shortened, with the share of the time that it takes

Bugs count as named if the right finding is the first one. One line of JSON for each claim.
"""

import argparse
import os
import tempfile
from pathlib import Path

from doctor_cases import HEALTHY, OTHER, bugs, healthy, small_recipe
from measure import claim

from glassformer.recipes import build
from glassformer.train.doctor import Doctor

COUNTED = 15
"""The first so many bugs are those of the claim."""


def named(settings: tuple[str, ...]) -> None:
    """The table of bugs."""
    data, right = build.dataset(small_recipe(), lambda *told: None), []
    print("| bug | should be | found |\n|---|---|---|")
    for number, case in enumerate(bugs()):
        findings = case.run(data, Path("runs") / f"bug-{number}", settings)
        right.append(findings[:1] == [case.finding])
        told = "the same" if findings == [case.finding] else ", ".join(findings) or "nothing"
        print(f"| {case.name} | {case.finding} | {told} |",
              flush=True)  # fmt: skip
    where = "other parts" if settings else "the first model"
    claim(f"doctor: bugs named, {where}, of {COUNTED}", sum(right[:COUNTED]), None, None, 12, digits=None)
    claim(f"doctor: all bugs named, {where}, of {len(right)}", sum(right), None, None, len(right), digits=None)


def silent(seeds: int, recipes: list[str]) -> None:
    """The table of healthy runs."""
    quiet = 0
    print("| recipe | seed | found | share of the time |\n|---|---|---|---|")
    for name in recipes:
        for seed in range(1, seeds + 1):
            findings, share = watched(name, seed, Path("runs") / f"{name.replace(' ', '-')}-{seed}")
            quiet += not findings
            print(f"| {name} | {seed} | {', '.join(findings) or 'nothing'} | {share:.2%} |", flush=True)
    claim("doctor: healthy runs without a finding", quiet, None, None, seeds * len(recipes), digits=None)


def watched(name: str, seed: int, folder: Path) -> tuple[list[str], float]:
    """What is found in a healthy run, and the share of the processor's time that the doctor took."""
    doctors, init = [], Doctor.__init__

    def keep(self, *given, **more):
        doctors.append(self)
        init(self, *given, **more)

    Doctor.__init__ = keep  # type: ignore[method-assign]
    try:
        findings = healthy(name, seed, folder)
    finally:
        Doctor.__init__ = init  # type: ignore[method-assign]
    return findings, doctors[-1].share()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["bugs", "healthy"])
    parser.add_argument("--other", action="store_true")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--recipes", nargs="+", default=list(HEALTHY), choices=list(HEALTHY))
    parser.add_argument("--data", type=Path, help="a folder with data/, so that texts are not prepared again")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = (given.data or Path(folder)).resolve() / "data"
        os.chdir(folder)
        if given.data:
            data.mkdir(parents=True, exist_ok=True)
            os.symlink(data, "data")
        if given.what == "bugs":
            named(OTHER if given.other else ())
        else:
            silent(given.seeds, given.recipes)
        os.chdir("/")


if __name__ == "__main__":
    main()

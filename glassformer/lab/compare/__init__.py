"""`glass compare`: a recipe against variants of it, under one budget, over several seeds.

    variants      from --against to the recipe of each model
    design        which models, how many steps, which learning rates   (kept in runs/<name>/compare.json)
    budget        equal tokens, FLOPs or time
    the runs      each an ordinary run folder, made by the `glass train` command that the report prints
    measure       bits per byte, longer texts, stories, speed           (kept in each run)
    statistics    paired differences, Holm's correction, the verdict
    table, curves what terminal.py prints and page.py draws             (runs/<name>/compare.html)

After an interruption the same command continues: finished runs are kept, an interrupted one is resumed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from glassformer.data.prepare import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import SettingError, Stopped
from glassformer.lab.compare import budget, measure
from glassformer.lab.compare.design import GRID, Design, Entry, Question
from glassformer.lab.compare.measure import Measured
from glassformer.lab.compare.statistics import Difference, holm, paired, verdict
from glassformer.lab.compare.variants import combined, contents, difference, variants
from glassformer.recipes import build, launch
from glassformer.recipes.presets import Recipe
from glassformer.recipes.recorded import ended
from glassformer.runs.run import Run

Say = Callable[[str], None]


@dataclass
class Result:
    """One model and its results; `runs` are in the order of the seeds."""

    entry: Entry
    runs: list[Measured]
    difference: Difference | None = None
    """None for the baseline, and for a variant if it or the baseline diverged at some seed."""
    verdict: str = ""


def compare(
    question: Question, base: Recipe, folder: Path, *, say: Say, progress: Progress
) -> tuple[Design, list[Result]]:  # fmt: skip
    """Train and measure every model that is not yet trained and measured in `folder`, which lies below runs/.

    `base` is the named recipe on its source, without the question's settings. Raises SettingError, and Stopped at
    Ctrl-C.
    """
    session = Session(question, base, folder, say, progress)
    design = session.design()
    for seed in design.seeds:
        for entry in design.entries:
            session.train(design, entry, seed, f"{entry.name}-{seed}")
    results = [
        Result(entry, [session.measure(design, entry, seed, f"{entry.name}-{seed}") for seed in design.seeds])
        for entry in design.entries
    ]
    judge(results)
    return design, results


def judge(results: list[Result]) -> None:
    """Fill in the differences and verdicts: each variant against the baseline, which is the first result.

    A tokenizer that drops text has an easier task than one that does not, so models with two such tokenizers are not
    compared.
    """
    baseline = [run.bpb for run in results[0].runs]
    tested: list[Result] = []
    for result in results[1:]:
        pairs = [(a, run.bpb) for a, run in zip(baseline, result.runs) if a is not None and run.bpb is not None]
        drops = [max(run.dropped for run in one.runs) for one in (results[0], result)]
        if drops[0] != drops[1]:
            result.verdict = (
                f"{result.entry.label}: its tokenizer drops {drops[1]:.1%} of the held-out tokens and the baseline's "
                f"{drops[0]:.1%}, so bits per byte do not compare the two"
            )
        elif len(pairs) == len(baseline):
            result.difference = paired([a for a, _ in pairs], [b for _, b in pairs])
            tested.append(result)
        else:
            lost = sum(run.bpb is None for run in result.runs)
            who, count = ("", lost) if lost else ("the baseline ", baseline.count(None))
            result.verdict = (
                f"{result.entry.label}: {who}diverged at {count} of {len(baseline)} seeds, so the two are not compared"
            )
    differences = [result.difference for result in tested if result.difference]
    for result, found, counts in zip(tested, differences, holm([d.p for d in differences]), strict=True):
        result.verdict = verdict(result.entry.label, found, counts, len(tested))


def best_run(folder: Path, design: Design, results: list[Result]) -> Path | None:
    """The run that needs the fewest bits per byte; None if all diverged."""
    ended = [
        (run.bpb, folder / f"{result.entry.name}-{seed}")
        for result in results
        for seed, run in zip(design.seeds, result.runs)
        if run.bpb is not None
    ]
    return min(ended)[1] if ended else None


class Session:
    """A comparison while it runs: what was asked, where its runs are, and the datasets opened so far."""

    def __init__(self, question: Question, base: Recipe, folder: Path, say: Say, progress: Progress):
        self.question, self.base, self.folder, self.say, self.progress = question, base, folder, say, progress
        self.prepared: dict[str, Dataset] = {}

    def design(self) -> Design:
        """The design that the folder holds, or a new one. Raises SettingError if the folder holds another
        comparison."""
        if (self.folder / "compare.json").exists():
            kept = Design.load(self.folder)
            if kept.question != self.question:
                raise SettingError(f"{self.folder} already holds another comparison; choose another --name")
            for entry in kept.entries:
                self.check_contents(kept, entry)
            self.say(f"continuing {self.folder}")
            return self.tuned(kept)
        recipe = self.base.override(*self.question.settings)
        build.device_of(recipe.train.device)
        named = variants(recipe, self.question.against)
        precision, seconds, timed = recipe.train.precision, None, self.question.budget == "time"
        if precision == "auto" or self.question.minutes or timed:
            precision, seconds = budget.probe(recipe, self.data(recipe))
        steps = recipe.train.steps
        if self.question.minutes and seconds:
            steps = max(1, round(60 * self.question.minutes / seconds))
        design = Design(self.question, recipe.train.seed, [])
        first = None
        for name, label, settings in named:
            own = combined(self.base, self.question, settings, precision, steps)
            chosen, own_seconds = own.train.precision, seconds
            if settings and (chosen == "auto" or timed):
                chosen, own_seconds = budget.probe(own, self.data(own))
            cost = budget.cost(own, self.data(own), chosen)
            first = first or cost
            times = (seconds, own_seconds) if seconds and own_seconds else None
            count = budget.equal_steps(self.question.budget, steps, first, cost, times)
            trained = combined(self.base, self.question, settings, precision, count).override(f"train.precision={chosen}")
            design.entries.append(
                Entry(name, label, difference(self.base, trained), contents(trained), count, count * cost.tokens_per_step,
                      cost.parameters, count * cost.flops_per_step, cost.memory, own_seconds if timed else None)
            )  # fmt: skip
        design.save(self.folder)
        return self.tuned(design)

    def check_contents(self, design: Design, entry: Entry) -> None:
        """Raises SettingError unless the text and the user's own files are those that the comparison began with."""
        now = contents(design.recipe(self.base, entry, design.first_seed))
        for what in now | entry.contents:  # the files first: a changed file may be why the text is another
            if now.get(what) != entry.contents.get(what):
                raise SettingError(
                    f"{what} has changed since {self.folder} was begun; choose another --name, or delete {self.folder}"
                )

    def tuned(self, design: Design) -> Design:
        """The design, with a tuned learning rate for each entry if the question asks for that."""
        for entry in design.entries if self.question.tune else []:
            if entry.tried is None:
                self.tune(design, entry)
                design.save(self.folder)
        return design

    def tune(self, design: Design, entry: Entry) -> None:
        """Train a whole run at each rate of the grid, with a seed that no counted run has, and keep the best rate."""
        own, tried = design.recipe(self.base, entry, design.seeds.stop), {}
        for factor in GRID:
            rate = float(f"{own.train.learning_rate * factor:.3g}")
            run = f"tune-{entry.name}-{rate:g}"
            self.train(design, entry, design.seeds.stop, run, rate)
            bpb = self.measure(design, entry, design.seeds.stop, run, rate).bpb
            tried[f"{rate:g}"] = bpb
        if all(bpb is None for bpb in tried.values()):
            raise SettingError(
                f"{entry.label} diverged at every learning rate that --tune tried ({', '.join(tried)}); "
                "set a lower train.learning_rate"
            )
        entry.learning_rate = float(min((bpb, rate) for rate, bpb in tried.items() if bpb is not None)[1])
        entry.tried = tried

    def train(self, design: Design, entry: Entry, seed: int, name: str, rate: float | None = None) -> None:
        """Train one run to its end, unless that is done already. Raises Stopped at Ctrl-C."""
        folder = self.folder / name
        if ended(folder):
            return
        self.check_contents(design, entry)
        recipe = design.recipe(self.base, entry, seed, rate)
        words = design.words(entry, seed, f"{self.folder.relative_to('runs').as_posix()}/{name}", rate)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        outcome = launch.train_or_resume(
            recipe, self.data(recipe), folder, say=self.say, progress=self.progress, watching=budget.unwatched, argv=words
        )
        if outcome == "interrupted":
            raise Stopped(budget.STOPPED)
        if outcome == "done":
            self.say(f"{name}: {Run.open(folder).metrics('eval')[-1]['bpb']:.4f} bits per byte")

    def measure(self, design: Design, entry: Entry, seed: int, name: str, rate: float | None = None) -> Measured:
        """The measurements of a trained run."""
        recipe = design.recipe(self.base, entry, seed, rate)
        return measure.measured(self.folder / name, self.data(recipe), build.device_of(recipe.train.device))

    def data(self, recipe: Recipe) -> Dataset:
        """The dataset of a recipe; each is opened once."""
        key = recipe.tokenizer.model_dump_json()
        if key not in self.prepared:
            self.prepared[key] = build.dataset(recipe, self.progress)
        return self.prepared[key]

"""All checks of a dataset, one after another, and what they found."""

import time
from pathlib import Path
from typing import NamedTuple

from glassformer.data.index import Index
from glassformer.data.shards import Dataset
from glassformer.errors import DatasetError
from glassformer.lab.check import CheckConfig, Finding, integrity, leaks, oddities, repeats, statistics
from glassformer.lab.check.hashes import document_hashes
from glassformer.lab.check.leaks import Overlap
from glassformer.lab.check.oddities import Measures
from glassformer.lab.check.statistics import Statistics
from glassformer.recipes.trained_on import place_of, tokenizer_recipe
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.system.command import typed
from glassformer.tokenizers import TokenizerRecipe

SEVERITIES = ("error", "warning", "note")
CHECKS = ("integrity", "leaks", "repeats", "oddities")


class Looked(NamedTuple):
    """What the checks saw in a dataset that can be read."""

    data: Dataset
    overlap: Overlap
    repeats: dict[str, repeats.Repeats]
    measures: dict[str, Measures]
    statistics: Statistics


class Checked(NamedTuple):
    """What was found in a dataset folder. `looked` is None if the dataset is damaged, since then only that was
    checked."""

    folder: Path
    index: Index
    config: CheckConfig
    findings: list[Finding]
    looked: Looked | None
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """How many findings there are of each severity."""
        return {each: sum(finding.severity == each for finding in self.findings) for each in SEVERITIES}

    @property
    def clean(self) -> list[str]:
        """The checks that looked at something and found nothing."""
        if self.looked is None:
            return []
        found = {finding.check for finding in self.findings}
        if not self.looked.overlap.compared:
            found.add("leaks")
        if not self.looked.measures["train"].judged:
            found.add("oddities")
        return [name for name in CHECKS if name not in found]

    @property
    def limits(self) -> list[str]:
        """What was checked only in part, one sentence each."""
        return _limits(self, self.looked) if self.looked else []


def look(folder: Path, config: CheckConfig, tell: leaks.Progress = lambda doing: None) -> Checked:
    """Run all checks on a dataset, or on the dataset of a run folder. `tell` is called with what is being done.

    The findings are sorted by severity, the worst first, and within one severity by check. Raises GlassError for a
    folder that is neither.
    """
    start = time.monotonic()
    run, folder, recipe = _where(Path(folder))
    index = Index.load(folder / "index.json")
    tell("reading every byte")
    found = integrity.damage(folder, index, recipe)
    looked = None
    if not found:
        data = Dataset.open(folder, recipe)
        found = [*integrity.separators(data), *(integrity.of_run(data, run, recipe) if run else [])]
        looked = _look(data, config, tell)
        found += leaks.findings(data, looked.overlap, config)
        for split in (data.train, data.validation):
            found += repeats.findings(data, split, looked.repeats[split.name], config)
            found += oddities.findings(data, split, looked.measures[split.name], config)
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return Checked(folder, index, config, found, looked, time.monotonic() - start)


def _look(data: Dataset, config: CheckConfig, tell: leaks.Progress) -> Looked:
    tell("reading all documents")
    train, validation = document_hashes(data.train), document_hashes(data.validation)
    overlap = leaks.look(data, train, validation, config, tell)
    repeated, measures = {}, {}
    for split, hashes in ((data.train, train), (data.validation, validation)):
        tell(f"looking for repetitions in {split.name}")
        repeated[split.name] = repeats.look(data, split, hashes, config)
        tell(f"measuring the documents of {split.name}")
        measures[split.name] = oddities.measure(data, split)
    tell("counting tokens")
    return Looked(data, overlap, repeated, measures, statistics.compute(data))


def _limits(checked: Checked, looked: Looked) -> list[str]:
    lines = []
    text = len(looked.data.validation) - looked.data.validation.index.documents
    if looked.overlap.compared < text:
        short = f"; documents of less than {checked.config.n} tokens only as a whole"
        lines.append(
            f"leaks: {looked.overlap.compared:,} of {text:,} validation tokens were compared with train{short}"
        )
    for name, split in looked.repeats.items():
        documents = checked.index.train.documents if name == "train" else checked.index.validation.documents
        if split.kept > 1:
            lines.append(
                f"repeated passages of {name}: one n-gram in {split.kept} was counted, so short ones may be missed"
            )
        if split.compared < documents - sum(len(group) - 1 for group in split.groups):
            lines.append(f"near repetitions of {name}: {split.compared:,} of {documents:,} documents were compared")
    few = [f"{source} ({name})" if len(checked.index.sources) > 1 else name for name, measures in looked.measures.items()
           for source in checked.index.sources if source not in measures.judged]  # fmt: skip
    if few:
        lines.append(f"odd documents: there are too few documents to say what is normal in {', '.join(few)}")
    return lines


def _where(folder: Path) -> tuple[Run | None, Path, type[TokenizerRecipe] | None]:
    """The run (if the folder is one), the dataset's folder, and the recipe of a tokenizer that is the user's own
    file."""
    if (folder / "index.json").exists():
        return None, folder, None
    if not (folder / "run.json").exists():
        there = "holds neither a dataset (index.json) nor a run (run.json)" if folder.is_dir() else "is not a folder"
        raise DatasetError(f"{folder} {there}; name a folder below data/ or runs/, or make one with `{typed('prepare')}`")
    run = Run.open(folder)
    if "imported" in run.facts():
        raise DatasetError(f"{folder} holds imported weights, which were trained elsewhere; name a folder below data/")
    was = Path(str(run.fact("dataset", "folder")))
    dataset = place_of(run) or was
    if not (dataset / "index.json").exists():
        raise DatasetError(
            f"{folder} was trained on {was}, but that dataset is neither there nor in data/; run this command in the "
            "folder where you trained"
        )
    return run, dataset, tokenizer_recipe(checkpoint.recipe_of(run))

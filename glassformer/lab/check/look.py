"""`glass data check`: every check in turn, what they found on the terminal, and all of it on a page."""

import time
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from glassformer.data.index import Index
from glassformer.data.shards import Dataset
from glassformer.errors import DatasetError
from glassformer.lab.check import CheckConfig, Finding, integrity, leaks, oddities, repeats, statistics
from glassformer.lab.check.hashes import document_hashes
from glassformer.lab.check.leaks import Overlap
from glassformer.lab.check.oddities import Measures
from glassformer.lab.check.statistics import Statistics
from glassformer.runs.run import Run
from glassformer.tokenizers import TokenizerRecipe

SEVERITIES = ("error", "warning", "note")


class Looked(NamedTuple):
    """What the checks saw in a dataset that can be read."""

    data: Dataset
    overlap: Overlap
    repeats: dict[str, repeats.Repeats]
    measures: dict[str, Measures]
    statistics: Statistics


class Checked(NamedTuple):
    """A dataset folder, its index, and what was found; `looked` is None where damage kept the other checks away."""

    folder: Path
    index: Index
    config: CheckConfig
    findings: list[Finding]
    looked: Looked | None
    seconds: float

    @property
    def errors(self) -> int:
        return sum(finding.severity == "error" for finding in self.findings)


def check(console: Console, folder: Path, config: CheckConfig, output: Path | None = None) -> int:
    """Check a dataset, or the dataset of a run folder; print what was found and write it to a page beside the dataset (or
    to `output`). Returns the number of findings that are errors. Raises GlassError for a folder that is neither."""
    from glassformer.lab.check import page, terminal

    with console.status("") as status:
        checked = look(folder, config, status.update)
    terminal.show(checked, console)
    output = output or checked.folder.with_name(f"{checked.folder.resolve().name}.check.html")
    page.write(checked, output)
    console.print(f"\nAll of it, with histograms: open {output}", markup=False, soft_wrap=True)
    return checked.errors


def look(folder: Path, config: CheckConfig, tell: leaks.Progress = lambda doing: None) -> Checked:
    """All checks. Findings come worst first; of one severity, in the order of the checks."""
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


def _where(folder: Path) -> tuple[Run | None, Path, type[TokenizerRecipe] | None]:
    """The run, if the folder is one, the dataset's folder, and the kind of a tokenizer in a file of one's own."""
    if (folder / "index.json").exists():
        return None, folder, None
    if not (folder / "run.json").exists():
        there = "holds neither a dataset (index.json) nor a run (run.json)" if folder.is_dir() else "is not a folder"
        raise DatasetError(f"{folder} {there}; name a folder below data/ or runs/, or make one with `glass prepare`")
    run = Run.open(folder)
    dataset = (run.facts().get("dataset") or {}).get("folder")
    if not isinstance(dataset, str) or not (Path(dataset) / "index.json").exists():
        raise DatasetError(f"{folder} was trained on {dataset}, and no dataset is there; run this where it was trained")
    name = str((run.recipe().get("tokenizer") or {}).get("name", ""))
    return run, Path(dataset), type(TokenizerRecipe.named(name)) if name.endswith(".py") else None

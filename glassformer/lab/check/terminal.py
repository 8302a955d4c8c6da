"""What a check found, on the terminal: findings first, then a page of numbers."""

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glassformer.lab.check import Finding, counted
from glassformer.lab.check.look import Checked, Looked
from glassformer.pages.frame import visible

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
PLACES = 3
CHECKS = ("integrity", "leaks", "repeats", "oddities")


def show(checked: Checked, console: Console) -> None:
    """Print everything; long lists are cut off, the page has more."""
    index = checked.index
    console.print(f"[bold]{escape(str(checked.folder))}[/]  {counted(index.train.documents, 'document')} to learn from, "
                  f"{index.validation.documents:,} held out ({escape(index.split_rule)})\n", soft_wrap=True)  # fmt: skip
    for finding in checked.findings:
        _finding(finding, console)
    if checked.looked is None:
        console.print("Nothing else was checked: first the dataset must be whole.\n", style="yellow")
        return
    if names := clean(checked):
        console.print(f"[green]nothing wrong:[/] {', '.join(names)}  [dim]({checked.seconds:.1f} s)[/]")
    for line in limits(checked):
        console.print(line, style="dim")
    console.print()
    console.print(_sizes(checked))
    console.print()
    _statistics(checked.looked, console)


def clean(checked: Checked) -> list[str]:
    """The checks that were made and found nothing."""
    if checked.looked is None:
        return []
    found = {finding.check for finding in checked.findings}
    if not checked.looked.overlap.compared:
        found.add("leaks")
    if not checked.looked.measures["train"].judged:
        found.add("oddities")
    return [name for name in CHECKS if name not in found]


def limits(checked: Checked) -> list[str]:
    """What was looked at in part only."""
    looked = checked.looked
    if looked is None:
        return []
    lines = []
    text = len(looked.data.validation) - looked.data.validation.index.documents
    if looked.overlap.compared < text:
        short = f"; documents of less than {checked.config.n} tokens only as a whole"
        lines.append(f"leaks: {looked.overlap.compared:,} of {text:,} validation tokens were compared with train{short}")
    for name, split in looked.repeats.items():
        documents = checked.index.train.documents if name == "train" else checked.index.validation.documents
        if split.kept > 1:
            lines.append(f"repeated passages of {name}: one n-gram in {split.kept} was counted, short ones may be missed")
        if split.compared < documents - sum(len(group) - 1 for group in split.groups):
            lines.append(f"near repetitions of {name}: {split.compared:,} of {documents:,} documents compared")
    few = [f"{source} ({name})" if len(checked.index.sources) > 1 else name for name, measures in looked.measures.items()
           for source in checked.index.sources if source not in measures.judged]  # fmt: skip
    if few:
        lines.append(f"odd documents: too few to say what is normal in {', '.join(few)}")
    return lines


def _finding(finding: Finding, console: Console) -> None:
    line = Text(finding.severity, STYLES[finding.severity]).append(f"  {finding.check}  ", "dim not bold")
    console.print(line.append(finding.what, "bold default"), soft_wrap=True)
    for place in finding.places[:PLACES]:
        console.print(Padding(Text(visible(place.where)), (0, 0, 0, 4)))
        if place.excerpt:
            console.print(Padding(Text(f"“{visible(place.excerpt)}”", "dim"), (0, 0, 0, 6)))
    if len(finding.places) > PLACES:
        console.print("    ...", style="dim")
    console.print(Padding(Text("→ " + finding.remedy, "green"), (0, 0, 1, 4)))


def _sizes(checked: Checked) -> Table:
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for column in ("documents", "tokens", "bytes", "bytes/token", "tokens/document"):
        table.add_column(column, justify="right")
    for name in ("train", "validation"):
        sizes = getattr(checked.index, name)
        table.add_row(
            name, f"{sizes.documents:,}", f"{sizes.tokens:,}", f"{sizes.bytes:,}", f"{sizes.bytes / sizes.tokens:.2f}",
            f"{sizes.tokens / sizes.documents:,.0f}",
        )  # fmt: skip
    return table


def _statistics(looked: Looked, console: Console) -> None:
    statistics, n_train, token_bytes = looked.statistics, len(looked.data.train), looked.data.tokenizer.token_bytes
    if orders := statistics.yardsticks:
        told = ", ".join(f"{k}-gram {bpb:.3f}" for k, bpb in enumerate(orders, start=1))
        console.print(f"[bold]yardstick[/] (bits per byte of validation by counting): {told}", soft_wrap=True)
        if statistics.counted < n_train:
            console.print(f"  counted on {statistics.counted:,} of {n_train:,} tokens, evenly spread", style="dim")
    shares = ", ".join(f"{name} {share:.1%}" for name, share in list(statistics.scripts.items())[:6])
    console.print(f"[bold]characters[/] {shares}", soft_wrap=True)
    unused = statistics.unused()
    single = sum(len(token_bytes[id]) == 1 for id in unused.tolist())
    of_bytes = f" ({single:,} are single bytes)" if single else ""
    console.print(f"[bold]vocabulary[/] {len(unused):,} of {len(statistics.counts):,} ids are never used{of_bytes}")

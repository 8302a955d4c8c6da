"""`glass data check` on a terminal: the findings first, then the numbers."""

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from glassformer.lab.check import CheckConfig, Finding, counted
from glassformer.lab.check.look import Checked, Looked, look
from glassformer.lab.check.page import write_page
from glassformer.system.visible import visible

STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}
PLACES = 3


def check(console: Console, folder: Path, config: CheckConfig, output: Path | None = None) -> int:
    """Check a dataset, or the dataset of a run; print what was found and write the page, beside the dataset or to
    `output`.

    Returns the number of findings that are errors. Raises GlassError for a folder that is neither.
    """
    with console.status("") as status:
        checked = look(folder, config, status.update)
    show(checked, console)
    output = output or checked.folder.with_name(f"{checked.folder.resolve().name}.check.html")
    write_page(checked, output)
    console.print(f"\nEverything, with histograms: open {output}", markup=False, soft_wrap=True)
    return checked.counts["error"]


def show(checked: Checked, console: Console) -> None:
    """Print everything; long lists are cut off, and the page has more."""
    index = checked.index
    console.print(f"[bold]{escape(str(checked.folder))}[/]  {counted(index.train.documents, 'document')} to learn from, "
                  f"{index.validation.documents:,} held out ({escape(index.split_rule)})\n", soft_wrap=True)  # fmt: skip
    for finding in checked.findings:
        _finding(finding, console)
    if checked.looked is None:
        console.print("Nothing else was checked: the dataset must be repaired first.\n", style="yellow")
        return
    if names := checked.clean:
        console.print(f"[green]nothing wrong:[/] {', '.join(names)}  [dim]({checked.seconds:.1f} s)[/]")
    for line in checked.limits:
        console.print(line, style="dim")
    console.print()
    console.print(_sizes(checked))
    console.print()
    _statistics(checked.looked, console)


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
            name, f"{sizes.documents:,}", f"{sizes.tokens:,}", f"{sizes.bytes:,}", f"{sizes.bytes_per_token:.2f}",
            f"{sizes.tokens_per_document:,.0f}",
        )  # fmt: skip
    return table


def _statistics(looked: Looked, console: Console) -> None:
    statistics, n_train = looked.statistics, len(looked.data.train)
    if orders := statistics.yardsticks:
        told = ", ".join(f"{k}-gram {bpb:.3f}" for k, bpb in enumerate(orders, start=1))
        console.print(f"[bold]n-grams[/] (bits per byte of validation): {told}", soft_wrap=True)
        if statistics.counted < n_train:
            console.print(f"  counted on {statistics.counted:,} of {n_train:,} tokens, evenly spread", style="dim")
    shares = ", ".join(f"{name} {share:.1%}" for name, share in list(statistics.scripts.items())[:6])
    console.print(f"[bold]characters[/] {shares}", soft_wrap=True)
    unused, single = statistics.unused(), statistics.unused_bytes(looked.data.tokenizer.token_bytes)
    of_bytes = f" ({single:,} are single bytes)" if single else ""
    console.print(f"[bold]vocabulary[/] {len(unused):,} of {len(statistics.counts):,} ids are never used{of_bytes}")

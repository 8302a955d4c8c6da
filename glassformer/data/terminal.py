"""`glass prepare` on a terminal: how far a preparation is, and what it did to the text."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from glassformer.data.prepare.preparation import Progress
from glassformer.data.shards import Dataset
from glassformer.errors import Stopped


@contextlib.contextmanager
def watching(console: Console) -> Iterator[Progress]:
    """Show what `data.prepare` is doing: each stage's megabytes, speed and time left, and one line when it ends."""
    begun: dict[str, tuple[float, int]] = {}

    with console.status("") as status:

        def progress(stage: str, done: int, total: int | None) -> None:
            if total == 0:
                console.print(stage, style="dim")
                return
            start, before = begun.setdefault(stage, (time.perf_counter(), done if done != total else 0))
            seconds = time.perf_counter() - start
            speed = (done - before) / max(seconds, 1e-6)
            if done == total:
                console.print(f"{stage}  {done / 1e6:.1f} MB  {_duration(seconds)}", style="dim")
                return
            text = f"{stage}  {done / 1e6:.1f} MB"
            if seconds > 1 and speed:
                text += f"  {speed / 1e6:.1f} MB/s"
                text += f"  {_duration((total - done) / speed)} left" if total else ""
            status.update(text)

        try:
            yield progress
        except Stopped:
            raise
        except KeyboardInterrupt:
            kept = "what was prepared so far is kept, and the same command continues" if begun else "nothing was changed"
            raise Stopped(f"stopped; {kept}") from None


def describe(data: Dataset, console: Console) -> None:
    """Print what a dataset holds, and what was done to the text it was made from."""
    index = data.index
    console.print(
        f"{data.folder}: {index.train.documents:,} documents, {index.train.tokens:,} tokens to learn from, "
        f"{index.validation.tokens:,} held out ({index.split_rule}), vocabulary {index.vocab_size:,}",
        markup=False, soft_wrap=True,
    )  # fmt: skip
    table = Table("step", box=None, padding=(0, 2), header_style="bold")
    for column in ("changed", "documents", "characters"):
        table.add_column(column, justify="right")
    for first in index.cleaning[:1]:
        table.add_row("(read)", "", f"{first.documents_before:,}", f"{first.characters_before:,}")
    for line in index.cleaning:
        row = (line.step, f"{line.changed:,}", f"{line.documents_after:,}", f"{line.characters_after:,}")
        table.add_row(*row, style="" if line.changed else "dim")
    if index.cleaning:  # imported ids were not cleaned
        console.print(table)
    for source, weight, part in zip(index.sources, index.weights, index.train.sources):
        if len(index.sources) > 1:
            facts = f"{part.documents:,} documents, {part.tokens:,} tokens, weight {weight:.3g}"
            console.print(f"  {source}: {facts}", markup=False, soft_wrap=True)
    for told, skips in (("left out", index.skipped), ("note", index.notes)):
        for skip in skips:
            console.print(f"  {told}: {skip.count:,}, for example: {skip.example}", markup=False, soft_wrap=True)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"

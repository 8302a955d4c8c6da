"""`glass data`: check a prepared dataset, bring one in or out, train a filter of quality."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console, say

verbs = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Check a dataset; bring one in or out.")


@verbs.command("check")
def check_data(
    folder: Annotated[Path, argument("A prepared dataset such as data/village-..., or a run folder.")],
    settings: Annotated[
        list[str] | None,
        argument("What counts as wrong, e.g. share=0.3, n=8, span=100.", metavar="[SETTING=VALUE]..."),
    ] = None,
    output: Annotated[Path | None, option("--output", "-o", help="Where to write the page.")] = None,
) -> None:
    """Look for leaks, repetitions, damage and oddities; statistics as a page. Exit code 1 if there are errors."""
    from glassformer.lab.check import CheckConfig
    from glassformer.lab.check.terminal import check

    if check(console(), folder, CheckConfig().override(*(settings or [])), output):
        raise typer.Exit(1)


@verbs.command("import")
def import_data(
    folder: Annotated[Path, argument("A folder with nanoGPT's train.bin and val.bin.")],
    target: Annotated[Path | None, argument("Folder of the new dataset; else data/ and the old one's name.")] = None,
    tokenizer: Annotated[
        str | None,
        option("--tokenizer", "-t", help="The tokenizer of these ids: a file of any format, a run or a dataset."),
    ] = None,
) -> None:
    """Make a dataset of ids in nanoGPT's format; [cyan]glass train[/] takes its folder as a source."""
    from glassformer.data.nanogpt import import_bin
    from glassformer.lens.tokens import find

    known = None if tokenizer is None else find.tokenizer(tokenizer).tokenizer
    data = import_bin(folder, known, target or Path("data") / folder.resolve().name)
    say(
        f"{data.folder}: {data.index.train.documents:,} documents, {data.index.train.tokens:,} tokens to learn from, "
        f"{data.index.validation.tokens:,} held out; try: glass data check {data.folder}, glass train {data.folder}"
    )


@verbs.command("export")
def export_data(
    dataset: Annotated[Path, argument("A prepared dataset such as data/village-...")],
    folder: Annotated[Path, argument("Folder for train.bin, val.bin, tokenizer.json and meta.json.")],
) -> None:
    """Write a dataset's ids in nanoGPT's format."""
    from glassformer.data.nanogpt import export_bin
    from glassformer.data.shards import Dataset

    say(f"wrote {export_bin(Dataset.open(dataset), folder)}")


@verbs.command("quality")
def train_quality(
    good: Annotated[str, argument("Examples of good text: a file, a folder, a jsonl file, or any other source.")],
    bad: Annotated[str, argument("Examples of bad text.")],
    save: Annotated[Path, typer.Option("--save", help="Where to write the filter.", show_default=False)],
) -> None:
    """Train a filter that tells good text from bad, for the cleaning step `quality`."""
    from glassformer.corpora import Document, corpus
    from glassformer.data.clean.quality import train_quality

    good_texts, bad_texts = (
        (document.text for document in corpus(source).documents() if isinstance(document, Document))
        for source in (good, bad)
    )
    report = train_quality(good_texts, bad_texts, save)
    say(
        f"{save}: learned from {report.good:,} good and {report.bad:,} bad texts; of {report.held_out:,} held out, "
        f"{report.good_kept:.0%} of the good ones are kept and {report.bad_dropped:.0%} of the bad ones dropped"
    )

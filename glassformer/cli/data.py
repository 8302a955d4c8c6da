"""`glass data`: check a prepared dataset, bring one in or out, train a quality model."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console, say, suggest, typed

verbs = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check a dataset, bring one in or out, train a quality model.",
)


@verbs.command("check")
def check_data(
    folder: Annotated[
        Path, argument("A dataset (a folder below data/), or a run, whose dataset is then checked.", metavar="FOLDER")
    ],
    settings: Annotated[
        list[str] | None,
        argument("What counts as wrong, such as share=0.3, n=8 or span=100.", metavar="SETTING=VALUE"),
    ] = None,
    output: Annotated[
        Path | None,
        option("--output", "-o", metavar="FILE", help="The page to write. Without it, data/NAME.check.html."),
    ] = None,
) -> None:
    """Look for leaks, repetitions, damage and odd documents in a dataset.

    Prints what is wrong, where, and what to do about it, and writes a page
    with histograms. The exit code is 1 if there are errors.
    """
    from glassformer.lab.check import CheckConfig
    from glassformer.lab.check.terminal import check

    if check(console(), folder, CheckConfig().override(*(settings or [])), output):
        raise typer.Exit(1)


@verbs.command("import")
def import_data(
    folder: Annotated[Path, argument("A folder with nanoGPT's train.bin and val.bin.", metavar="FOLDER")],
    target: Annotated[
        Path | None,
        argument("The dataset's new folder. Without it, data/ and the name of FOLDER.", metavar="TARGET"),
    ] = None,
    tokenizer: Annotated[
        str | None,
        option(
            "--tokenizer", "-t", metavar="TOKENIZER",
            help="The tokenizer that made these ids: a tokenizer file, a run or a dataset.",
        ),
    ] = None,
) -> None:  # fmt: skip
    """Make a dataset of token ids in nanoGPT's format.

    Try: [cyan]./glass data import my_bins -t my_bins/tokenizer.json[/]
    """
    from glassformer.data.nanogpt import import_bin
    from glassformer.lens.tokens import find

    known = None if tokenizer is None else find.tokenizer(tokenizer).tokenizer
    data = import_bin(folder, known, target or Path("data") / folder.resolve().name)
    say(
        f"{data.folder}: {data.index.train.documents:,} documents, {data.index.train.tokens:,} tokens to learn from, "
        f"{data.index.validation.tokens:,} held out"
    )
    suggest(
        (typed("data", "check", data.folder), "look for leaks and damage"),
        (typed("train", data.folder), "train a model on it"),
    )


@verbs.command("export")
def export_data(
    dataset: Annotated[Path, argument("A dataset, a folder below data/.", metavar="DATASET")],
    folder: Annotated[
        Path, argument("The folder for train.bin, val.bin, tokenizer.json and meta.json.", metavar="FOLDER")
    ],
) -> None:
    """Write a dataset's token ids in nanoGPT's format."""
    from glassformer.data.nanogpt import export_bin
    from glassformer.data.shards import Dataset

    say(f"wrote {export_bin(Dataset.open(dataset), folder)}")


@verbs.command("quality")
def train_quality(
    good: Annotated[
        str, argument("Examples of good text: a file, a folder, or any other source of text.", metavar="GOOD")
    ],
    bad: Annotated[str, argument("Examples of bad text.", metavar="BAD")],
    save: Annotated[
        Path, typer.Option("--save", metavar="FILE", help="The file to write the model to.", show_default=False)
    ],
) -> None:
    """Train a model that tells good text from bad, for the cleaning step `quality`.

    Try: [cyan]./glass data quality my_good_texts my_bad_texts.jsonl --save my_quality.safetensors[/]
    """
    from glassformer.corpora import Document, corpus
    from glassformer.data.clean.quality import train_quality

    good_texts, bad_texts = (
        (document.text for document in corpus(source).documents() if isinstance(document, Document))
        for source in (good, bad)
    )
    report = train_quality(good_texts, bad_texts, save)
    say(
        f"wrote {save}, learned from {report.good:,} good and {report.bad:,} bad texts. Of {report.held_out:,} texts that "
        f"it did not learn from, it keeps {report.good_kept:.0%} of the good ones and drops {report.bad_dropped:.0%} of "
        "the bad ones."
    )

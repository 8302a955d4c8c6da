"""`glass tokenize`: a text as tokens."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console


def tokenize(
    text: Annotated[
        str | None, argument("A text in quotes, a file with a text, or - for standard input.", metavar="TEXT")
    ] = None,
    others: Annotated[
        list[str] | None, argument("With --compare: the tokenizers to compare.", metavar="TOKENIZER")
    ] = None,
    tokenizer: Annotated[
        str | None,
        option(
            "--tokenizer", "-t", metavar="TOKENIZER",
            help="A tokenizer file, a run, a dataset, a kind (byte, char, word, wordpiece, bpe) or a recipe. Without it, "
            "the newest run's tokenizer, or bytes if there is no run.",
        ),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Show the merges of BPE one after another.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Show the text in several tokenizers.")] = False,
    report: Annotated[
        str | None,
        option("--report", metavar="SOURCE", help="Report which tokens a text uses: longest, unused, rare."),
    ] = None,
    save: Annotated[
        Path | None,
        option(
            "--save", metavar="FILE",
            help="Write the tokenizer: tokenizer.json for Hugging Face, NAME.tiktoken, a folder for GPT-2's two files.",
        ),
    ] = None,
    pattern: Annotated[
        str | None,
        option("--pattern", metavar="NAME", help="How a tiktoken file cuts text into words: gpt2, gpt4, o200k."),
    ] = None,
) -> None:  # fmt: skip
    """Show a text as tokens; replay BPE's merges, compare tokenizers, convert tokenizer files.

    Try: [cyan]./glass tokenize "Hello there" --compare byte word wordpiece bpe[/]
    """
    from glassformer.lens.tokens.terminal import tokenize

    tokenize(console(), text, others or [], tokenizer, replay, compare, report, save, pattern)

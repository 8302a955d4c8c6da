"""`glass tokenize`: a text as tokens."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console


def tokenize(
    text: Annotated[str | None, argument("A text, a file that holds one, or - for standard input.")] = None,
    others: Annotated[list[str] | None, argument("With --compare: the tokenizers.", metavar="[TOKENIZER]...")] = None,
    tokenizer: Annotated[
        str | None,
        option("--tokenizer", "-t", help="A file of any format, a run, a dataset, a kind (bpe) or a recipe (mini)."),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Show the merges of bpe one after another.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Put several tokenizers side by side.")] = False,
    report: Annotated[str | None, option("--report", help="What the vocabulary is good for on this SOURCE.")] = None,
    save: Annotated[Path | None, option("--save", help="Write the tokenizer in the format this name implies.")] = None,
    pattern: Annotated[str | None, option("--pattern", help="How a tiktoken file cuts text: gpt2, gpt4, ...")] = None,
) -> None:
    """See a text as tokens; replay merges, compare tokenizers, convert between formats.

    Without [cyan]--tokenizer[/] it is the newest run's, else bytes.

    Try: [cyan]glass tokenize "Hello there" --compare byte word wordpiece bpe[/]
    """
    from glassformer.lens.tokens.terminal import tokenize

    tokenize(console(), text, others or [], tokenizer, replay, compare, report, save, pattern)

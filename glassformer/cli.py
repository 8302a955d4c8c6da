"""The command line: verbs only. Each parses, imports what it needs (torch only then), and calls one function.

Here is the way of a model from text to writing; `verbs/` has the laboratory, `glass data`, and what all verbs share.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from glassformer.verbs import data, laboratory
from glassformer.verbs.arguments import Name, RecipeName, Settings, Source, argument, option
from glassformer.verbs.terminal import console, progress_bars, say, watching

app = typer.Typer(
    name="glass",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="[bold]Glassformer[/]: a language model you can see through.\n\nStart with [cyan]glass demo[/]: from nothing "
    "to a model that writes stories, in five minutes. Then [cyan]glass train your.txt[/], and [cyan]glass settings[/] to "
    "see everything you can change.",
)

RunFolder = Annotated[Path, argument("A run folder such as runs/demo, or one of its checkpoints.")]
Minutes = Annotated[
    float | None, option("--minutes", help="Choose the steps so that it takes about this long.", min=0.05, max=1e6)
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Prepare again even if it is there, or half there.")]
Workers = Annotated[int | None, option("--workers", help="Processes and threads; one a core.", min=1)]
Prompts = Annotated[list[str] | None, argument("Texts to continue; none starts a new one.")]
Knobs = Annotated[
    list[str] | None,
    option("--set", "-s", help="A sampling setting, e.g. temperature=0.7, top_k=50, seed=1.", metavar="SETTING=VALUE"),
]
Count = Annotated[int, typer.Option("--count", "-n", help="How many continuations of each.", min=1)]
Stories = Annotated[int, typer.Option(help="Stories to write and check, if it learned from the village.", min=1)]


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(help="How long to train; more is better.", min=0.05, max=1e6)] = 3.0,
    name: Name = None,
) -> None:
    """From nothing to a model that writes stories: text, tokens, training, score, report."""
    from glassformer.demo import demo

    demo(console(), minutes, name, watching, progress_bars)


@app.command()
def prepare(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = "mini",
    fresh: Fresh = False,
    workers: Workers = None,
    explain: Annotated[bool, typer.Option("--explain", help="Only show what cleaning does to ten documents.")] = False,
) -> None:
    """Clean a text, train its tokenizer and store it as a dataset, ready for training.

    Interrupted (Ctrl-C, a power cut, kill -9), the same command continues it.
    """
    from glassformer.pipeline import dataset
    from glassformer.preparing import describe, explain_documents
    from glassformer.words import recipe_of

    chosen = recipe_of(recipe, source, settings)
    if explain:
        return explain_documents(chosen.corpus, chosen.data.clean, console())
    with progress_bars() as progress:
        data = dataset(chosen, progress, fresh, workers)
    describe(data, console())


@app.command()
def train(
    source: Source = None,
    settings: Settings = None,
    recipe: RecipeName = "mini",
    name: Name = None,
    minutes: Minutes = None,
) -> None:
    """Train a model on a text. Ctrl-C saves; [cyan]glass resume[/] continues."""
    from glassformer import pipeline
    from glassformer.preparing import describe
    from glassformer.report import write_report
    from glassformer.words import recipe_of

    chosen = recipe_of(recipe, source, settings)
    folder = pipeline.new_run(name, pipeline.stem(chosen))
    pipeline.check_free(folder)
    pipeline.device_of(chosen.train.device)
    with progress_bars() as progress:
        data = pipeline.dataset(chosen, progress)
    describe(data, console())
    outcome = pipeline.train(chosen, data, folder, say=say, watching=watching, minutes=minutes)
    _finished(folder, outcome, write_report(folder))


@app.command()
def resume(folder: RunFolder) -> None:
    """Continue a run that was interrupted, exactly where it was."""
    from glassformer import pipeline
    from glassformer.report import write_report

    with progress_bars() as progress:
        outcome = pipeline.resume(folder, say=say, progress=progress, watching=watching)
    _finished(folder, outcome, write_report(folder))


@app.command()
def generate(folder: RunFolder, prompt: Prompts = None, knobs: Knobs = None, count: Count = 1) -> None:
    """Let a trained model write."""
    from glassformer.pipeline import write_texts

    write_texts(folder, prompt or [""], knobs or [], count, console())


@app.command("eval")
def evaluate(folder: RunFolder, stories: Stories = 40) -> None:
    """Judge a model on text it has never seen, beside a 5-gram and beside its own untrained self."""
    from glassformer.judge import judge

    judge(folder, stories, console())


@app.command()
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
    from glassformer.tokens.verb import tokenize

    tokenize(console(), text, others or [], tokenizer, replay, compare, report, save, pattern)


@app.command()
def settings(
    recipe: Annotated[str | None, argument("A recipe or a run folder; without one, all recipes are listed.")] = None,
    settings: Settings = None,
) -> None:
    """Every setting with its value, type, meaning and variants."""
    from glassformer.listing import list_recipes, list_settings
    from glassformer.words import recipe_or_run

    if recipe is None:
        list_recipes(console())
    else:
        list_settings(recipe_or_run(recipe, settings), console())


for verb in (laboratory.plan, laboratory.compare, laboratory.stability, laboratory.check_variant):
    app.command()(verb)  # typer calls the last one check-variant
app.add_typer(data.verbs, name="data")


@app.command("import")
def import_(folder: Annotated[Path, argument("A folder in Hugging Face GPT-2 layout.")], name: Name = None) -> None:
    """Bring GPT-2 weights and their tokenizer in."""
    from glassformer.export.huggingface import import_gpt2
    from glassformer.pipeline import check_free, new_run

    target = new_run(name, folder.resolve().name)
    check_free(target)
    saved = import_gpt2(folder, target)
    say(f'saved as {saved}; try: glass generate {target} "Once upon a time"')


@app.command()
def report(folder: RunFolder) -> None:
    """Write a run's report.html anew; a run in progress has one too."""
    from glassformer.report import write_report

    say(f"open {write_report(folder)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def test(context: typer.Context) -> None:
    """Run the tests, a process for each of up to eight cores; what follows goes to pytest, as -n 0 for one process."""
    words = [sys.executable, "-m", "pytest", "-n", str(min(os.cpu_count() or 1, 8)), "--dist", "worksteal"]
    sys.exit(subprocess.run([*words, *context.args], cwd=Path(__file__).resolve().parents[1]).returncode)


def main() -> None:
    """Run the command line. What a user can cause is one sentence on stderr and exit code 2."""
    from glassformer.errors import GlassError

    try:
        app()
    except GlassError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}; free space or check the path and its permissions, then try again")
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)


def _fail(sentence: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, soft_wrap=True, emoji=False).print(f"[bold red]glass:[/] {escape(sentence)}", highlight=False)
    sys.exit(2)


def _finished(folder: Path, outcome: str, report: Path) -> None:
    if outcome == "interrupted":
        say(f"saved; continue with: glass resume {folder}")
    else:
        say(f"done. Look: {report}   Write: glass generate {folder}   Judge: glass eval {folder}")

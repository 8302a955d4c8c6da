"""The command line: verbs only. Each parses, imports what it needs (torch only then), and calls one function."""

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from glassformer.presets import Recipe

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

data_verbs = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Check a dataset; bring one in or out.")
app.add_typer(data_verbs, name="data")


def _argument(help: str, **kwargs: Any) -> Any:
    return typer.Argument(help=help, show_default=False, **kwargs)


def _option(*names: str, help: str, **kwargs: Any) -> Any:
    return typer.Option(*names, help=help, show_default=False, **kwargs)


Source = Annotated[str | None, _argument("village, python, or a path to your own text (file or folder).")]
Settings = Annotated[
    list[str] | None, _argument("Any setting of the recipe, e.g. train.steps=500.", metavar="[SETTING=VALUE]...")
]
RecipeName = Annotated[
    str, typer.Option("--recipe", "-r", help="The recipe to start from; see [cyan]glass settings[/].")
]
RunFolder = Annotated[Path, _argument("A run folder such as runs/demo, or one of its checkpoints.")]
Name = Annotated[str | None, _option("--name", help="Name of the run folder below runs/.")]
Minutes = Annotated[
    float | None, _option("--minutes", help="Choose the steps so that it takes about this long.", min=0.05)
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Prepare again even if it is there, or half there.")]
Workers = Annotated[int | None, _option("--workers", help="Processes and threads; one a core.", min=1)]
Prompts = Annotated[list[str] | None, _argument("Texts to continue; none starts a new one.")]
Knobs = Annotated[
    list[str] | None,
    _option("--set", "-s", help="A sampling setting, e.g. temperature=0.7, top_k=50, seed=1.", metavar="SETTING=VALUE"),
]
Count = Annotated[int, typer.Option("--count", "-n", help="How many continuations of each.", min=1)]
Stories = Annotated[int, typer.Option(help="Stories to write and check, if it learned from the village.", min=1)]


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(help="How long to train; more is better.", min=0.05)] = 3.0,
    name: Name = None,
) -> None:
    """From nothing to a model that writes stories: text, tokens, training, score, report."""
    from glassformer.demo import demo

    demo(_console(), minutes, name, _watching, _progress)


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

    chosen = _recipe(recipe, source, settings)
    if explain:
        return explain_documents(chosen.corpus, chosen.data.clean, _console())
    with _progress() as progress:
        data = dataset(chosen, progress, fresh, workers)
    describe(data, _console())


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

    chosen = _recipe(recipe, source, settings)
    folder = pipeline.new_run(name, pipeline.stem(chosen))
    pipeline.check_free(folder)
    pipeline.device_of(chosen.train.device)
    with _progress() as progress:
        data = pipeline.dataset(chosen, progress)
    describe(data, _console())
    outcome = pipeline.train(chosen, data, folder, say=_say, watching=_watching, minutes=minutes)
    _finished(folder, outcome, write_report(folder))


@app.command()
def resume(folder: RunFolder) -> None:
    """Continue a run that was interrupted, exactly where it was."""
    from glassformer import pipeline
    from glassformer.report import write_report

    with _progress() as progress:
        outcome = pipeline.resume(folder, say=_say, progress=progress, watching=_watching)
    _finished(folder, outcome, write_report(folder))


@app.command()
def generate(folder: RunFolder, prompt: Prompts = None, knobs: Knobs = None, count: Count = 1) -> None:
    """Let a trained model write."""
    from glassformer.pipeline import write_texts

    write_texts(folder, prompt or [""], knobs or [], count, _console())


@app.command("eval")
def evaluate(folder: RunFolder, stories: Stories = 40) -> None:
    """Judge a model on text it has never seen, beside a 5-gram and beside its own untrained self."""
    from glassformer.judge import judge

    judge(folder, stories, _console())


@app.command()
def tokenize(
    text: Annotated[str | None, _argument("A text, a file that holds one, or - for standard input.")] = None,
    others: Annotated[list[str] | None, _argument("With --compare: the tokenizers.", metavar="[TOKENIZER]...")] = None,
    tokenizer: Annotated[
        str | None,
        _option("--tokenizer", "-t", help="A file of any format, a run, a dataset, a kind (bpe) or a recipe (mini)."),
    ] = None,
    replay: Annotated[bool, typer.Option("--replay", help="Show the merges of bpe one after another.")] = False,
    compare: Annotated[bool, typer.Option("--compare", help="Put several tokenizers side by side.")] = False,
    report: Annotated[str | None, _option("--report", help="What the vocabulary is good for on this SOURCE.")] = None,
    save: Annotated[Path | None, _option("--save", help="Write the tokenizer in the format this name implies.")] = None,
    pattern: Annotated[str | None, _option("--pattern", help="How a tiktoken file cuts text: gpt2, gpt4, ...")] = None,
) -> None:
    """See a text as tokens; replay merges, compare tokenizers, convert between formats.

    Without [cyan]--tokenizer[/] it is the newest run's, else bytes.

    Try: [cyan]glass tokenize "Hello there" --compare byte word wordpiece bpe[/]
    """
    from glassformer.tokens.verb import tokenize

    tokenize(_console(), text, others or [], tokenizer, replay, compare, report, save, pattern)


@app.command()
def settings(
    recipe: Annotated[str | None, _argument("A recipe; without one, all recipes are listed.")] = None,
    settings: Settings = None,
) -> None:
    """Every setting with its value, type, meaning and variants."""
    from glassformer.listing import list_recipes, list_settings

    if recipe is None:
        list_recipes(_console())
    else:
        list_settings(_recipe(recipe, None, settings), _console())


@app.command()
def plan(
    recipe: Annotated[str, _argument("A recipe; see [cyan]glass settings[/].")] = "mini",
    settings: Settings = None,
    hardware: Annotated[str, _option("--hardware", help="this (measured now), or a name such as a100-80.")] = "this",
    ranks: Annotated[int, _option("--ranks", help="Devices that share each batch.", min=1)] = 1,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Before you train: will it fit, how long, what will I get. Allocates nothing.

    Try: [cyan]glass plan gpt2 --hardware rtx4090[/]
    """
    from glassformer.plan.view import show

    show(_console(), _recipe(recipe, None, settings), hardware, ranks, json)


@app.command()
def compare(
    source: Source = None,
    settings: Settings = None,
    against: Annotated[list[str] | None, _option("--against", help='A variant: "model.norm=layernorm ..."')] = None,
    recipe: RecipeName = "mini",
    seeds: Annotated[int, typer.Option(help="Runs of each, with different weights and batches.", min=1)] = 5,
    budget: Annotated[str, typer.Option(help="What is equal: steps (tokens), flops or time.")] = "steps",
    minutes: Annotated[float | None, _option("--minutes", help="So long takes one run of the recipe.", min=0.001)] = None,
    tune: Annotated[bool, typer.Option("--tune", help="Try three learning rates for each first.")] = False,
    name: Name = None,
) -> None:
    """Is a variant better, or is it chance? Several seeds, equal budgets, intervals, one report.

    Try: [cyan]glass compare --against model.mixer=sliding --minutes 2[/]
    """
    from glassformer.compare.view import run

    run(_console(), source, settings, recipe, against or [], seeds, budget, minutes, tune, name, _progress)


@app.command()
def stability(
    minutes: Annotated[float, typer.Option(help="How long the training takes in all.", min=0.05)] = 4.0,
    name: Name = None,
) -> None:
    """Which deep models train? Norms before or behind, warmup, 2 to 12 layers, first weights: see it happen."""
    from glassformer.compare.stability_view import run

    run(_console(), minutes, name, _progress)


@data_verbs.command("check")
def check_data(
    folder: Annotated[Path, _argument("A prepared dataset such as data/village-..., or a run folder.")],
    settings: Annotated[
        list[str] | None,
        _argument("What counts as wrong, e.g. share=0.3, n=8, span=100.", metavar="[SETTING=VALUE]..."),
    ] = None,
    output: Annotated[Path | None, _option("--output", "-o", help="Where to write the page.")] = None,
) -> None:
    """Look for leaks, repetitions, damage and oddities; statistics as a page. Exit code 1 if there are errors."""
    from glassformer.check import CheckConfig
    from glassformer.check.verb import check

    if check(_console(), folder, CheckConfig().override(*(settings or [])), output):
        raise typer.Exit(1)


@data_verbs.command("import")
def import_data(
    folder: Annotated[Path, _argument("A folder with nanoGPT's train.bin and val.bin.")],
    target: Annotated[Path | None, _argument("Folder of the new dataset; else data/ and the old one's name.")] = None,
    tokenizer: Annotated[
        str | None,
        _option("--tokenizer", "-t", help="The tokenizer of these ids: a file of any format, a run or a dataset."),
    ] = None,
) -> None:
    """Make a dataset of ids in nanoGPT's format; [cyan]glass train[/] takes its folder as a source."""
    from glassformer.data.nanogpt import import_bin
    from glassformer.tokens import find

    known = None if tokenizer is None else find.tokenizer(tokenizer).tokenizer
    data = import_bin(folder, known, target or Path("data") / folder.resolve().name)
    _say(
        f"{data.folder}: {data.index.train.documents:,} documents, {data.index.train.tokens:,} tokens to learn from, "
        f"{data.index.validation.tokens:,} held out; try: glass data check {data.folder}, glass train {data.folder}"
    )


@data_verbs.command("export")
def export_data(
    dataset: Annotated[Path, _argument("A prepared dataset such as data/village-...")],
    folder: Annotated[Path, _argument("Folder for train.bin, val.bin, tokenizer.json and meta.json.")],
) -> None:
    """Write a dataset's ids in nanoGPT's format."""
    from glassformer.data.nanogpt import export_bin
    from glassformer.data.shards import Dataset

    _say(f"wrote {export_bin(Dataset.open(dataset), folder)}")


@data_verbs.command("quality")
def train_quality(
    good: Annotated[str, _argument("Examples of good text: a file, a folder, a jsonl file, or any other source.")],
    bad: Annotated[str, _argument("Examples of bad text.")],
    save: Annotated[Path, typer.Option("--save", help="Where to write the filter.", show_default=False)],
) -> None:
    """Train a filter that tells good text from bad, for the cleaning step `quality`."""
    from glassformer.corpora import Document, corpus
    from glassformer.data.quality import train_quality

    good_texts, bad_texts = (
        (document.text for document in corpus(source).documents() if isinstance(document, Document))
        for source in (good, bad)
    )
    report = train_quality(good_texts, bad_texts, save)
    _say(
        f"{save}: learned from {report.good:,} good and {report.bad:,} bad texts; of {report.held_out:,} held out, "
        f"{report.good_kept:.0%} of the good ones are kept and {report.bad_dropped:.0%} of the bad ones dropped"
    )


@app.command("import")
def import_(folder: Annotated[Path, _argument("A folder in Hugging Face GPT-2 layout.")], name: Name = None) -> None:
    """Bring GPT-2 weights and their tokenizer in."""
    from glassformer.export.huggingface import import_gpt2
    from glassformer.pipeline import check_free, new_run

    target = new_run(name, folder.resolve().name)
    check_free(target)
    saved = import_gpt2(folder, target)
    _say(f'saved as {saved}; try: glass generate {target} "Once upon a time"')


@app.command("check-variant")
def check_variant(path: Annotated[str, _argument("A Python file with one part of a model: ./my_mixer.py.")]) -> None:
    """Hold a part of your own to everything that the built-in ones promise; exit code 1 if it breaks one."""
    from glassformer.contracts import check_variant

    if not check_variant(path, _console()):
        sys.exit(1)


@app.command()
def report(folder: RunFolder) -> None:
    """Write a run's report.html anew; a run in progress has one too."""
    from glassformer.report import write_report

    _say(f"open {write_report(folder)}")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def test(context: typer.Context) -> None:
    """Run the tests; what follows goes to pytest."""
    root = Path(__file__).resolve().parents[1]
    sys.exit(subprocess.run([sys.executable, "-m", "pytest", *context.args], cwd=root).returncode)


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


def _recipe(name: str, source: str | None, settings: list[str] | None) -> "Recipe":
    from glassformer.words import recipe_of

    return recipe_of(name, source, settings)


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, emoji=False)  # files:books is a name, not a picture


def _say(line: str) -> None:
    _console().print(line, markup=False, soft_wrap=True)


def _watching(steps: int, done: int) -> Any:
    from glassformer.train.display import Display

    return Display(_console(), steps, done)


def _progress() -> Any:
    from glassformer.preparing import watching

    return watching(_console())


def _finished(folder: Path, outcome: str, report: Path) -> None:
    if outcome == "interrupted":
        _say(f"saved; continue with: glass resume {folder}")
    else:
        _say(f"done. Look: {report}   Write: glass generate {folder}   Judge: glass eval {folder}")

"""The command line. Each verb is the module of its name: it reads the words that were typed, imports what it needs (torch
only then), and calls one function. `arguments.py` has the arguments that verbs share, `terminal.py` says how verbs print.
"""

import sys

import typer

from glassformer.cli import (
    check_variant,
    compare,
    data,
    demo,
    generate,
    import_,
    plan,
    prepare,
    report,
    resume,
    settings,
    stability,
    test,
    tokenize,
    train,
)
from glassformer.cli import eval as evaluate

app = typer.Typer(
    name="glass",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="[bold]Glassformer[/]: a language model you can see through.\n\n"
    "Start with [cyan]./glass demo[/]: it trains a small model that writes stories, in about five minutes. Then train on a "
    "text of your own: [cyan]./glass train my_book.txt[/].\n\n"
    "[cyan]./glass VERB --help[/] explains a verb, and docs/glossary.md the words.",
)

USE, LOOK, CHANGE, DEVELOP = (
    "Train a model and use it", "Look at text and tokens", "Change the model and compare", "Work on Glassformer"
)  # fmt: skip

app.command(rich_help_panel=USE)(demo.demo)
app.command(rich_help_panel=USE)(train.train)
app.command(rich_help_panel=USE)(resume.resume)
app.command(rich_help_panel=USE)(generate.generate)
app.command("eval", rich_help_panel=USE)(evaluate.evaluate)
app.command(rich_help_panel=USE)(report.report)
app.command("import", rich_help_panel=USE)(import_.import_weights)
app.command(rich_help_panel=LOOK)(prepare.prepare)
app.command(rich_help_panel=LOOK)(tokenize.tokenize)
app.add_typer(data.verbs, name="data", rich_help_panel=LOOK)
app.command(rich_help_panel=CHANGE)(settings.settings)
app.command(rich_help_panel=CHANGE)(plan.plan)
app.command(rich_help_panel=CHANGE)(compare.compare)
app.command(rich_help_panel=CHANGE)(stability.stability)
app.command(rich_help_panel=CHANGE)(check_variant.check_variant)  # typer calls it check-variant
app.command(rich_help_panel=DEVELOP, context_settings=test.PASS_ON)(test.test)


def main() -> None:
    """Run the command line. An error that a user can cause is one sentence on stderr, with exit code 2."""
    from glassformer.cli.terminal import typed
    from glassformer.errors import GlassError, remedy

    try:
        app(prog_name=typed())
    except GlassError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno is None or error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}; {remedy(error)}, then try again")
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)


def _fail(sentence: str) -> None:
    from rich.console import Console
    from rich.markup import escape

    Console(stderr=True, soft_wrap=True, emoji=False).print(f"[bold red]glass:[/] {escape(sentence)}", highlight=False)
    sys.exit(2)

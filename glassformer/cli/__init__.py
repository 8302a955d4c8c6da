"""The command line. Each verb is the module of its name: it parses, imports what it needs (torch only then), and calls
one function. `arguments.py` has the words and options that verbs share, `terminal.py` says how verbs print.
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
    help="[bold]Glassformer[/]: a language model you can see through.\n\nStart with [cyan]glass demo[/]: from nothing "
    "to a model that writes stories, in five minutes. Then [cyan]glass train your.txt[/], and [cyan]glass settings[/] to "
    "see everything you can change.",
)

app.command()(demo.demo)
app.command()(prepare.prepare)
app.command()(train.train)
app.command()(resume.resume)
app.command()(generate.generate)
app.command("eval")(evaluate.evaluate)
app.command()(tokenize.tokenize)
app.command()(settings.settings)
app.command()(plan.plan)
app.command()(compare.compare)
app.command()(stability.stability)
app.command()(check_variant.check_variant)  # typer calls it check-variant
app.add_typer(data.verbs, name="data")
app.command("import")(import_.import_weights)
app.command()(report.report)
app.command(context_settings=test.PASS_ON)(test.test)


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

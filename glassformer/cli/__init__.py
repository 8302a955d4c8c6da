"""The command line. Each verb is the module of its name: it reads the words that were typed, imports what it needs (torch
only then), and calls one function. `arguments.py` has the arguments that verbs share, `terminal.py` says how verbs print.

A new verb is one more line under the group of what one wants to do with it, and one more import.
"""

import errno
import os
import subprocess
import sys
from typing import Annotated, Any

import typer

import glassformer
from glassformer.cli import (
    check_variant,
    compare,
    data,
    demo,
    docs,
    doctor,
    extend,
    find_lr,
    generate,
    import_,
    lessons,
    look,
    plan,
    prepare,
    quantize,
    report,
    resume,
    runs,
    settings,
    stability,
    test,
    tokenize,
    train,
    trust,
    watch,
)
from glassformer.cli import eval as evaluate

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)
"""Errors of a disk or device that standard output leads to; Python does not name it."""

app = typer.Typer(
    name="glass",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
    help="[bold]Glassformer[/]: a language model you can see through.\n\n"
    "Start with [cyan]./glass demo[/]: it trains a small model that writes stories, in about five minutes. Then train on a "
    "text of your own: [cyan]./glass train my_book.txt[/].\n\n"
    "[cyan]./glass VERB --help[/] explains a verb.",
)

START, MAKE, USE, MEASURE, RESEARCH, DEVELOP = (
    "Start here", "Make a model", "Use a model", "Look and measure", "Research", "Work on Glassformer"
)  # fmt: skip

app.command(rich_help_panel=START)(demo.demo)
app.add_typer(lessons.verbs, name="lessons", rich_help_panel=START)
app.command(rich_help_panel=START)(docs.docs)
app.command(rich_help_panel=MAKE)(train.train)
app.command(rich_help_panel=MAKE)(resume.resume)
app.command(rich_help_panel=MAKE)(extend.extend)
app.command(rich_help_panel=MAKE)(prepare.prepare)
app.command("import", rich_help_panel=MAKE)(import_.import_weights)
app.command(rich_help_panel=USE)(runs.runs)
app.command(rich_help_panel=USE)(generate.generate)
app.command(rich_help_panel=USE)(quantize.quantize)
app.command(rich_help_panel=USE)(trust.trust)
app.command("eval", rich_help_panel=MEASURE)(evaluate.evaluate)
app.command(rich_help_panel=MEASURE)(doctor.doctor)
app.command(rich_help_panel=MEASURE)(watch.watch)
app.command(rich_help_panel=MEASURE)(report.report)
app.command(rich_help_panel=MEASURE)(look.look)
app.command(rich_help_panel=MEASURE)(tokenize.tokenize)
app.add_typer(data.verbs, name="data", rich_help_panel=MEASURE)
app.command(rich_help_panel=RESEARCH)(settings.settings)
app.command(rich_help_panel=RESEARCH)(plan.plan)
app.command(rich_help_panel=RESEARCH)(find_lr.find_lr)  # typer calls it find-lr
app.command(rich_help_panel=RESEARCH)(compare.compare)
app.command(rich_help_panel=RESEARCH)(stability.stability)
app.command(rich_help_panel=RESEARCH)(check_variant.check_variant)  # typer calls it check-variant
app.command(rich_help_panel=DEVELOP, context_settings=test.PASS_ON)(test.test)


def show_version(wanted: bool) -> None:
    """Print the version and end, for `--version`."""
    if wanted:
        from glassformer.cli.terminal import say

        say(f"Glassformer {glassformer.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=show_version, is_eager=True)
    ] = False,
) -> None:
    """The options that come before a verb."""


def main() -> None:
    """Run the command line and exit. An error that a user can cause is one sentence on stderr, with exit code 2.

    A stopped command exits with 130. One whose output nobody reads any more (`| head -1`) ends without a word, with 141
    as any program in a pipe does.
    """
    from glassformer.errors import GlassError, MissingPackage, remedy
    from glassformer.system import terminal, threads, torchrun

    threads.share_the_cores()
    terminal.say_what_they_can()
    if torchrun.is_first():
        terminal.say_notes()
    else:
        terminal.let_go()  # one process speaks for all
    sys.excepthook = terminal.show_traceback
    try:
        _check_processes(sys.argv[1:])
        code = _run(sys.argv[1:])
        sys.stdout.flush()
    except MissingPackage as error:
        code = _install_and_restart(str(error), error.extra)
    except GlassError as error:
        code = _fail(str(error)) if torchrun.speaks(error.said_for_all) else 2
    except KeyboardInterrupt as stop:
        code = _fail(str(stop) or "stopped", 130)
    except BrokenPipeError:
        code = 141
    except SystemExit as end:
        if not isinstance(end.__context__, BrokenPipeError):  # typer's help, when nobody reads it
            raise
        code = 141
    except OSError as error:
        if os.name == "nt" and error.errno == errno.EINVAL and error.filename is None:
            code = 141  # what Windows says of a closed pipe
        elif error.errno is None or (error.filename is None and error.errno not in FULL):
            raise
        else:
            what = "the output cannot be written" if error.filename is None else error.filename
            code = _fail(f"{what}: {error.strerror}; {remedy(error)}, then try again")
    if code == 141 or not _can_flush():
        terminal.let_go()
    sys.exit(code)


def _check_processes(words: list[str]) -> None:
    """Raises GlassError for a command that several processes would each do by themselves."""
    from glassformer.errors import GlassError
    from glassformer.system import torchrun
    from glassformer.system.command import typed

    launch = torchrun.launch()
    if launch:
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # read when torch is imported; errors of its sockets are ours
    if launch and launch.size > 1 and words[:1] not in (["train"], ["resume"]):
        verb = " ".join(words[:1]) or "this"
        alone = typed(*words[:1])
        raise GlassError(f"{verb} takes one process, and torchrun has started {launch.size}; type `{alone}` by itself")


def _run(words: list[str]) -> int:
    """Carry out a command; returns its exit code. Unlike typer's own `app()` it leaves Ctrl-C and closed pipes to us."""
    from glassformer.system.command import document, typed
    from glassformer.system.visible import visible

    command = typer.main.get_command(app)
    glossary = document("glossary.md")
    command.help = f"{command.help} The words are explained in {glossary}." if glossary else command.help
    _speak_of(typed(), command)
    try:
        with command.make_context(typed(), words) as context:
            command.invoke(context)
    except typer.Exit as end:
        return end.exit_code
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        # One of click's errors, which typer brings along under different names: a word that no command takes.
        from typer.rich_utils import rich_format_error

        error.message = visible(error.message)  # type: ignore[attr-defined]
        rich_format_error(error)  # type: ignore[arg-type]
        return error.exit_code  # type: ignore[attr-defined]
    return 0


def _speak_of(program: str, command: Any) -> None:
    """Let the help of a command and of those below it name the program, the launcher, as this reader can type it."""
    from rich.markup import escape

    for part in (command, *command.params):
        if getattr(part, "help", None):
            part.help = part.help.replace("./glass", escape(program))
    for below in getattr(command, "commands", {}).values():
        _speak_of(program, below)


def _install_and_restart(sentence: str, extra: str) -> int:
    """Let the launcher, if it has started us, install the packages of an extra, and do the same again."""
    launcher = os.environ.pop("GLASS_LAUNCHED", None)
    asked = os.environ.get("GLASS_WITH", "").split()
    if launcher is None or extra in asked or not os.path.isfile(launcher):
        return _fail(sentence)
    print(f"glass: {sentence.partition(';')[0]}: installing it", file=sys.stderr, flush=True)
    environment = {**os.environ, "GLASS_WITH": " ".join([*asked, extra])}
    return subprocess.run([sys.executable, launcher, *sys.argv[1:]], env=environment, check=False).returncode


def _fail(sentence: str, code: int = 2) -> int:
    from rich.markup import escape

    from glassformer.system.terminal import Console

    Console(stderr=True, soft_wrap=True).print(f"[bold red]glass:[/] {escape(sentence)}")
    return code


def _can_flush() -> bool:
    try:
        sys.stdout.flush()
        return True
    except (OSError, ValueError):
        return False

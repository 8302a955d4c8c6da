"""`glass lessons`: notebooks that teach how a language model works, on the code of this package."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import argument, option
from glassformer.cli.terminal import console, say, suggest, typed

verbs = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Learn how a language model works, in notebooks that run on this machine.",
)

BUILT = Path("lessons-built")
Number = Annotated[str, argument("The lesson's number, such as 1 or 04.", metavar="N")]
QUIET = [
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "--LabApp.news_url=None",
    "--LabApp.extension_manager=readonly",
]  # fmt: skip
"""What keeps JupyterLab from asking anything off this machine, with the settings in CONFIG."""
CONFIG = Path(__file__).parents[1] / "lessons" / "jupyter"


@verbs.command("list")
def list_lessons() -> None:
    """List the lessons, in the order in which to read them."""
    from glassformer.lessons.sources import lessons
    from glassformer.lessons.terminal import show

    show(console(), lessons())
    suggest((typed("lessons", "open", "01"), "make this lesson's notebook and open it"))


@verbs.command("open")
def open_lesson(
    number: Number,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Make a new notebook even if there is one; the one with your changes is kept.")
    ] = False,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open a browser.")] = True,
) -> None:
    """Make the notebook of a lesson and open it in JupyterLab, until Ctrl-C.

    Notebooks are written to the folder notebooks/ here. One that is there
    already is opened as you left it.

    Try: [cyan]./glass lessons open 01[/]
    """
    from glassformer.lessons.notebook import notebook, write
    from glassformer.lessons.sources import lesson
    from glassformer.system.extra import needed_for

    chosen = lesson(number)
    with needed_for(typed("lessons", "open"), "lessons"):
        import jupyterlab  # pyright: ignore[reportMissingImports]
    folder = Path("notebooks")
    path = _free(folder, chosen.path.stem) if fresh else folder / f"{chosen.path.stem}.ipynb"
    if path.exists():
        say(f"opening {path} as you left it; --fresh makes a new one beside it")
    else:
        say(f"made {write(notebook(chosen), path)} from lessons/{chosen.path.name}")
    words = [sys.executable, "-m", jupyterlab.__name__, str(path), *QUIET, f"--ServerApp.root_dir={Path.cwd()}"]
    words += [] if browser else ["--no-browser"]
    if os.name == "posix" and os.geteuid() == 0:  # in a container, where there is no other user
        words.append("--allow-root")
    paths = filter(None, [str(CONFIG), os.environ.get("JUPYTER_CONFIG_PATH")])
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}
    raise typer.Exit(subprocess.run(words, env=environment, check=False).returncode)


@verbs.command("build")
def build_lessons(
    numbers: Annotated[list[str] | None, argument("Which lessons. Without any, all.", metavar="N...")] = None,
    to: Annotated[Path, option("--to", metavar="FOLDER", help="Where to. Without it, lessons-built.")] = BUILT,
) -> None:
    """Run lessons in full, and write each as a notebook with outputs and as a page.

    The pages open offline. Each lesson takes less than a minute.

    Try: [cyan]./glass lessons build 01 02 03[/]
    """
    from glassformer.lessons.sources import lesson, lessons
    from glassformer.lessons.terminal import build

    build(console(), [lesson(number) for number in numbers] if numbers else lessons(), to)
    say(f"open {to / 'index.html'} in a browser")


def _free(folder: Path, stem: str) -> Path:
    """The first of stem.ipynb, stem-2.ipynb, stem-3.ipynb ... that is not there yet."""
    path, number = folder / f"{stem}.ipynb", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.ipynb", number + 1
    return path

"""`glass docs`: the documentation as one site that opens offline."""

from pathlib import Path
from typing import Annotated

import typer

from glassformer.cli.arguments import option
from glassformer.cli.lessons import BUILT
from glassformer.cli.terminal import say, suggest, typed

SITE = Path("docs-built")


def docs(
    out: Annotated[Path, option("--out", metavar="FOLDER", help="Where to. Without it, docs-built.")] = SITE,
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Open the site in a browser.")] = True,
) -> None:
    """Build the documentation as one site, and open it in a browser.

    Guide, lessons, formulas, API, papers and a search, without a network. A
    lesson shows its outputs if [cyan]./glass lessons build[/] has run it before.

    Try: [cyan]./glass docs[/]
    """
    import webbrowser

    from glassformer.lessons.sources import lessons
    from glassformer.site.build import build

    say("building the documentation, which takes a minute or two")
    made = build(out, BUILT)
    for line in made.warnings:
        say(line)
    say(f"wrote {made.pages} pages; open {made.index} in a browser")
    if made.with_outputs < len(lessons()):
        suggest((typed("lessons", "build"), "run the lessons first, so that they show their outputs on the site"))
    if open_it:
        webbrowser.open(made.index.absolute().as_uri())

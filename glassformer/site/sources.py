"""Pages that show a file of the repository as it is, with numbered lines: the documents link to them."""

from pathlib import Path, PurePosixPath

from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import TextLexer, get_lexer_for_filename
from pygments.util import ClassNotFound

import glassformer.lessons
from glassformer.pages.frame import environment

HERE = Path(__file__).parent
LESSONS = Path(glassformer.lessons.__file__).parent  # its style colours code


def write_sources(root: Path, wanted: set[PurePosixPath], out: Path) -> None:
    """Write `out`/source/PATH.html for each file of the repository."""
    template = environment(HERE, LESSONS).get_template("source.html")
    for path in sorted(wanted):
        code = highlight((root / path).read_text(encoding="utf-8"), _lexer(path), HtmlFormatter(nowrap=True))
        page = out / "source" / f"{path}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        up = "../" * len(path.parts) + "index.html"
        page.write_text(template.render(path=str(path), home=up, lines=Markup(code).splitlines()), encoding="utf-8")


def _lexer(path: PurePosixPath):
    try:
        return get_lexer_for_filename(path.name)
    except ClassNotFound:
        return TextLexer()

"""Builds the site with Sphinx (with MyST-NB for Markdown and notebooks, and the theme furo), without a network."""

import io
import re
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

from glassformer.errors import GlassError
from glassformer.lessons.sources import FOLDER
from glassformer.site.links import SCHEME
from glassformer.site.sources import write_sources
from glassformer.site.stage import stage
from glassformer.system.command import typed
from glassformer.system.extra import needed_for
from glassformer.system.folders import all_or_nothing

ROOT = FOLDER.parent
STYLE, SCRIPT = (Path(__file__).with_name(name) for name in ("site.css", "site.js"))
COLOUR = re.compile(r"\x1b\[[\d;]*m")
MADE = "objects.inv"  # Sphinx leaves it in each folder that it builds


class Built(NamedTuple):
    """A site that was built."""

    index: Path
    pages: int
    with_outputs: int
    """Lessons that show what their cells gave out."""
    warnings: list[str]
    """What Sphinx complained about."""


def build(out: Path, lessons_built: Path) -> Built:
    """Build the documentation of this clone into the folder `out`, which is replaced when the new one is complete.

    Raises GlassError for an installed package, which has no documents, and for a folder that holds something else, and
    MissingPackage where Sphinx, MyST-NB or furo is not installed.
    """
    if not (ROOT / "docs").is_dir():
        raise GlassError("an installed package has no documents: clone the repository and run ./glass docs there")
    if out.exists() and not (out / MADE).is_file() and (not out.is_dir() or any(out.iterdir())):
        raise GlassError(f"{out} holds something else than the documentation; name a new folder: --out FOLDER")
    with needed_for(typed("docs"), "docs"):
        import furo  # pyright: ignore[reportMissingImports]
        import jupytext  # pyright: ignore[reportMissingImports]  # noqa: F401
        import myst_nb  # pyright: ignore[reportMissingImports]
        from sphinx.application import Sphinx  # pyright: ignore[reportMissingImports]
    complaints = io.StringIO()
    with tempfile.TemporaryDirectory() as folder:
        sources, site, doctrees = (Path(folder) / name for name in ("sources", "site", "doctrees"))
        staged = stage(ROOT, lessons_built, sources)
        write_sources(ROOT, staged.wanted, site)
        settings = _settings(myst_nb.__name__, furo.__name__)
        Sphinx(sources, None, site, doctrees, "html", settings, status=None, warning=complaints).build()
        pages = sum(1 for _ in site.rglob("*.html"))
        said = [COLOUR.sub("", line).replace(f"{sources}/", "") for line in complaints.getvalue().splitlines()]
        with all_or_nothing(out.absolute()) as growing:
            shutil.copytree(site, growing, dirs_exist_ok=True)
    return Built(out / "index.html", pages, staged.with_outputs, said)


def _settings(reader: str, theme: str) -> dict[str, object]:
    """What would stand in a `conf.py`."""
    return {
        "project": "Glassformer",
        "extensions": [reader],
        "html_theme": theme,
        "html_title": "Glassformer",
        "html_static_path": [str(STYLE), str(SCRIPT)],
        "html_css_files": [STYLE.name],
        "html_js_files": [SCRIPT.name],
        "html_show_sphinx": False,
        "html_show_copyright": False,
        "html_copy_source": False,
        "smartquotes": False,
        "nb_execution_mode": "off",
        "myst_heading_anchors": 6,
        "myst_url_schemes": {"http": None, "https": None, "mailto": None, SCHEME: "{{path}}"},
        "suppress_warnings": ["myst.header", "misc.highlighting_failure", "ref.python"],
        "language": "en",
    }

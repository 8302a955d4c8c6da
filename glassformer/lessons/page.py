"""The page of a lesson: its notebook with outputs as one HTML file that opens offline, in the look of all pages.

What comes out after a question of `predict`, until its answer, is folded until the reader opens it.
"""

import base64
import os
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from glassformer.lessons.notebook import PROSE, SOLUTION
from glassformer.lessons.sources import FOLDER, Lesson
from glassformer.pages.frame import render
from glassformer.system.files import write_atomic

TEMPLATES = Path(__file__).parent


def write_page(lesson: Lesson, made: Any, path: Path, others: list[Lesson]) -> Path:
    """Write the page of a notebook that has been run. `others` are all lessons, to which the page links."""
    here = [each.number for each in others].index(lesson.number)
    near = {"before": others[here - 1] if here else None, "after": others[here + 1] if here + 1 < len(others) else None}
    values = {"title": f"{lesson.number} · {lesson.title}", "parts": _parts(made.cells, path), **near}
    write_atomic(path, render(TEMPLATES / "lesson.html", values))
    return path


def write_contents(path: Path, all_of_them: list[Lesson]) -> Path:
    """Write the page that lists the lessons."""
    write_atomic(path, render(TEMPLATES / "contents.html", {"lessons": all_of_them}))
    return path


def _parts(cells: list[Any], page: Path) -> list[dict[str, Any]]:
    """The page from top to bottom: {"code": html, "folded": whether the reader should write it first} or
    {"shown": html, "folded": whether it answers a question}."""
    parts: list[dict[str, Any]] = []
    asked = False  # since `predict(`, until `.was(` tells the truth
    for cell in cells:
        if cell.cell_type == "markdown":
            parts.append({"shown": _markdown(cell.source, page), "folded": False})
            continue
        tags, asks = cell.metadata.get("tags", []), "predict(" in cell.source
        if PROSE not in tags:
            code = Markup(highlight(cell.source, PythonLexer(), HtmlFormatter(nowrap=True)))
            parts.append({"code": code, "folded": SOLUTION in tags})
        parts += [{"shown": _output(output, page), "folded": asked and not asks} for output in _merged(cell.outputs)]
        asked = asks or (asked and ".was(" not in cell.source)
    return _joined(parts)


def _joined(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Neighbours that answer a question, as one."""
    joined: list[dict[str, Any]] = []
    for part in parts:
        if joined and all(each["folded"] and "shown" in each for each in (part, joined[-1])):
            joined[-1] = {"shown": joined[-1]["shown"] + part["shown"], "folded": True}
        else:
            joined.append(part)
    return joined


def _merged(outputs: list[Any]) -> list[Any]:
    """The outputs with neighbouring pieces of the same stream as one; a kernel sends them as Python prints them."""
    merged: list[Any] = []
    for output in outputs:
        if merged and output["output_type"] == "stream" and output["name"] == merged[-1].get("name"):
            merged[-1] = {**merged[-1], "text": merged[-1]["text"] + output["text"]}
        else:
            merged.append(output)
    return merged


def _output(output: Any, page: Path) -> Markup:
    if output["output_type"] == "stream":
        return Markup('<pre class="said" tabindex="0">{}</pre>').format(output["text"].rstrip("\n"))
    data = output.get("data", {})
    if "image/png" in data:
        image = "".join(data["image/png"].split())
        assert base64.b64decode(image).startswith(b"\x89PNG")
        return Markup('<img class="picture" alt="{}" src="data:image/png;base64,{}">').format(
            output.get("metadata", {}).get("alt", "The picture that the code above draws"), image
        )
    if "text/markdown" in data:
        return _markdown(data["text/markdown"], page)
    return Markup('<pre class="said" tabindex="0">{}</pre>').format(data.get("text/plain", ""))


def _markdown(text: str, page: Path) -> Markup:
    """HTML of a text in Markdown. Links to files of the repository are written as they are seen from the page."""
    reader = MarkdownIt("commonmark", {"html": False}).enable("table")
    tokens = reader.parse(text)
    for part in (part for token in tokens for part in token.children or []):
        target = str(part.attrGet("href") or "")
        if target.startswith("../"):
            part.attrSet("href", Path(os.path.relpath(FOLDER / target, page.parent)).as_posix())
    return Markup(reader.renderer.render(tokens, reader.options, {}))

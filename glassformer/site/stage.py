"""The folder that Sphinx reads: the documents as they are, with links for the site, and the pages that are made."""

import shutil
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from glassformer.lessons.notebook import PROSE, SOLUTION, notebook, write
from glassformer.lessons.sources import Lesson, lessons
from glassformer.site import markdown
from glassformer.site.links import documents, relinked
from glassformer.site.modules import Module, modules
from glassformer.site.papers import papers

ORDER = ["path", "guide", "lessons", "look", "lens", "faq", "instructors", "glossary"]  # the rest follows by name


class Staged(NamedTuple):
    """What was laid out."""

    wanted: set[PurePosixPath]
    """The files of the repository to which pages link."""
    with_outputs: int
    """Lessons that have been run; the others show their cells alone."""


def stage(root: Path, built: Path, to: Path) -> Staged:
    """Lay out the site's sources in the empty folder `to`. `built` is where `glass lessons build` leaves notebooks; those
    that are the lessons of today are taken with their outputs."""
    wanted: set[PurePosixPath] = set()
    for path in documents(root):
        at = PurePosixPath(path.relative_to(root))
        name = "index.md" if str(at) == "README.md" else str(at)
        _write(to / name, relinked(path.read_text(encoding="utf-8"), root, at.parent, wanted))
    for picture in (root / "docs").glob("*.png"):
        shutil.copy(picture, to / "docs")
    ran = sum(_stage_lesson(lesson, root, built, to / "lessons", wanted) for lesson in lessons())
    found = modules()
    wanted |= {PurePosixPath(module.path) for module in found}
    _write_package(found, to)
    _write(to / "papers.md", markdown.papers_table(papers(found)))
    with (to / "index.md").open("a", encoding="utf-8") as file:
        file.write(_trees(to))
    return Staged(wanted, ran)


def _write_package(found: list[Module], to: Path) -> None:
    formulas = [module for module in found if module.folder == "glassformer.kernels" and "plain" in _names(module)]
    formulas = [module for module in formulas if module.name != "glassformer.kernels"]
    for module in formulas:
        _write(to / f"formulas/{module.name.rpartition('.')[2]}.md", markdown.formula(module))
    about = "The formulas of the package, one page each: the paper's maths, and two functions that compute it."
    names = [module.name.rpartition(".")[2] for module in formulas]
    _write(to / "formulas/index.md", markdown.contents("Formulas", about, names))
    folders = sorted({module.folder for module in found})
    for folder in folders:
        _write(to / f"api/{folder}.md", markdown.api(folder, [each for each in found if each.folder == folder]))
    about = "The public names of the package, one page for each of its folders."
    _write(to / "api/index.md", markdown.contents("API", about, folders))


def _stage_lesson(lesson: Lesson, root: Path, built: Path, to: Path, wanted: set[PurePosixPath]) -> bool:
    """Write the notebook of a lesson; returns whether it has outputs."""
    made = notebook(lesson)
    done = _built(made, built / f"{lesson.path.stem}.ipynb")
    for cell in (done or made).cells:
        if cell.cell_type == "markdown":
            cell.source = relinked(cell.source, root, PurePosixPath("lessons"), wanted)
        elif {PROSE, SOLUTION} & {*cell.metadata.get("tags", [])}:
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-input"]
    write(done or made, to / f"{lesson.path.stem}.ipynb")
    return done is not None


def _built(made: Any, path: Path) -> Any:
    """The notebook that was run before, if its cells are those of the lesson today; else None."""
    import nbformat  # pyright: ignore[reportMissingImports]

    if not path.is_file():
        return None
    done = nbformat.read(path, as_version=4)
    return done if [cell.source for cell in done.cells] == [cell.source for cell in made.cells] else None


def _trees(to: Path) -> str:
    """The menu of all pages, which Sphinx wants on the first one."""
    others = sorted(path.stem for path in (to / "docs").glob("*.md"))
    docs = [name for name in ORDER if name in others] + [name for name in others if name not in ORDER]
    menus = {
        "Read": [f"docs/{name}" for name in docs],
        "Lessons": sorted(f"lessons/{path.stem}" for path in (to / "lessons").glob("*.ipynb")),
        "Look up": ["formulas/index", "api/index", "papers"],
        "The project": ["bench/README", "LOG", "CHANGELOG", "CONTRIBUTING"],
    }
    trees = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *names, "```"])
        for caption, names in menus.items()
    ]
    return "\n\n" + "\n\n".join(trees) + "\n"


def _names(module: Module) -> set[str]:
    return {item.name for item in module.items}


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")

"""Links of the repository's documents, led to where the same thing stands on the site."""

import os
import re
from pathlib import Path, PurePosixPath

DOCUMENTS = ("README.md", "CONTRIBUTING.md", "LOG.md", "CHANGELOG.md", "docs/*.md", "bench/*.md")
SCHEME = "source"  # `[x](source:../source/a.py.html)`: a link that Sphinx copies, to a page that it does not know
LINK = re.compile(r"(!?)(\[(?:[^\[\]]|\[[^\]]*\])*\])\(([^)\s]+)\)")


def documents(root: Path) -> list[Path]:
    """The documents of a repository that are pages of the site."""
    return [path for pattern in DOCUMENTS for path in sorted(root.glob(pattern))]


def relinked(text: str, root: Path, at: PurePosixPath, wanted: set[PurePosixPath]) -> str:
    """The Markdown of a document that lies in the folder `at` of the repository `root`, with links for the site. Files to
    which it links are added to `wanted`: `sources.py` makes pages of them."""

    def led(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        file, sign, anchor = target.partition("#")
        path = PurePosixPath(os.path.normpath(at / file))
        if picture or not file or ":" in file or not (root / path).exists():
            return match[0]
        return f"{words}({_place(path, root, at, wanted)}{sign}{anchor})"

    parts = re.split(r"(^ *```.*?^ *``` *$)", text, flags=re.M | re.S)  # every second one is a block of code
    return "".join(part if number % 2 else LINK.sub(led, part) for number, part in enumerate(parts))


def source_page(path: PurePosixPath, at: PurePosixPath) -> str:
    """The link from a page in `at` to the page that shows a file."""
    return f"{SCHEME}:{os.path.relpath(f'source/{path}.html', at)}"


def _place(path: PurePosixPath, root: Path, at: PurePosixPath, wanted: set[PurePosixPath]) -> str:
    if root / path in documents(root):
        return os.path.relpath("index.md" if str(path) == "README.md" else path, at)
    if path.parts[0] == "lessons":
        return os.path.relpath(path.with_suffix(".ipynb") if path.suffix == ".py" else "docs/lessons.md", at)
    if (root / path).is_dir():
        folder = root / path / "__init__.py"
        if not folder.is_file() or path.parts[:2] in (("glassformer", "cli"), ("glassformer", "site")):
            return os.path.relpath("api/index.md", at)
        return os.path.relpath(f"api/{'.'.join(path.parts)}.md", at)
    wanted.add(path)
    return source_page(path, at)

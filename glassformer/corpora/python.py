"""Real text on every machine: the source code of the Python standard library of the interpreter that runs this program.

Code makes a good small corpus: it has strict syntax, long-range structure, and much English in its comments. Left out
are tests, installed packages, and modules that are only tables (`encodings`, `pydoc_data`).
"""

import hashlib
import sysconfig
import tokenize
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from glassformer.corpora import Corpus, Document, Skipped
from glassformer.corpora._walk import content
from glassformer.errors import CorpusError

LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__", "encodings", "pydoc_data"}


class Python(Corpus):
    """The source code of Python's standard library: one document per module, in the order of names."""

    megabytes: float = Field(default=100.0, gt=0)
    """How many megabytes of source code to take, at most; the whole library has about 10."""

    def documents(self) -> Iterator[Document]:
        root, left = _library(), self.megabytes * 1e6
        for path in _modules(root):
            left -= path.stat().st_size
            if left < 0:
                return
            origin = path.relative_to(root).as_posix()
            try:
                with tokenize.open(path) as file:  # honours a coding comment, as the interpreter does
                    text = file.read()
            except (OSError, SyntaxError, UnicodeDecodeError) as error:
                yield Skipped.because(origin, "cannot be read", f" ({error})")
                continue
            yield Document(text, origin) if text.strip() else Skipped.because(origin, "is empty")

    def size(self) -> int:
        return int(min(self.megabytes * 1e6, sum(path.stat().st_size for path in _modules(_library()))))

    def fingerprint(self) -> str:
        root = _library()
        digest = hashlib.sha256(f"python 2 {self.megabytes}\n".encode())
        for path in _modules(root):
            digest.update(f"{path.relative_to(root).as_posix()}\0{content(path)}\n".encode())
        return digest.hexdigest()


def _library() -> Path:
    """The folder of the interpreter's standard library, also in a virtual environment. Raises CorpusError."""
    root = Path(sysconfig.get_path("stdlib"))
    if not (root / "os.py").is_file():
        raise CorpusError(
            f"this Python has no source files of its standard library in {root}; use a Python from python.org, or another "
            "source such as village"
        )
    return root


def _modules(root: Path) -> list[Path]:
    """The files of all modules, sorted by path."""
    modules, folders = [], [root]
    while folders:
        for path in folders.pop().iterdir():
            if path.is_dir() and path.name not in LEFT_OUT and not path.name.startswith("."):
                folders.append(path)
            elif path.suffix == ".py":
                modules.append(path)
    return sorted(modules)

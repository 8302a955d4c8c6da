"""Packages that only some sources need (pyarrow for Parquet, datasets for Hugging Face): imported when they are used."""

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glassformer.errors import MissingPackage


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Stands around the import. Raises MissingPackage with the command that installs the package when it is missing."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise MissingPackage(
            f"reading {what} needs {package}, which is not installed; install it with: {installation(package)}"
        ) from None


def installation(package: str) -> str:
    """The line that installs a package into the Python that runs here. The environments of uv have no pip."""
    python, here = Path(sys.executable), Path.cwd()
    program = str(python.relative_to(here) if python.is_relative_to(here) else python)
    if importlib.util.find_spec("pip") is None:
        return shlex.join(["uv", "pip", "install", "--python", program, package])
    return shlex.join([program, "-m", "pip", "install", package])

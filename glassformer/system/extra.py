"""Packages that only some commands need (pyarrow for Parquet, tensorboard for TensorBoard): imported when they are used.

pyproject.toml groups them by what they are for; such a group is called an extra.
"""

import importlib.util
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glassformer.errors import MissingPackage


@contextmanager
def needed_for(what: str, extra: str) -> Iterator[None]:
    """Stands around the import. Raises MissingPackage with the command that installs the package when it is missing.

    `what` needs it, and `extra` is the group of pyproject.toml that has it.
    """
    try:
        yield
    except ImportError as error:
        raise missing(what, (error.name or "a package").partition(".")[0], extra) from None


def missing(what: str, package: str, extra: str) -> MissingPackage:
    """The error that says that `what` needs a package which is not installed."""
    return MissingPackage(
        f"{what} needs {package}, which is not installed; install it with: {installation(package)}", extra
    )


def installation(package: str) -> str:
    """The line that installs a package into the Python that runs here. The environments of uv have no pip."""
    python, here = Path(sys.executable), Path.cwd()
    program = str(python.relative_to(here) if python.is_relative_to(here) else python)
    if importlib.util.find_spec("pip") is None:
        return shlex.join(["uv", "pip", "install", "--python", program, package])
    return shlex.join([program, "-m", "pip", "install", package])

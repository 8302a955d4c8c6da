"""Packages that only some sources need (pyarrow for Parquet, datasets for Hugging Face): imported when they are used."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from glassformer.errors import CorpusError


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Stands around the import. Raises CorpusError with the command that installs the package when it is missing."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        python, here = Path(sys.executable), Path.cwd()
        program = python.relative_to(here) if python.is_relative_to(here) else python
        raise CorpusError(
            f"reading {what} needs {package}, which is not installed; install it with: "
            f"{shlex.quote(str(program))} -m pip install {package}"
        ) from None

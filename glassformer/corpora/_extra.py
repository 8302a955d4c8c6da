"""Packages that only some sources need (the extra `data`: pyarrow, datasets): loaded on use, missed in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from glassformer.errors import CorpusError


@contextmanager
def needed_for(what: str) -> Iterator[None]:
    """Around the import. Raises CorpusError when the package is not there."""
    try:
        yield
    except ImportError as error:
        package = (error.name or "a package").partition(".")[0]
        raise CorpusError(
            f"reading {what} needs {package}, which is not installed; install it with: pip install 'glassformer[data]'"
        ) from None

"""`@kernel`: a function over numpy arrays, compiled to machine code by numba, without Python's lock, cached on disk.

Importing this module imports numba, which takes a third of a second; the modules that do so (`_scan`, `_count`,
`_learn`, `_encode`, `_gather`) are imported inside functions, when there is work enough (`cache_folder.enough`).
"""

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config as numba_config

from glassformer.system import cache_folder


def kernel(function: Callable) -> Any:
    """The compiled function; where the cache folder cannot be written, numba looks for another, or compiles anew.

    A call from kernel to kernel counts the arrays it passes, atomically; what runs for every place is `inline` instead.
    """
    settings: Any = numba_config
    before, settings.CACHE_DIR = settings.CACHE_DIR, settings.CACHE_DIR or str(cache_folder.kernels())
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except (RuntimeError, OSError):  # numba found no folder that it may write to
        return numba.njit(nogil=True)(function)
    finally:
        settings.CACHE_DIR = before


def inline(function: Callable) -> Any:
    """A part of kernels, copied into each that calls it."""
    return numba.njit(inline="always")(function)

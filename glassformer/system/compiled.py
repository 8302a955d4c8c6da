"""`@kernel`: a function over numpy arrays, compiled to machine code by numba, without Python's lock, cached on disk.

Importing this module imports numba, which takes a third of a second. Modules with kernels are therefore imported inside
functions, when there is enough work; `cache_folder.state` tells how long a kernel would have to be waited for.
"""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numba.extending
from numba.core import config as numba_config
from numba.core import event

from glassformer.system import cache_folder


class Compiling(event.Listener):
    """Tells the log, once in a process, why the next call takes so long."""

    told = False

    def on_start(self, event: Any) -> None:
        if not self.told:
            logging.getLogger("glassformer").info(
                "compiling fast code for this machine; this happens once and takes about 15 seconds"
            )
        self.told = True

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", Compiling())


def kernel(function: Callable) -> Any:
    """The compiled function. Where the cache folder cannot be written to, it is compiled anew in each process.

    A call from one kernel to another counts references to the arrays it passes, atomically, which costs time. A part
    that runs for every cell of an array is therefore `inline`.
    """
    return _compiled(function)


def sums_in_any_order(function: Callable) -> Any:
    """A kernel for floating-point numbers whose sums may be reordered, which vector instructions need. NaN and infinity
    are kept."""
    return _compiled(function, fastmath={"reassoc", "contract", "nsz"}, error_model="numpy")


def _compiled(function: Callable, **options: Any) -> Any:
    settings: Any = numba_config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = str(cache_folder.kernels(Path(function.__code__.co_filename).parent))
    try:
        return numba.njit(nogil=True, cache=True, **options)(function)
    except (RuntimeError, OSError):  # numba found no folder that it may write to
        return numba.njit(nogil=True, **options)(function)
    finally:
        settings.CACHE_DIR = before


def inline(function: Callable) -> Any:
    """A part of kernels, copied into each kernel that calls it."""
    return numba.njit(inline="always")(function)


def intrinsic(function: Callable) -> Any:
    """A part of kernels that writes the compiler's instructions itself: what numba has no Python for."""
    return numba.extending.intrinsic(function)

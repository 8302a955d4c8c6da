"""A folder of this user's where work that is slow the first time is kept: Unicode tables and compiled kernels.

Everything in it can be made again, so it may be deleted at any time, and a machine that refuses to write there only
starts more slowly. How much text is worth the wait for the kernels is decided here, too, without importing numba.
"""

import functools
import hashlib
import os
import sys
from pathlib import Path


def folder() -> Path:
    """The system's place for caches, and `glassformer` in it. Not created here."""
    home = Path(os.path.expanduser("~"))
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "glassformer"


@functools.cache
def kernels() -> Path:
    """Where compiled kernels are kept: a folder of their sources' hash, since numba alone would not notice that a
    kernel changed which another one calls."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parents[1].glob("tokenizers/bpe/*.py"))]
    return folder() / "kernels" / hashlib.sha256(b"".join(sources)).hexdigest()[:16]


def enough() -> int:
    """Bytes of text from which kernels are faster than plain Python, loading (half a second) or compiling (about ten
    seconds, once on a machine) included; compiling is charged less than it costs, for the sake of next time."""
    if "glassformer.system.compiled" in sys.modules:
        return 1 << 15
    return 1 << 20 if kernels().exists() else 1 << 23

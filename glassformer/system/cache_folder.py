"""A folder of this user for work that is slow the first time: compiled kernels and Unicode tables.

Everything in it can be made again, so it may be deleted at any time. On a machine that refuses to write there,
programs only start more slowly. Nothing here imports numba, so that asking about kernels costs nothing.
"""

import functools
import hashlib
import importlib.util
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Literal


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


SHARED = (Path(__file__).parents[1] / "kernels" / "_numbers_cpu.py",)
"""Files whose parts are copied into kernels of several folders."""


@functools.cache
def kernels(sources: Path) -> Path:
    """Where the compiled kernels of the Python files in the folder `sources` are kept.

    The name is a hash of all that decides whether numba can use what is there: its version, Python's, and the files'
    place, time and content. Numba by itself would not notice a change in a kernel that another file's kernel calls.
    """
    key = hashlib.sha256(f"{sys.version} {version('numba')} {sources}".encode())
    for path in [*sorted(sources.glob("*.py")), *SHARED]:
        key.update(f"{path.name} {path.stat().st_mtime_ns}".encode() + path.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR")
    return (Path(base) if base else folder() / "kernels") / key.hexdigest()[:16]


def state(module: str, kernel: str) -> Literal["in memory", "on disk", "nowhere"]:
    """Where the compiled code of the function `kernel` of a module is: decides whether a call has to wait for it.

    "in memory": it has been called in this process. "on disk": an earlier process has compiled it, and loading takes
    some tenths of a second. "nowhere": the first call compiles it, which may take ten seconds.
    """
    if getattr(getattr(sys.modules.get(module), kernel, None), "signatures", None):
        return "in memory"
    return "on disk" if _is_on_disk(module, kernel) else "nowhere"


@functools.cache
def _is_on_disk(module: str, kernel: str) -> bool:
    spec = importlib.util.find_spec(module)
    assert spec and spec.origin
    source = Path(spec.origin)
    return any(kernels(source.parent).glob(f"*/{source.stem}.{kernel}-*.nbi"))

"""Keeping memory that is freed, so that the next step finds it again.

glibc gives a large block back to the system when it is freed, and asks for new pages when the next one is needed. The
system fills those pages with zeros, one fault for each 4 kB. A training step of 124M parameters allocates the same gigabyte
again and again, so it pays for that in every step (`bench/allocator.py` measures how much).

    mallopt(M_MMAP_MAX, 0)                 large blocks come from the heap as small ones do
    mallopt(M_TRIM_THRESHOLD, largest)     the heap is never made smaller

The price is memory: what lies free between blocks in use stays with the process. `give_back_freed_memory` is the
opposite, for a measurement of what is in use. Linux with glibc only.
"""

import ctypes
import sys
from typing import Any

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep freed memory from now on, in this process. Whether this system can."""
    libc = _glibc()
    return libc is not None and bool(libc.mallopt(M_MMAP_MAX, 0)) and bool(libc.mallopt(M_TRIM_THRESHOLD, LARGEST))


def give_back_freed_memory() -> None:
    """Give what is free to the system now, so that the memory of the process is what is in use. Where glibc is."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> Any:
    """The C library, if it is glibc; None on other systems, and with another one, such as musl."""
    if sys.platform != "linux":
        return None
    try:
        libc = ctypes.CDLL("libc.so.6")
        return libc if libc.mallopt and libc.malloc_trim else None
    except (OSError, AttributeError):
        return None

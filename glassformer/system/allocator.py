"""Keeping memory that is freed, so that the next step finds it again.

glibc gives a large block back to the system when it is freed, and asks for new pages when the next one is needed. The
system fills those pages with zeros, one fault for each 4 kB. A training step of 124M parameters allocates the same gigabyte
again and again, so it pays for that in every step (LOG.md, `bench/allocator.py`).

    mallopt(M_MMAP_MAX, 0)                 large blocks come from the heap as small ones do
    mallopt(M_TRIM_THRESHOLD, largest)     the heap is never made smaller

The price is memory: what lies free between blocks in use stays with the process. Linux with glibc only.
"""

import ctypes
import sys

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Keep freed memory from now on, in this process. Whether this system can."""
    if sys.platform != "linux":
        return False
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library, such as musl
        return False
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, LARGEST))

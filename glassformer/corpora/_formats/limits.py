"""How much a compressed file may unpack to. (A "bomb" is a small file that unpacks to an enormous one.)"""

from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

RATIO = 250
"""The largest ratio of unpacked to packed size. Text reaches 10 and logs reach 50; what reaches more is not text."""
SMALL = 1 << 24
"""Up to this many unpacked bytes, no ratio is refused."""


def refuse_bomb(unpacked: int, packed: int, knobs: Knobs) -> None:
    """Raises Unreadable if `unpacked` bytes, read or announced, are too many for `packed` bytes or for the user's
    limit."""
    if unpacked > knobs.unpacked_bytes:
        limit = f" (over {knobs.unpacked_bytes / 1e9:g} GB); set corpus.unpacked_gigabytes higher if you trust it"
        raise Unreadable("unpacks to too much", limit)
    if unpacked > SMALL and unpacked > RATIO * max(1, packed):
        ratio = f" (over {RATIO} times its size, like a bomb); if you trust it, unpack it yourself"
        raise Unreadable("unpacks to too much", ratio)

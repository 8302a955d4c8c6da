"""How much a compressed file may hold: a bomb is a small file that unpacks to an endless one."""

from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.stream import Unreadable

RATIO = 250
"""Text packs to a tenth, logs to a fiftieth; what packs further is no text."""
SMALL = 1 << 24
"""Bytes unpacked up to which no ratio is suspicious."""


def refuse_bomb(unpacked: int, packed: int, knobs: Knobs) -> None:
    """Raises Unreadable when `packed` bytes hold, or say that they hold, `unpacked` bytes and that is too much."""
    if unpacked > knobs.unpacked_bytes:
        limit = f" (over {knobs.unpacked_bytes / 1e9:g} GB); set corpus.unpacked_gigabytes higher if you trust it"
        raise Unreadable("unpacks to too much", limit)
    if unpacked > SMALL and unpacked > RATIO * max(1, packed):
        ratio = f" (over {RATIO} times its size, like a bomb); if you trust it, unpack it yourself"
        raise Unreadable("unpacks to too much", ratio)

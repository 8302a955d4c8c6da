"""What the measurements share: contestants take turns, medians count, and a claim is one line of JSON.

Not a measurement itself. The folder of the script that is started comes first among the places of imports, so no file
here may have the name of a package that one of them, or a peer of theirs, imports (hence `bpe.py`, not `tokenizers.py`).
"""

import gc
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def taking_turns(
    runs: Mapping[str, Callable[[], Any]], rounds: int, *, uncounted: int = 0, collect: bool = False
) -> dict[str, float]:
    """Median seconds of each, one after another in every round, after `uncounted` rounds that warm up.

    With `collect`, what the run before left behind is collected off the clock.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for i in range(uncounted + rounds):
        for name, run in runs.items():
            if collect:
                gc.collect()
            start = time.perf_counter()
            run()
            if i >= uncounted:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def milliseconds(runs: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """The same in milliseconds, after one round that does not count."""
    return {name: 1000 * seconds for name, seconds in taking_turns(runs, rounds, uncounted=1).items()}


def claim(
    what: str, ours: float, best_peer: float | None, peer: str | None, target: float, *, ratio: float | None = None,
    digits: int | None = 3, **more: Any,
) -> None:  # fmt: skip
    """Print one line of JSON, with `digits` decimals (None: whole numbers).

    The ratio says how many times better we are. Without one, less is better: best_peer / ours, or nothing without a peer.
    """
    if ratio is None and best_peer is not None:
        ratio = best_peer / ours
    line = {
        "claim": what, "ours": round(ours, digits), "best_peer": None if best_peer is None else round(best_peer, digits),
        "peer": peer, "ratio": None if ratio is None else round(ratio, 2), "target": target, **more,
    }  # fmt: skip
    print(json.dumps(line), flush=True)

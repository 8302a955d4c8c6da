"""Which checkpoints of a run stay on the disk.

    the newest `train.keep_checkpoints`     to go on from, and to fall back to if the newest is damaged
    the best, of the lowest held-out loss   to use
    the one before the decay                for `glass extend` (train.schedule=wsd)
    one every `train.keep_every`            for good

A checkpoint is deleted only when a newer one has been forced to the disk and read back, and not while another process reads
it. It leaves its place in one step, so that a kill leaves no half of it.
"""

import itertools
import json
import os
import shutil
from pathlib import Path

from glassformer.runs import manifest
from glassformer.runs.checkpoint import before_decay, best, steps
from glassformer.system.files import cannot_write
from glassformer.system.folders import remove
from glassformer.system.lock import is_read


def prune(folder: Path, keep: int) -> None:
    """Delete the checkpoints below `folder` that need not stay, the newest of which has just been written, and what a crash
    left half-written. Raises Damaged, and deletes none, if the newest is not on the disk as it was written."""
    there, kept = steps(folder), (best(folder.parent), before_decay(folder.parent))
    doomed = [path for path in there[:-keep] if path not in kept and not is_permanent(path)]
    if doomed:
        manifest.verify(there[-1])
    for path in folder.glob(".*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in doomed:
        if not is_read(path / manifest.NAME):
            remove(path)


def is_permanent(checkpoint: Path) -> bool:
    """Whether it was written to stay for good (`train.keep_every`)."""
    try:
        return json.loads((checkpoint / "state.json").read_text(encoding="utf-8")).get("permanent") is True
    except (OSError, ValueError, AttributeError, RecursionError):
        return False


def set_aside(checkpoint: Path, name: str) -> Path:
    """Move a checkpoint of a run to the folder `name` of the run, where no training goes on from it, beside any that came
    there before it; returns its place. Raises DiskError where the system refuses."""
    folder = checkpoint.parent.parent / name
    others = (folder / f"{checkpoint.name}-{n}" for n in itertools.count(2))
    place = next(place for place in itertools.chain([folder / checkpoint.name], others) if not place.exists())
    try:
        folder.mkdir(exist_ok=True)
        os.replace(checkpoint, place)
    except OSError as error:
        raise cannot_write(place, error) from error
    return place

"""Trained models that come with the package: `glass generate village-mini` works offline, right after installing.

Each folder in `weights/` is a run as `glass train` leaves it, without what only a further training needs: its recipe, its
curve, and its weights in bf16; where they teach something, snapshots of earlier steps. Its README.md is the model card.
`pack.py` makes the folder from a run.
"""

from pathlib import Path

from glassformer.errors import GlassError
from glassformer.system.command import typed

FOLDER = Path(__file__).parents[1] / "weights"


def names() -> list[str]:
    """What can be named instead of the folder of a run."""
    return sorted(path.parent.name for path in FOLDER.glob("*/run.json"))


def favourite() -> Path:
    """The model that writes when no run is named: the best that comes with the package. Raises GlassError if none does."""
    return _first("village-stories", "village-mini")


def example() -> Path:
    """The model that is looked into when no run is named: the smallest, with the fewest heads, which lessons and documents
    speak of. Raises GlassError if none comes with the package."""
    return _first("village-mini", "village-stories")


def _first(*wanted: str) -> Path:
    found = [name for name in wanted if name in names()]
    if not found:
        raise GlassError(f"this copy comes without trained models; train one with `{typed('train')}` and name its folder")
    return FOLDER / found[0]


def run_or_shipped(name: str) -> Path:
    """The folder that a person means: a path, or else a model of this package, or one of its snapshots.

    >>> run_or_shipped("village-mini/snapshots/step-500")
    """
    first = next(iter(Path(name).parts), "")
    return FOLDER / name if first in names() and not Path(first).exists() else Path(name)


def is_shipped(folder: Path) -> bool:
    """Whether a run, or the run of a checkpoint, belongs to the package. Nothing is written into it."""
    return FOLDER in folder.resolve().parents


def called(folder: Path) -> str:
    """How a person calls the folder of a run."""
    return folder.name if is_shipped(folder) and folder.resolve().parent == FOLDER else str(folder)

"""The manifest of a checkpoint: the SHA-256 of each of its files, written last, and checked before any of them is used.

    manifest.json     {"format": 1, "sha256": {"model.safetensors": "9f86d0...", ...}}

A folder without a manifest was not finished. A file that differs from its hash was cut, altered, or damaged by its disk.
"""

import json
from pathlib import Path

from glassformer.errors import CheckpointError
from glassformer.system.files import sha256, write_atomic

NAME, FORMAT = "manifest.json", 1
NEEDED = ("state.json", "recipe.json", "tokenizer.json")


class Damaged(CheckpointError):
    """A checkpoint that is not what was written; the one before it may be whole."""


def seal(folder: Path) -> None:
    """Write the manifest of the files in `folder`. Raises DiskError."""
    hashes = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != NAME}
    write_atomic(folder / NAME, json.dumps({"format": FORMAT, "sha256": hashes}, indent=2) + "\n")


def verify(folder: Path) -> dict[str, str]:
    """Read every file of the checkpoint in `folder`; returns their hashes by name. Raises Damaged, and CheckpointError for
    another format."""
    try:
        manifest = json.loads((folder / NAME).read_text(encoding="utf-8"))
        hashes = dict(manifest["sha256"])
        if manifest["format"] != FORMAT:
            raise CheckpointError(
                f"{folder} has format {manifest['format']}, this version reads {FORMAT}; update glassformer"
            )
        for name in NEEDED:
            hashes[name]
        for name, expected in hashes.items():
            if Path(name).name != name or sha256(folder / name) != expected:
                raise Damaged(f"{folder / name} is damaged (its SHA-256 is not the one in {NAME})")
        return hashes
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise not_whole(folder, error) from None


def not_whole(folder: Path, error: Exception) -> Damaged:
    """The error for a checkpoint with a file that is missing or has another content than it should."""
    return Damaged(f"{folder} is not a whole checkpoint ({type(error).__name__}: {error})")

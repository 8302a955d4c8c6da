"""The user's own files that a model was made with: each checkpoint keeps their source.

    checkpoints/00000500/
        parts.json                      {"/texts/my_norm.py": "part-1a2b3c4d5e6f-my_norm.py"}
        part-1a2b3c4d5e6f-my_norm.py    the bytes that were loaded when the run began

A recipe names such a file by its path. When a checkpoint is opened, the file at the path is used if its bytes are those
that were kept. If it has changed, moved or gone, the kept source is run, and a change is logged as a note; whoever has
mended a file names it again (`glass resume RUN train.optimizer=./my.py`). Only the file itself is kept, and not what it
imports.

To open a checkpoint therefore means to run code that came with it. That code must have run on this machine before, which a
list of hashes in the user's cache folder tells, or `trust` must have been called: a checkpoint of a stranger runs nothing.
"""

import ast
import contextlib
import hashlib
import json
import logging
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from glassformer.errors import CheckpointError
from glassformer.system import cache_folder
from glassformer.system.command import typed
from glassformer.system.files import write_atomic

log = logging.getLogger(__name__)
NAME = "parts.json"
OF_DATA = ("path", "dataset", "vectors", "quality_model", "prompt", "stop", "text_field")
"""Settings whose value is a text or the path of one, and is never run."""


def keep(folder: Path, sources: Mapping[str, bytes]) -> None:
    """Write the sources, by the names that the recipe has for them, into the folder of a checkpoint."""
    files = {name: f"part-{_hash(source)[:12]}-{_stem(name)}.py" for name, source in sources.items()}
    for name, file in files.items():
        write_atomic(folder / file, sources[name])
    if files:
        write_atomic(folder / NAME, json.dumps(files, indent=2) + "\n")
        trust(sources.values())


def resolved(
    recipe: dict[str, Any], folder: Path, as_now: Collection[str] = ()
) -> tuple[dict[str, Any], dict[str, str]]:  # fmt: skip
    """(the recipe with the paths of files that can be run, {path of a kept file: the name it stands for}).

    `folder` is the checkpoint. The files `as_now` are run as they are now, in place of what was kept. Raises
    CheckpointError for code that has not run on this machine before.
    """
    kept = _kept(folder)
    here = {name: name if name in as_now else _usable(name, kept.get(name), folder) for name in names(recipe)}
    return _renamed(recipe, here), {path: name for name, path in here.items() if path != name}


def names(tree: Any, key: str = "name") -> set[str]:
    """The own files that a recipe, as a tree of plain values, may name: every word that ends in .py, also where someone
    has written a name in place of a variant, but for the settings that are known to name data."""
    if isinstance(tree, str):
        return set() if key in OF_DATA else {word.strip() for word in tree.split(",") if word.strip().endswith(".py")}
    if isinstance(tree, dict):
        return set().union(*(names(child, key) for key, child in tree.items()))
    return set().union(*(names(child, key) for child in tree)) if isinstance(tree, list) else set()


def trust(sources: Any) -> None:
    """Remember that this user has run these sources here. Without a writable cache folder nothing is remembered."""
    for source in sources:
        with contextlib.suppress(OSError):
            _ledger(_hash(source)).parent.mkdir(parents=True, exist_ok=True)
            _ledger(_hash(source)).touch()


def is_trusted(source: bytes) -> bool:
    """Whether this source has run here before, or may."""
    return _ledger(_hash(source)).exists()


def brought(recipe: dict[str, Any], folder: Path) -> list[Path]:
    """The files of code that a checkpoint may run: its kept sources, and what its recipe names beside them."""
    kept = _kept(folder)
    named = [Path(name).expanduser() for name in names(recipe) - kept.keys()]
    return sorted({folder / file for file in kept.values()} | {path for path in named if path.is_file()})


def neighbours(name: str, source: bytes) -> list[str]:
    """The files beside an own file that it imports, and that are not kept with it."""
    imported = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.partition(".")[0])
    folder, others = Path(name).parent, imported - {"glassformer"}
    return sorted(
        found.name for module in others for found in (folder / f"{module}.py", folder / module) if found.exists()
    )


def _usable(name: str, file: str | None, folder: Path) -> str:
    """The path from which the code that a recipe calls `name` is to be loaded."""
    now = _read(Path(name))
    before = now if file is None else _read(folder / file)
    if before is None:
        return name  # there is neither; whoever loads it says so
    if not is_trusted(before):
        source = name if file is None else folder / file
        raise CheckpointError(
            f"{folder} brings Python code that has never run on this machine: read {source}, and if you trust "
            f"it, `{typed('trust', folder)}` allows it to run"
        )
    if now == before:
        return name
    if now is not None:
        log.warning(
            "%s has changed since this model was made; the source that was kept with it is used (%s)", name, file
        )
    return str((folder / str(file)).resolve())


def _kept(folder: Path) -> dict[str, str]:
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
        if all(
            isinstance(file, str) and Path(file).name == file and file.startswith("part-") for file in kept.values()
        ):
            return dict(kept)
    except (OSError, ValueError, AttributeError, RecursionError):
        pass
    raise CheckpointError(f"{path} is damaged; delete this checkpoint's folder to go back to the one before")


def _renamed(tree: Any, here: Mapping[str, str]) -> Any:
    if isinstance(tree, dict):
        tree = {key: _renamed(child, here) for key, child in tree.items()}
        return (
            {**tree, "name": here[tree["name"]]} if isinstance(tree.get("name"), str) and tree["name"] in here else tree
        )
    return [_renamed(child, here) for child in tree] if isinstance(tree, list) else tree


def _read(path: Path) -> bytes | None:
    try:
        return path.expanduser().read_bytes()
    except (OSError, ValueError):
        return None


def _ledger(hash: str) -> Path:
    return cache_folder.folder() / "parts" / hash


def _hash(source: bytes) -> str:
    return hashlib.sha256(source).hexdigest()


def _stem(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(name).stem)[:40]

"""The run folder: what one training run leaves behind, written so that a crash at any moment costs at most one line.

`runs/<name>/` holds `recipe.json` (the complete config), `run.json` (command, versions, machine, dataset), two
append-only logs, `checkpoints/` and `report.html`. The logs are JSON lines:

- `metrics.jsonl`: `{"kind": "train" | "eval" | "score" | "compare" | "event", "step": ..., values..., "time": ...}`,
  with the time in Unix seconds. In `train` lines, `tokens` and `seconds` count from the start of the run, across
  resumes; `tokens_per_s` is the speed since the previous line, and `data_seconds` the mean time that a step has waited
  for its batch since then. In `eval` lines, `tokens` and `seconds` are those of the evaluation.
- `samples.jsonl`: `{"step", "prompt", "text", "seconds", "time"}`, with `seconds` as in `train` lines.

A line that is not a JSON object (torn by a crash) is skipped by readers. A later line for the same step replaces an
earlier one. The event `resume` at step s cancels everything logged after step s, because those steps will run again.
Events are history: none is replaced, and they keep the order in which they were written. JSON has no numbers that are
not finite, so these are stored as the strings "NaN", "Infinity" and "-Infinity"; `metrics` gives back floats.
"""

import contextlib
import json
import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassformer.errors import GlassError, SettingError
from glassformer.runs import shipped
from glassformer.system.command import typed
from glassformer.system.files import cannot_write, write_atomic
from glassformer.system.lock import Busy, locked

LONGEST_NAME = 200
"""Bytes of the name of a run. A file system allows 255, and some of our folders have longer names beside them."""

_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Run:
    """A run folder. `Run.create` makes one, and `Run.open` reads one.

    >>> run = Run.create(Path("runs/demo"), recipe.to_json(), {"command": "glass demo"})
    >>> run.log("train", 10, loss=3.2, lr=1e-3)
    >>> run.metrics("train")[-1]["loss"]
    3.2
    """

    def __init__(self, folder: Path):
        self.folder = Path(folder)

    @classmethod
    def create(cls, folder: Path, recipe_json: str, facts: dict[str, Any]) -> "Run":
        """Begin a run in a folder that does not hold one; `facts` becomes `run.json`. If the system refuses, no folder is
        left. Raises GlassError."""
        run = cls(folder)
        check_free(run.folder)
        try:
            write_atomic(run.folder / "recipe.json", recipe_json)
            write_atomic(run.folder / "run.json", json.dumps(_storable(facts), indent=2, allow_nan=False) + "\n")
        except GlassError:
            run.delete()
            raise
        return run  # run.json comes last, so a folder with a run.json is a complete run

    def delete(self) -> None:
        """Delete the folder of a run that has learned nothing yet."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @classmethod
    def open(cls, folder: Path) -> "Run":
        """The run in `folder`. Raises GlassError if there is none."""
        run = cls(folder)
        if not (run.folder / "run.json").is_file():
            raise GlassError(no_run(run.folder))
        return run

    @property
    def name(self) -> str:
        return self.folder.resolve().name

    def facts(self) -> dict[str, Any]:
        """The content of `run.json`: command, started, versions, machine, parameters, precision, dataset."""
        return self._object("run.json")

    def fact(self, *keys: str) -> Any:
        """What `run.json` says at nested keys. Raises GlassError if it does not say that."""
        value: Any = self.facts()
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                raise GlassError(
                    f"{self.folder / 'run.json'} does not say {'.'.join(keys)}: restore it from a copy, or train a new run."
                )
            value = value[key]
        return value

    def recipe(self) -> dict[str, Any]:
        """The content of `recipe.json` as plain JSON values. (`Recipe.parse` makes a recipe of it.)"""
        return self._object("recipe.json")

    def log(self, kind: str, step: int, **values: Any) -> None:
        """Append one line to `metrics.jsonl`. The system has it when this returns."""
        self._append("metrics.jsonl", {"kind": kind, "step": step, **values, "time": round(time.time(), 3)})

    def sample(self, step: int, prompt: str, text: str, seconds: float) -> None:
        """Append a text that the model wrote at `step`, after `seconds` of training."""
        line = {"step": step, "prompt": prompt, "text": text, "seconds": seconds, "time": round(time.time(), 3)}
        self._append("samples.jsonl", line)

    def metrics(self, kind: str) -> list[dict[str, Any]]:
        """The valid lines of one kind, sorted by step (events: in the order in which they were written)."""
        if kind == "event":
            return [line for line in self._lines("metrics.jsonl") if line.get("kind") == "event"]
        kept: dict[tuple, dict[str, Any]] = {}
        for line in self._lines("metrics.jsonl"):
            if line.get("kind") == kind:
                kept[line["step"], str(line.get("who"))] = restored(line)
            elif is_resume(line):
                kept = {key: old for key, old in kept.items() if old["step"] <= line["step"]}
        return sorted(kept.values(), key=lambda line: line["step"])

    def samples(self) -> list[dict[str, Any]]:
        """The texts written during training, sorted by step: one for each step and prompt."""
        resumes = [event for event in self.metrics("event") if is_resume(event)]
        kept: dict[tuple, dict[str, Any]] = {}
        for line in self._lines("samples.jsonl"):
            written = line.get("time", math.inf)
            if not any(line["step"] > event["step"] and written < event.get("time", -math.inf) for event in resumes):
                kept[line["step"], str(line.get("prompt"))] = line
        return sorted(kept.values(), key=lambda line: line["step"])

    def _append(self, name: str, line: dict[str, Any]) -> None:
        data = json.dumps(_storable(line), allow_nan=False).encode() + b"\n"
        path = self.folder / name
        try:
            with open(path, "ab+") as file:
                if file.tell():
                    file.seek(-1, os.SEEK_END)
                    if file.read(1) != b"\n":
                        data = b"\n" + data  # the last writer was interrupted within a line: begin a new one
                file.write(data)
        except OSError as error:
            raise cannot_write(path, error) from error

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        path = self.folder / name
        if not path.exists():
            return
        with open(path, encoding="utf-8", errors="replace", newline="\n") as file:
            for text in file:
                try:
                    line = json.loads(text)
                except (ValueError, RecursionError):
                    continue
                if isinstance(line, dict) and isinstance(line.get("step"), int):
                    yield line

    def _object(self, name: str) -> dict[str, Any]:
        path = self.folder / name
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise GlassError(f"{path} cannot be read ({error}): restore it from a copy, or train a new run.") from error
        if not isinstance(value, dict):
            raise GlassError(f"{path} is not a JSON object: restore it from a copy, or train a new run.")
        return value


def is_resume(line: dict[str, Any]) -> bool:
    """Whether a line of a log is the event that cancels what was logged after its step."""
    return line.get("kind") == "event" and line.get("what") == "resume"


def _storable(value: Any) -> Any:
    """The value in JSON's types: NumPy and torch scalars become numbers, paths become text, and numbers that are not
    finite become their names."""
    if isinstance(value, dict):
        return {str(key): _storable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_storable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return _storable(value.item()) if hasattr(value, "item") else str(value)


def restored(line: dict[str, Any]) -> dict[str, Any]:
    """A line of a log with the numbers that are not finite as floats."""
    return {key: _NOT_FINITE.get(value, value) if isinstance(value, str) else value for key, value in line.items()}


def no_run(folder: Path) -> str:
    """The sentence for something that a person has named as a run and that is none."""
    if folder.is_file():
        return (
            f"{folder} is a file and no run: `{typed('train', folder)}` trains a model on it; name the folder of that run"
        )
    if (folder / "index.json").is_file():
        return f"{folder} is a dataset and no run: `{typed('train', folder)}` trains a model on it"
    there = "holds no run (no run.json)" if folder.is_dir() else "does not exist"
    known = sorted(path.parent.as_posix() for path in Path("runs").glob("*/run.json"))
    which = f"there is {', '.join(known[:8])}" + (" and more" if known[8:] else "") if known else "such as runs/demo"
    ours = "".join(f", {name} (which comes with the package)" for name in shipped.names())
    return f"{folder} {there}: give the folder of a run, {which}{ours}, or train one with `{typed('train')}`"


def named_folder(name: str) -> Path:
    """`runs/<name>`. Raises SettingError for a name that leads out of runs/."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise SettingError(f"--name '{name}' is not a folder below runs/; choose a name such as --name first")
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise SettingError(f"--name has more than {LONGEST_NAME} bytes; choose a shorter one, such as --name first")
    return Path("runs") / name


@contextlib.contextmanager
def new_run(name: str | None, stem: str) -> Iterator[Path]:
    """A folder for a run that is to be made, which no other process can take meanwhile: `runs/<name>` or, without a name,
    the first of `runs/<stem>`, `runs/<stem>-2`, ... that is free. It is not made here. Raises SettingError, and Busy for
    a name under which another process is making a run.
    """
    if name is not None:
        folder = named_folder(name)
        with locked(folder):
            check_free(folder)
            yield folder
        return
    with contextlib.ExitStack() as stack:
        for i in range(1, 100_000):
            folder = Path("runs") / (stem if i == 1 else f"{stem}-{i}")
            if folder.exists():
                continue
            with contextlib.suppress(Busy):
                stack.enter_context(locked(folder))
                if not folder.exists():  # another process may have made it just before
                    break
        yield folder


def check_free(folder: Path) -> None:
    """Raises SettingError if `folder` already holds a run, or anything else that a run would mix with."""
    if (folder / "run.json").exists():
        raise SettingError(
            f"{folder} already holds a run; continue it with `{typed('resume', folder)}` or choose another --name"
        )
    if folder.is_file() or (folder.is_dir() and {path.name for path in folder.iterdir()} - {"recipe.json"}):
        there = "is a file" if folder.is_file() else "already has files in it"
        raise SettingError(f"{folder} {there}, but no run; choose another --name, or delete it")

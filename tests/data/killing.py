"""Preparations in processes of their own, which can be killed: `python killing.py SOURCE FOLDER SETTINGS`."""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]


def main(source: str, folder: str, settings: str) -> None:
    """Prepare with small batches and fifty journal lines a second, so that kills fall between many lines."""
    from glassformer.corpora.files import Files
    from glassformer.data import DataConfig
    from glassformer.data.prepare import encoding, journal, prepare, reading
    from glassformer.system import workers
    from glassformer.tokenizers import TokenizerRecipe

    knobs = json.loads(settings)
    journal.EVERY = knobs.pop("every", 0.02)
    reading.BATCH = encoding.BATCH = knobs.pop("batch", 1 << 14)
    workers.TRIAL, workers.TRIP = knobs.pop("trial", 1.0), 0.0
    tokenizer = TokenizerRecipe.named(**knobs.pop("tokenizer", {"name": "byte"}))
    n = knobs.pop("workers", 1)
    print("ready", flush=True)
    told = lambda *now: print(*now, sep="\t", flush=True)  # noqa: E731
    prepare(Files(path=source), tokenizer, DataConfig(**knobs), folder, told, workers=n)


def start(source: Path, folder: Path, **settings) -> subprocess.Popen:
    """A preparation that has loaded everything and is about to begin."""
    command = [sys.executable, __file__, str(source), str(folder), json.dumps(settings)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen) -> str:
    """What it told; it must end well."""
    told, _ = process.communicate()
    assert process.returncode == 0, told
    return told


def kill_after(process: subprocess.Popen, seconds: float) -> bool:
    """Whether it was still working."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    alive = process.poll() is None
    process.kill()
    process.communicate()
    return alive


def duration(source: Path, folder: Path, **settings) -> float:
    """Seconds of an undisturbed preparation, from `ready` on."""
    process, begun = start(source, folder, **settings), time.perf_counter()
    finish(process)
    return time.perf_counter() - begun


def hashes(folder: Path) -> dict[str, str]:
    """Of every file, by name."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


if __name__ == "__main__":
    main(*sys.argv[1:])

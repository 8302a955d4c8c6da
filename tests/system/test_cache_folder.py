"""What is known of compiled kernels without compiling: in this process, on disk, or nowhere, each kernel by itself."""

import os
import subprocess
import sys
from pathlib import Path

from glassformer.system import cache_folder

ONE = """
from glassformer.system.compiled import kernel

@kernel
def _one(x):
    return x + 1
"""
PROGRAM = """
import importlib, sys
from glassformer.system.cache_folder import state

def tell():
    print(state("k.one", "_one"), state("k.two", "_two"), sep=", ")

tell()
assert "numba" not in sys.modules and "k.one" not in sys.modules
for name in sys.argv[1:]:
    assert getattr(importlib.import_module("k." + name), "_" + name)(1) == 2
    tell()
"""


def told(folder: Path, *calls: str) -> list[str]:
    """What a new process says of the kernels `one` and `two`: at its start and after each call."""
    package = folder / "k"
    if not package.exists():
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / "one.py").write_text(ONE)
        (package / "two.py").write_text(ONE.replace("one", "two"))
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    there |= dict.fromkeys(("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"), str(folder / "cache"))
    done = subprocess.run([sys.executable, "-c", PROGRAM, *calls], env=there, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_kernel_is_not_compiled_because_another_is(tmp_path):
    assert told(tmp_path, "two") == ["nowhere, nowhere", "nowhere, in memory"]
    assert told(tmp_path, "two", "one") == ["nowhere, on disk", "nowhere, in memory", "in memory, in memory"]
    assert told(tmp_path) == ["on disk, on disk"]
    (tmp_path / "k/__init__.py").write_text("x = 1")  # numba itself looks only at the kernel's own file
    assert told(tmp_path) == ["nowhere, nowhere"]


def test_a_changed_source_is_another_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache_folder, "folder", lambda: tmp_path)
    (tmp_path / "one.py").write_text("x = 1")
    places = {cache_folder.kernels.__wrapped__(tmp_path)}
    (tmp_path / "one.py").write_text("x = 2")
    places.add(cache_folder.kernels.__wrapped__(tmp_path))
    (tmp_path / "two.py").write_text("")
    places.add(cache_folder.kernels.__wrapped__(tmp_path))
    os.utime(tmp_path / "one.py", (1e9, 1e9))  # numba compares times, and would compile again
    places.add(cache_folder.kernels.__wrapped__(tmp_path))
    assert len(places) == 4 and all(place.parent == tmp_path / "kernels" for place in places)
    assert cache_folder.kernels.__wrapped__(tmp_path) in places


def test_a_folder_of_the_user_s_choice_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_folder.kernels.__wrapped__(tmp_path).parent == tmp_path / "mine"

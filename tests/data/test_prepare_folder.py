"""The folder of a preparation: it appears whole or not at all, replaces only a dataset, and is made by one at a time."""

import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from glassformer.data import DataConfig
from glassformer.data.prepare import prepare, writer
from glassformer.data.shards import Dataset
from glassformer.errors import DatasetError, GlassError
from glassformer.tokenizers import TokenizerRecipe

from .examples import BYTE, Written, dataset, sentences, written


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_inputs_give_the_same_bytes_and_are_not_prepared_twice(tmp_path, monkeypatch):
    recipe = TokenizerRecipe.named("bpe", vocab_size=300)
    first = dataset(tmp_path / "first", sentences(100), recipe)
    assert contents(dataset(tmp_path / "second", sentences(100), recipe).folder) == contents(first.folder)
    inode = first.folder.stat().st_ino
    monkeypatch.setattr(Written, "documents", None)
    dataset(first.folder, sentences(100), recipe)
    monkeypatch.undo()
    assert first.folder.stat().st_ino == inode
    prepare(written(*sentences(100)), recipe, DataConfig(), first.folder, fresh=True)
    assert first.folder.stat().st_ino != inode
    for change in (
        {"texts": sentences(101)},
        {"tokenizer": BYTE},
        {"validation_fraction": 0.2},
        {"clean": {"steps": []}},
    ):
        arguments = {"texts": sentences(100), "tokenizer": recipe} | change
        assert dataset(first.folder, **arguments).index.fingerprint != first.index.fingerprint
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "second"]


def test_a_damaged_dataset_is_refused_until_it_is_asked_for_anew(tmp_path):
    prepared = dataset(tmp_path / "set", sentences(50))
    (prepared.folder / "index.json").write_text("{")
    with pytest.raises(DatasetError, match="--fresh"):
        dataset(prepared.folder, sentences(50))
    again = prepare(written(*sentences(50)), BYTE, DataConfig(), prepared.folder, fresh=True)
    assert again.index == prepared.index


def test_a_folder_with_other_things_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_bytes(b"cat")
    (tmp_path / "letter").write_text("dear")
    for name, words in (("photos", "cat.jpg"), ("letter", "is a file")):
        with pytest.raises(DatasetError, match=f"{words}.*another folder"):
            prepare(written(*sentences(50)), BYTE, DataConfig(), tmp_path / name, fresh=True)
    assert (tmp_path / "photos" / "cat.jpg").read_bytes() == b"cat"
    (tmp_path / "empty").mkdir()
    dataset(tmp_path / "empty", sentences(50))


@pytest.mark.parametrize("place", ["append", "close", "save"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, place):
    old = dataset(tmp_path / "set", sentences(50)).index

    def full(*arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    owner = writer.SplitWriter if place != "save" else os
    monkeypatch.setattr(owner, place if place != "save" else "fsync", full)
    for name in ("set", "new"):
        with pytest.raises(GlassError, match="No space left.*free space"):
            dataset(tmp_path / name, sentences(60))
    monkeypatch.undo()
    assert Dataset.open(tmp_path / "set").index == old
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_really_full_disk(tmp_path):
    """A file system of 256 KB, where this machine lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        old = dataset(disk / "set", sentences(50)).index
        for name in ("set", "new"):
            with pytest.raises(GlassError, match="No space left"):
                dataset(disk / name, sentences(10_000))
        assert Dataset.open(disk / "set").index == old
        assert [path.name for path in disk.iterdir()] == ["set"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_two_at_once_prepare_it_once(tmp_path, monkeypatch):
    calls, real = [], Written.documents

    def slow(self):
        calls.append(1)
        time.sleep(0.2)
        return real(self)

    monkeypatch.setattr(Written, "documents", slow)
    found = []

    def work():
        found.append(dataset(tmp_path / "set", sentences(50)).index)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1 and found == [found[0]] * 3
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_fault_32_a_second_preparation_waits_and_is_told_for_whom(tmp_path):
    told, working = [], threading.Event()

    def first(*now):
        working.set()
        time.sleep(0.3)

    corpus = written(*sentences(50))
    thread = threading.Thread(target=prepare, args=(corpus, BYTE, DataConfig(), tmp_path / "set", first))
    thread.start()
    working.wait()
    prepare(corpus, BYTE, DataConfig(), tmp_path / "set", lambda *now: told.append(now))
    thread.join()
    (sentence, *numbers) = told[0]
    assert sentence.startswith(f"waiting for process {os.getpid()} since ") and numbers == [0, 0] and len(told) == 1

import errno
import hashlib
import os

import pytest

from glassformer.errors import GlassError
from glassformer.system.files import sha256, write_atomic


def test_text_and_bytes_arrive_exactly_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "new" / "a.txt"
    for data in ("ä\r\n\0", b"\xff\x00", ""):
        write_atomic(path, data)
        assert path.read_bytes() == (data.encode() if isinstance(data, str) else data)
        assert list(path.parent.iterdir()) == [path]


def test_the_old_file_survives_a_write_that_fails_halfway(tmp_path, monkeypatch):
    path = tmp_path / "a"
    write_atomic(path, "old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GlassError, match="No space left.*free space"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_folder_is_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GlassError, match="could not be written"):
        write_atomic(tmp_path / "file" / "below", "x")


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert sha256(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()

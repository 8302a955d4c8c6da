"""Broken and hostile files: reported by file and line, never a traceback, never a silent loss, never much memory."""

import gzip
import io
import os
import random
import struct
import tempfile
import tracemalloc
import zipfile
import zlib

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.corpora import Skipped, corpus
from glassformer.corpora._formats import READERS, UNPACKERS, archive, limits, read
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora.files import Files
from glassformer.errors import CorpusError

LINES = b"".join(b'"line %d of the file"\n' % i for i in range(2000))


def documents(data: bytes, name: str, **knobs) -> list:
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return list(read(file, name, Knobs(**knobs)))


def zip_bytes(members, method=zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as written:
        for name, data in members.items():
            written.writestr(name, data)
    return file.getvalue()


def parquet_bytes(texts) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), file)
    return file.getvalue()


@pytest.fixture
def disasters(tmp_path):
    """A folder of everything that goes wrong, and what must be said of it: origin and the start of the rest."""
    whole = LINES[:42]
    nested = zip_bytes({"deeper.zip": zip_bytes({"deepest.zip": zip_bytes({"a.txt": "a"})})})
    files = {
        "ascii.txt": b"plain", "bad.txt": b"\xc3\xa9 \xc3\xa8 one\ntw\xffo\nthree", "binary.txt": b"\x7fELF\0\0\0",
        "blank.txt": b"\n \n", "bomb.gz": gzip.compress(b"boom " * (8 << 20)), "broken.jsonl": b'"one"\n{"text":\n"three"',
        "cut.csv": b'text,n\none,1\n"two,2\nthree,3\n', "cut.html": b"<p>one</p><script>", "cut.json": b'["one", "tw',
        "cut.jsonl.gz": gzip.compress(LINES)[:-2000], "cut.jsonl.zst": zstandard.compress(LINES)[:-500],
        "cut.parquet": parquet_bytes(["a"] * 99)[:-9], "cut.zip": zip_bytes({"a.txt": "a"})[:-30], "empty.md": b"",
        "latin.txt": "déjà vu".encode("latin-1"), "nested.zip": nested, "noise.gz": random.Random(1).randbytes(999),
        "utf16.txt": "one".encode("utf-16"), "whole.jsonl.zst": zstandard.compress(whole), ".hidden": b"x",
    }  # fmt: skip
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "nothing").mkdir()
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


SKIPPED = {
    ".hidden": "is hidden", "bad.txt:2": "is not valid UTF-8", "binary.txt": "is binary", "blank.txt": "is empty",
    "bomb.gz": "unpacks to too much", "broken.jsonl:2": "is not valid JSON", "cut.csv:3": "is not valid CSV",
    "cut.html:1": "does not close its tags", "cut.json:1": "is not valid JSON", "cut.jsonl.gz": "is cut short",
    "cut.jsonl.zst": "is cut short", "cut.parquet": "is not a whole Parquet file",
    "cut.zip": "is not a whole zip archive", "empty.md": "is empty", "loop": "is a folder read already",
    "nested.zip/deeper.zip": "is packed twice", "noise.gz": "is damaged", "pipe": "is not a regular file",
    "self": "cannot be read",
}  # fmt: skip
WHOLE = {
    "ascii.txt": 1, "bad.txt": 1, "bomb.gz": 2, "broken.jsonl": 2, "cut.csv": 1, "cut.html": 1, "cut.json": 1,
    "latin.txt": 1, "utf16.txt": 1, "whole.jsonl.zst": 2,
}  # fmt: skip


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_counts_add_up_whatever_lies_in_a_folder(disasters):
    found = list(corpus(str(disasters)).documents())
    skipped = [d for d in found if isinstance(d, Skipped)]
    assert [d.origin for d in skipped] == sorted(SKIPPED)
    for d in skipped:
        assert f"{d.reason}{d.detail}".startswith(SKIPPED[d.origin]), str(d)
        assert "\n" not in str(d) and len(str(d)) < 400
    good = [d.origin.partition(":")[0] for d in found if not isinstance(d, Skipped)]
    part = {name: good.count(name) for name in ("cut.jsonl.gz", "cut.jsonl.zst")}
    assert {name: good.count(name) for name in good} == WHOLE | {name: n for name, n in part.items() if n}
    for name, n in part.items():  # what came before the cut is kept, and the report says how much that is
        assert [d.text for d in found if d.text and d.origin.startswith(name)] == [
            f"line {i} of the file" for i in range(n)
        ]
        (cut,) = [d for d in skipped if d.origin == name]
        assert n == 0 or f", after {n:,} documents" in str(cut)


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
@pytest.mark.parametrize(
    "origin", [o for o, why in SKIPPED.items() if not why.startswith(("is hid", "is emp", "is a f"))]
)
def test_each_disaster_is_refused_where_it_is(disasters, origin):
    name = origin.partition("/")[0].partition(":")[0]
    for path in disasters.iterdir():
        if path.name not in (name, "ascii.txt") and not path.is_dir():
            path.unlink()
    with pytest.raises(CorpusError) as error:
        list(Files(path=str(disasters), bad="refuse").documents())
    assert str(disasters / origin) in str(error.value) and "bad=skip" in str(error.value)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="permissions of POSIX, which root ignores")
def test_what_may_not_be_read_is_reported(tmp_path):
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    (tmp_path / "c").mkdir()
    (tmp_path / "a.txt").chmod(0)
    (tmp_path / "c").chmod(0)
    assert [str(d)[:24] for d in corpus(str(tmp_path)).documents()][::2] == [
        "a.txt cannot be read (Pe",
        "c cannot be entered (Per",
    ]


@pytest.mark.parametrize("compress", [gzip.compress, lambda data: zstandard.compress(data, 9)], ids=["gz", "zst"])
def test_a_file_cut_anywhere_is_never_taken_for_whole(compress):
    data = compress(LINES[:4000])
    name = "a.jsonl.gz" if data[:2] == b"\x1f\x8b" else "a.jsonl.zst"
    whole = documents(data, name)
    assert len(whole) == LINES[:4000].count(b"\n") + 1 and not isinstance(whole[-2], Skipped)
    for size in range(1, len(data)):
        *before, last = documents(data[:size], name)
        assert isinstance(last, Skipped) and last.reason in ("is cut short", "is damaged"), size
        assert before == whole[: len(before)]


@pytest.mark.parametrize("suffix", [".txt", ".html", ".json", ".csv"])
@pytest.mark.parametrize("packing, compress", [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_what_stands_before_a_cut_is_kept(suffix, packing, compress):
    numbers = random.Random(1)
    lines = [f"line {numbers.random()}" for _ in range(20_000)]
    text = {".json": "[" + ",\n".join(f'"{line}"' for line in lines) + "]", ".csv": "text\n"}.get(suffix, "")
    data = compress((text if suffix == ".json" else text + "\n".join(lines)).encode())
    *before, last = documents(data[: len(data) * 3 // 4], f"a{suffix}{packing}")
    kept = "\n".join(d.text for d in before if d.text).split()[1::2]
    assert last.reason == "is cut short" and len(kept) > 8_000
    assert f"line {kept[-2]}" == lines[len(kept) - 2]


def test_frames_one_after_another_are_one_file_and_zeros_may_follow():
    one, two = LINES[:440], LINES[440:880]
    expected = [d.text for d in documents(one + two, "a.jsonl")]
    for name, pack in (("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.compress)):
        assert [d.text for d in documents(pack(one) + pack(two), name)] == expected
        assert [d.text for d in documents(pack(one) + pack(two) + bytes(9999), name)] == expected
        *_, last = documents(pack(one) + pack(two) + b"garbage that is no frame", name)
        assert last.reason == "is damaged"
    skippable = struct.pack("<II", 0x184D2A50, 5) + b"hello"
    assert [d.text for d in documents(skippable + zstandard.compress(one + two), "a.jsonl.zst")] == expected


@pytest.mark.parametrize("declared", [True, False])
def test_bombs_fill_neither_memory_nor_time(declared):
    zst = zstandard.ZstdCompressor(write_content_size=declared).compress(b"a b " * (1 << 27))
    deflated = zlib.compressobj(9, zlib.DEFLATED, 31)
    gz = deflated.compress(b"a b " * (1 << 25)) + deflated.flush()
    tracemalloc.start()
    try:
        archive = zip_bytes({"a.txt": bytes(1 << 26)})
        for name, data in (("a.txt.zst", zst), ("a.jsonl.gz", gz), ("a.csv.zst", zst), ("a.zip", archive)):
            *_, last = documents(data, name)
            assert last.reason == "unpacks to too much", str(last)
        assert tracemalloc.get_traced_memory()[1] < 150e6
    finally:
        tracemalloc.stop()


def test_the_limit_on_size_is_a_setting():
    data = gzip.compress(LINES)
    *_, last = documents(data, "a.jsonl.gz", unpacked_bytes=len(LINES) - 1)
    assert "set corpus.unpacked_gigabytes higher" in str(last)
    assert not any(isinstance(d, Skipped) for d in documents(data, "a.jsonl.gz", unpacked_bytes=len(LINES)))
    (last,) = documents(zstandard.compress(LINES), "a.jsonl.zst", unpacked_bytes=len(LINES) - 1)
    assert last.reason == "unpacks to too much"  # it declares its size: nothing was unpacked


def overlapping(n: int, kernel: bytes) -> bytes:
    """A zip whose n members are all the same compressed bytes: small, and large in sum (Fifield, 2019)."""
    once = io.BytesIO(zip_bytes({"a.txt": kernel}))
    with zipfile.ZipFile(once) as written:
        start = written.start_dir
    body = once.getvalue()
    entry = body[start : body.rindex(b"PK\5\6")]
    entries = b"".join(entry.replace(b"a.txt", b"%05d" % i) for i in range(n))
    return body[:start] + entries + struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, n, n, len(entries), start, 0)


def test_archives_that_lie(monkeypatch):
    (refused,) = documents(overlapping(3000, bytes(1 << 20)), "a.zip")
    assert refused.reason == "unpacks to too much"
    data = zip_bytes({"a.txt": b"0123456789" * 99, "b.txt": "fine"})
    smaller = data.replace(struct.pack("<I", 990), struct.pack("<I", 10))
    lie, fine = documents(smaller, "a.zip")
    assert lie.origin == "a.zip/a.txt" and lie.reason == "is damaged" and fine.text == "fine"
    larger = data.replace(struct.pack("<I", 990), struct.pack("<I", 9990))
    *_, lie, fine = documents(larger, "a.zip")
    assert lie.reason in ("is damaged", "is cut short") and fine.text == "fine"
    monkeypatch.setattr(archive, "LARGEST_LIST", 100)
    (refused,) = documents(zip_bytes({str(i): "x" for i in range(50)}), "a.zip")
    assert refused.reason == "lists too many files"


def test_members_that_cannot_be_unpacked_are_named():
    odd = documents(zip_bytes({"a.txt": "x"}, zipfile.ZIP_BZIP2), "a.zip")
    assert [str(d) for d in odd] == ["a.zip/a.txt is compressed by an unusual method; unpack the archive into a folder"]
    data = bytearray(zip_bytes({"a.txt": "x"}))
    data[data.rindex(b"PK\1\2") + 8] |= 1
    assert [d.reason for d in documents(bytes(data), "a.zip")] == ["is encrypted"]


EXAMPLES = {
    ".txt": LINES, ".jsonl": LINES, ".json": b'[{"text": "one"}, "two"]' * 3, ".csv": b'text,n\n"a ""b""\nc",1\nd,2\n',
    ".html": b"<!DOCTYPE html><p class='a'>one<!-- two --><script>3</script><![CDATA[x]]>&amp;&#3;</p>",
    ".parquet": parquet_bytes(["one", "two"] * 20), ".zip": zip_bytes({"a.jsonl": LINES[:500], "b/c.txt": "x"}),
    ".jsonl.gz": gzip.compress(LINES[:900]), ".jsonl.zst": zstandard.compress(LINES[:900]),
}  # fmt: skip


@pytest.mark.parametrize("suffix", EXAMPLES)
@settings(max_examples=200)
@given(data=st.data())
def test_any_damage_is_survived(suffix, data):
    damaged = bytearray(EXAMPLES[suffix])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(damaged) - 1))
        damaged[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    found = documents(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]), "a" + suffix)
    assert found
    for document in found:
        assert isinstance(document, Skipped) == (not document.text)
        str(document).encode()


def test_every_format_is_damaged_here():
    assert {".txt", *READERS, *UNPACKERS} <= {".htm", ".xhtml", ".ndjson", ".tsv", ".gz", ".zst"} | set(EXAMPLES)


@pytest.mark.parametrize(
    "page",
    [b"<" * 300_000, b"<!" * 200_000, b"<a " * 200_000, b"<a b='" * 100_000, b"<!--" * 100_000, b"</" * 200_000,
     b"<![CDATA[" * 50_000, b"&" * 300_000, b"<p>" * 200_000, b"<svg>" * 100_000, b"<a" + b" " * 300_000, b"<?" * 200_000],
)  # fmt: skip
def test_pages_made_to_be_slow_are_not(page):
    assert documents(page, "a.html")


def test_the_limits_leave_text_alone():
    limits.refuse_bomb(limits.SMALL, 1, Knobs())
    limits.refuse_bomb(10**10, 10**9, Knobs())

import json
import os
import shutil
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora import Skipped, _walk, corpus
from glassformer.corpora._formats import pieces
from glassformer.corpora.files import Files
from glassformer.errors import CorpusError


def read(path, **knobs):
    return list(Files(path=str(path), **knobs).documents())


def refusal(path, **knobs):
    with pytest.raises(CorpusError) as error:
        read(path, **knobs)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_text_file_is_one_document_whose_byte_order_mark_is_gone(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfZo\xc3\xab\r\nb\n")
    (document,) = corpus(str(tmp_path / "a.txt")).documents()
    assert tuple(document) == ("Zoë\r\nb\n", "a.txt", "", 0, "")


@given(text=st.text(alphabet="ab é\n€𝄞", min_size=1).filter(str.strip), size=st.integers(8, 40))
def test_a_long_file_is_cut_into_pieces_that_lose_nothing_but_blank_ones(tmp_path_factory, text, size):
    path = tmp_path_factory.mktemp("long") / "a.txt"
    path.write_bytes(text.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE_BYTES", size)
        found = read(path)
    assert all(len(piece.text.encode()) <= size for piece in found)
    assert "".join("".join(piece.text for piece in found).split()) == "".join(text.split())
    for piece in found:
        line = int(piece.origin.partition(":")[2] or 1)
        assert piece.text.split("\n")[0] in text.split("\n")[line - 1]


def test_a_long_file_is_cut_at_blank_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 20)
    (tmp_path / "a.txt").write_text("one two three\n\nfour five\nsix\n\nseven eight nine ten")
    assert [(d.text, d.origin) for d in read(tmp_path / "a.txt")] == [
        ("one two three\n\n", "a.txt"),
        ("four five\nsix\n\n", "a.txt:3"),
        ("seven eight nine ten", "a.txt:6"),
    ]


def test_json_lines(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "one", "title": "t"}\n\n"two"\n{"text": "three", "stars": 3}\n')
    assert [(d.text, d.origin) for d in read(path)] == [
        ("one", "a.jsonl:1"),
        ("two", "a.jsonl:3"),
        ("three", "a.jsonl:4"),
    ]
    path.write_text('{"text": "one", "title": "t"}\n')
    assert [d.text for d in read(path, text_field="title")] == ["t"]


@pytest.mark.parametrize(
    "line, where_and_remedy",
    [
        (b"{", ["a.jsonl:2", "JSON", "repair or delete"]),
        (b"[" * 100_000, ["a.jsonl:2", "JSON"]),
        (b'{"title": "t", "body": "b"}', ["a.jsonl:2", "no field 'text'", "'title', 'body'", "set corpus.text_field"]),
        (b"3", ["a.jsonl:2", "a number"]),
        (b'"\xe2\x82\xac caf\xe9"', ["a.jsonl:2", "UTF-8", "set corpus.encoding"]),
    ],
)
def test_a_broken_json_line_is_skipped_or_refused_by_name(tmp_path, line, where_and_remedy):
    (tmp_path / "a.jsonl").write_bytes(b'"one"\n' + line + b'\n"three"\n')
    for place in (tmp_path, tmp_path / "a.jsonl"):
        message = refusal(place, bad="refuse")
        assert all(part in message for part in [str(tmp_path), *where_and_remedy]), message
        one, skipped, three = read(place)
        assert (one.text, three.text) == ("one", "three")
        assert isinstance(skipped, Skipped) and skipped.origin == "a.jsonl:2" and skipped.reason


def test_a_json_line_of_any_length_takes_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 10)
    (tmp_path / "a.jsonl").write_text('"one"\n"' + "x" * 1000 + '"\n"three"')
    assert [d.text or d.reason for d in read(tmp_path)] == ["one", "is too long a line", "three"]


@pytest.mark.parametrize(
    "data, words",
    [
        (b"", ["is empty"]),
        (b" \n\n\t", ["is empty"]),
        (b"\xef\xbb\xbf", ["is empty"]),
        (b"\x7fELF\0\0\0", ["is binary"]),
        (bytes(range(1, 8)) * 50, ["is binary"]),
    ],
)
def test_what_is_not_text_is_refused_by_name_and_skipped_in_a_folder(tmp_path, data, words):
    (tmp_path / "bad.txt").write_bytes(data)
    message = refusal(tmp_path / "bad.txt")
    assert all(word in message for word in [str(tmp_path / "bad.txt"), *words]), message
    assert "bad.txt" in refusal(tmp_path)
    (tmp_path / "good.md").write_text("good")
    skipped, good = read(tmp_path, bad="refuse" if "empty" in words[0] else "skip")
    assert good.text == "good" and skipped.text == "" and words[0] in str(skipped)


@pytest.mark.parametrize("bad", [b"\xff", b"\xe2\x82", b"\xc0\x80", b"caf\xe9 \xed\xa0\x80"])
def test_lines_with_bad_bytes_are_reported_and_the_others_kept(tmp_path, monkeypatch, bad):
    (tmp_path / "a.txt").write_bytes("\ufeffZoë, José, €\n".encode() + b"line\n" * 100 + bad + b"\nend")
    whole = read(tmp_path / "a.txt")
    assert [str(d) for d in whole[:-1]] == [
        "a.txt:102 is not valid UTF-8; repair it, or set corpus.encoding to the one it is in"
    ]
    assert whole[-1].text == "Zoë, José, €\n" + "line\n" * 100 + "end"
    assert "a.txt:102" in refusal(tmp_path / "a.txt", bad="refuse")
    monkeypatch.setattr(pieces, "PIECE_BYTES", 20)
    in_pieces = read(tmp_path)
    assert [d.origin for d in in_pieces if not d.text] == ["a.txt:102"]
    assert "".join(d.text for d in in_pieces) == whole[-1].text


def test_missing_and_empty_places_are_refused(tmp_path):
    assert "there is no file or folder" in refusal(tmp_path / "missing.txt")
    assert "holds no text" in refusal(tmp_path)
    (tmp_path / "inner").mkdir()
    assert "holds no text" in refusal(tmp_path)
    with pytest.raises(CorpusError, match="there is no file"):
        Files(path=str(tmp_path / "missing.txt")).fingerprint()


def test_a_file_that_may_not_be_read_is_refused_by_name_and_skipped_in_a_folder(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    real = open

    def guarded(path, *rest):
        if str(path).endswith("a.txt"):
            raise PermissionError(13, "Permission denied")
        return real(path, *rest)

    monkeypatch.setattr("builtins.open", guarded)
    assert "Permission denied" in refusal(tmp_path / "a.txt")
    assert [d.text or str(d) for d in read(tmp_path)] == [
        "a.txt cannot be read (Permission denied); check its permissions",
        "two",
    ]


def test_a_folder_is_read_to_the_bottom_in_order_and_its_counts_add_up(tmp_path):
    for name in ["b/2.txt", "b/1.md", "a.py", "c.ndjson", ".git/config", "b/.hidden.txt", "Z.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(name))
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\0\0")
    found = read(tmp_path)
    assert [d.origin for d in found if d.text] == ["Z.txt", "a.py", "b/1.md", "b/2.txt", "c.ndjson:1"]
    assert sorted(str(d) for d in found if not d.text)[:2] == [".git is hidden", "b/.hidden.txt is hidden"]
    assert len(found) == 8


@pytest.mark.skipif(os.name == "nt", reason="links and pipes of POSIX")
def test_links_and_pipes_never_hang_or_repeat(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.txt").write_text("one")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "again").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "pipe")
    found = read(tmp_path)
    assert [d.origin for d in found if d.text] == ["a/1.txt"]
    assert sorted(d.origin for d in found if not d.text) == ["a/up", "again", "nowhere", "pipe", "self"]
    assert "regular" in refusal(tmp_path / "pipe")
    assert "cannot be read" in refusal(tmp_path / "self")


def test_fault_07_the_fingerprint_follows_names_bytes_and_knobs_but_neither_times_nor_the_place(tmp_path):
    (tmp_path / "old").mkdir()
    path = tmp_path / "old" / "a.txt"
    path.write_text("one")
    os.utime(path, (1, 1))
    first = Files(path=str(tmp_path / "old")).fingerprint()
    (tmp_path / "old").rename(tmp_path / "new")
    path = tmp_path / "new" / "a.txt"
    same = Files(path=str(tmp_path / "new"))
    assert same.fingerprint() == first
    assert Files(path=same.path, text_field="body").fingerprint() != first
    os.utime(path, (2, 2))
    assert same.fingerprint() == first
    shutil.copy(path, tmp_path / "away")
    path.unlink()
    shutil.copy(tmp_path / "away", path)
    assert same.fingerprint() == first
    path.write_text("two")  # as long as before, and with the same times
    os.utime(path, (1, 1))
    assert same.fingerprint() != first
    path.write_text("one")
    assert same.fingerprint() == first
    path.rename(path.with_name("b.txt"))
    assert same.fingerprint() != first


def test_fault_07_a_single_file_is_its_bytes_and_its_ending(tmp_path):
    (tmp_path / "book.txt").write_text("one")
    shutil.copy(tmp_path / "book.txt", tmp_path / "novel.txt")
    shutil.copy(tmp_path / "book.txt", tmp_path / "book.csv")
    book, novel, table = (
        Files(path=str(tmp_path / name)).fingerprint() for name in ("book.txt", "novel.txt", "book.csv")
    )
    assert book == novel != table


def test_fault_07_a_file_that_was_read_is_read_again_after_a_change_that_its_times_do_not_show(tmp_path, monkeypatch):
    """A process remembers hashes of files that have not changed for a while, and only of those."""
    monkeypatch.setattr(_walk, "SETTLED", -1.0)  # as if the file were old
    path = tmp_path / "a.txt"
    path.write_text("one")
    os.utime(path, (1, 1))
    first = Files(path=str(path)).fingerprint()
    time.sleep(0.02)  # a tick of the clock of the file system
    path.write_text("two")
    os.utime(path, (1, 1))
    assert Files(path=str(path)).fingerprint() != first

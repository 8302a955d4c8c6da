"""Every format: what a writer that is not ours wrote is read back, and origins lead to it."""

import csv
import gzip
import io
import json
import shlex
import sys
import zipfile
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from glassformer.corpora import Skipped
from glassformer.corpora._formats import READERS, UNPACKERS, pieces, read
from glassformer.corpora._formats.knobs import Knobs
from glassformer.errors import MissingPackage

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=["Cc"]) | st.just("\n"))
TEXTS = st.lists(TEXT.filter(str.strip), min_size=1, max_size=8)


def documents(data: bytes, name: str, **knobs) -> list:
    with io.BytesIO(data) as file:
        return list(read(file, name, Knobs(**knobs)))


def texts(data: bytes, name: str, **knobs) -> list[str]:
    return [d.text if not isinstance(d, Skipped) else str(d) for d in documents(data, name, **knobs)]


def csv_bytes(rows, **form) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, **form).writerows(rows)
    return file.getvalue().encode()


def parquet_bytes(columns, **form) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **form)
    return file.getvalue()


def zip_bytes(members, method=zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


WRITERS = {
    ".jsonl": lambda texts: "\n".join(json.dumps({"text": t, "n": 1}) for t in texts).encode(),
    ".json": lambda texts: json.dumps([{"text": t, "n": [1, {"a": "b"}]} for t in texts], indent=1).encode(),
    ".csv": lambda texts: csv_bytes([("id", "text"), *enumerate(texts)]),
    ".tsv": lambda texts: csv_bytes([("id", "text"), *enumerate(texts)], delimiter="\t"),
    ".parquet": lambda texts: parquet_bytes({"id": list(range(len(texts))), "text": texts}, row_group_size=3),
}
PACKERS = {"": lambda data: data, ".gz": gzip.compress, ".zst": zstandard.compress}


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("suffix", WRITERS)
@given(written=TEXTS)
def test_what_others_write_is_read_back(suffix, packing, written):
    data = PACKERS[packing](WRITERS[suffix](written))
    found = documents(data, "a" + suffix + packing)
    assert [d.text for d in found] == written
    assert all(d.origin.startswith(f"a{suffix}{packing}:") for d in found)


@given(written=TEXTS, data=st.data())
def test_origins_are_the_lines_where_records_begin(written, data):
    suffix = data.draw(st.sampled_from([".jsonl", ".json", ".csv"]))
    raw = WRITERS[suffix](written)
    lines = raw.decode().split("\n")
    starts = {
        ".jsonl": [i for i in range(len(written))],
        ".json": [i for i, line in enumerate(lines) if line == " {"],
        ".csv": [1 + sum(1 + t.count("\n") for t in written[:i]) for i in range(len(written))],
    }[suffix]
    assert [d.origin for d in documents(raw, "a" + suffix)] == [f"a{suffix}:{start + 1}" for start in starts]


def test_every_reader_and_unpacker_is_tried_here():
    assert set(WRITERS) | {".html", ".htm", ".xhtml", ".ndjson"} == set(READERS)
    assert set(PACKERS) | {".zip"} == set(UNPACKERS) | {""}


@given(st.lists(TEXT, min_size=1), st.integers(8, 60))
def test_json_values_are_found_in_any_window(written, size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("glassformer.corpora._formats.json_values._Window._grow", _grow_by(size))
        for data in (json.dumps(written), "".join(json.dumps({"text": t}, indent=2) + "\n" for t in written)):
            found = documents(data.encode(), "a.json")
            assert [d.text for d in found] == [t if t.strip() else "" for t in written]


def _grow_by(size):
    def grow(window):
        window._text, window._at = window._text[window._at :], 0
        data = window._file.read(size)
        window._text += window._decoder.decode(data, final=not data)
        window._ended = not data

    return grow


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"", ["a.json is empty"]),
        (b"[]", ["a.json is empty"]),
        (b'{"text": "one"}', ["one"]),
        (b'  "one" "two"\n{"text": "three"}', ["one", "two", "three"]),
        (b'[\n"one",\n 3,\n{"a":\n "x", "b": "y"}]', ["one", "a.json:3 has no field", "a.json:4 has no field"]),
        (b'["one", "two"', ["one", "two", "a.json:1 is cut short"]),
        (b'["one",\n "tw', ["one", "a.json:2 is not valid JSON (Unterminated string"]),
        (
            b'["one",\n {"text": }, "three"]' + b" " * 30,
            ["one", "a.json:2 is not valid JSON (Expecting value) at value 2"],
        ),
        (b'["one" "two"]', ["one", "a.json:1 is not valid JSON (expecting"]),
        (b'["one"] x', ["one", "a.json:1 is not valid JSON (there is more"]),
        (b'["one",\n"\xe2\x82", "\xe2\x82\xac"]', ["one", "a.json:2 is not valid UTF-8", "€"]),
        (b"[" * 200_000, ["a.json:1 is cut short (inside a value) at value 1"]),
        (b"[" * 200_000 + b"]" * 200_000, ["a.json:1 holds a value that cannot be decoded (maximum recursion"]),
        (b"9" * 5_000, ["a.json:1 holds a value that cannot be decoded (Exceeds the limit"]),
        (b'["one", ' + b"9" * 5_000 + b', "three"]', ["one", "a.json:1 holds a value that cannot be decoded", "three"]),
    ],
)
def test_json_files(data, expected):
    found = texts(data, "a.json")
    assert len(found) == len(expected) and all(map(str.startswith, found, expected)), found


def test_a_long_json_value_takes_bounded_memory(monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 1000)
    monkeypatch.setattr("glassformer.corpora._formats.json_values._Window._grow", _grow_by(100))
    one, long, three = texts(b'["one", "' + b"x" * 5000 + b'", "three"]', "a.json")
    assert (one, three) == ("one", "three") and long.startswith("a.json:1 holds too long a value")


@given(
    st.lists(st.tuples(TEXT, TEXT, st.integers()), min_size=3),
    st.sampled_from([{}, {"delimiter": ";"}, {"delimiter": "|"}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\n"}]),
)
def test_a_named_column_of_any_table(rows, form):
    data = csv_bytes([("title", "body", "n"), *rows], **form)
    found = documents(data, "a.csv", text_field="body")
    assert [d.text for d in found] == [body if body.strip() else "" for _, body, _ in rows]


@pytest.mark.parametrize(
    "name, data, expected",
    [
        ("a.csv", b"id,body\n1,one\n2,two\n", ["one", "two"]),
        ("a.csv", b"id,day,body\n1,x,one\n", ["a.csv has no column 'text'"]),
        ("a.csv", b"text\none, two\nthree\n", ["one, two", "three"]),
        ("a.csv", b"one two three\nfour, five\n", ["one two three", "four, five"]),
        (
            "a.csv",
            b"text,n\none,1\n\ntwo,2,3\n three ,3\nfour\n",
            ["one", "a.csv:4 is not a row", " three ", "a.csv:6 is not"],
        ),
        (
            "a.csv",
            b'text,n\none,1\n"two,2\nthree,3\n',
            ["one", "a.csv:3 is not valid CSV (unexpected end of data); lines 3 to 4"],
        ),
        ("a.csv", b'text,n\n"a"b,1\ntwo,2\n"x\ny",3', ["a.csv:2 is not valid CSV", "two", "x\ny"]),
        ("a.csv", b"text,n\none,1\ncaf\xe9 \xe2\x82\xac,2\nthree,3", ["one", "a.csv:3 is not valid UTF-8", "three"]),
        ("a.csv", b"", ["a.csv is empty"]),
        ("a.csv", b"text,n\n", ["a.csv is empty"]),
        ("a.tsv", b'text\tn\n"Hi," he said\t1\nsay "x"\t2\n', ['"Hi," he said', 'say "x"']),
        ("a.tsv", b'text\tn\n"Hi, ""you"""\t1\n"a\tb"\t2\n', ['Hi, "you"', "a\tb"]),
    ],
)
def test_tables(name, data, expected):
    found = texts(data, name)
    assert len(found) == len(expected) and all(map(str.startswith, found, expected)), found


def test_a_long_row_takes_bounded_memory_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 1000)
    many = b'text,n\none,1\n"' + b"x\n" * 3000 + b'",2\n'
    assert [d.text for d in documents(b"text,n\none,1\n" + b"x" * 5000 + b",2\nthree,3\n", "a.csv")] == [
        "one",
        "",
        "three",
    ]
    one, long, three = documents(many + b"three,3\n", "a.csv")
    assert (one.text, long.reason, three.text) == ("one", "is too long a row", "three")


def test_parquet_columns_rows_and_types():
    one = parquet_bytes({"n": [1, 2, 3], "body": ["one", None, "three"]})
    assert texts(one, "a.parquet") == ["one", "a.parquet:2 is empty", "three"]
    categories = pyarrow.array(["x", "y", "x"]).dictionary_encode()
    assert texts(parquet_bytes({"text": categories, "other": ["", "", ""]}), "a.parquet") == ["x", "y", "x"]
    large = pyarrow.array(["x"], pyarrow.large_string())
    assert texts(parquet_bytes({"text": large}), "a.parquet") == ["x"]
    (refused,) = texts(parquet_bytes({"a": ["x"], "b": ["y"]}), "a.parquet")
    assert refused.startswith("a.parquet has no column 'text' and") and "'a', 'b'" in refused
    assert texts(parquet_bytes({"text": pyarrow.array([], pyarrow.string())}), "a.parquet") == ["a.parquet is empty"]


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPackage, match=r"a.parquet needs pyarrow.* -m pip install pyarrow$") as refused:
        documents(parquet_bytes({"text": ["x"]}), "a.parquet")
    program = shlex.split(str(refused.value).partition("install it with: ")[2])[0]  # a line that works as it stands
    assert Path(program).samefile(sys.executable)


PAGE = """<!DOCTYPE html><html><head><title>The title</title><style>p { color: red }</style>
<script>if (a < b) { document.write("<p>never</p>") }</script></head>
<body><!-- a <b>comment</b> --><h1>Head &amp; shoulders</h1><p>One <b>bold</b>
   line,<br>and&nbsp;another &#233;.</p><ul><li>first<li>second</ul>
<pre>  kept
    as is</pre><table><tr><td>a</td><td>b</td></tr></table><![if IE]>hm<![endif]><svg><text>no</text></svg>
<img alt="x > y" src="data:image/png;base64,AAAA"> end </body></html>"""
LINES = [
    "The title", "Head & shoulders", "One bold line,", "and\xa0another é.", "first", "second", "  kept", "    as is",
    "a b", "hm end",
]  # fmt: skip


@pytest.mark.parametrize("chunk", [1, 7, 1 << 16])
def test_the_text_of_a_page(monkeypatch, chunk):
    monkeypatch.setattr("glassformer.corpora._formats.html.CHUNK", chunk)
    (page,) = documents(PAGE.encode(), "a.html")
    assert page.text.split("\n") == LINES and page.origin == "a.html"


@pytest.mark.parametrize(
    "data, expected",
    [
        (b"<p>one</p><script>two", ["one", "a.html:1 does not close its tags (it ends inside <script>)"]),
        (b"<p>one</p>\n<style><p>two", ["one", "a.html:2 does not close its tags"]),
        (b"<p>one</p><svg><svg></svg><p>two", ["one", "a.html:1 does not close its tags (it ends inside <svg>)"]),
        (b"<p>one</p><![x]><! ><!-- ><?php a < b", ["one"]),
        (b"<p>one<p>\n<b", ["one"]),
        (b"3 < 4 & 5 &nosuch; > 2", ["3 < 4 & 5 &nosuch; > 2"]),
        ("<meta charset=iso8859_2><p>gęślą".encode("iso8859_2"), ["gęślą"]),
        (b"<p>\xe2\x82\xac</p>\n<p>caf\xe9</p>\n<p>two</p>", ["€\ntwo", "a.html:2 is not valid UTF-8"]),
        (b"", ["a.html is empty"]),
        (b"<p></p>", ["a.html is empty"]),
    ],
)
def test_pages(data, expected):
    found = texts(data, "a.html")
    assert len(found) == len(expected) and all(map(str.startswith, found, expected)), found


def test_a_long_page_and_an_endless_tag_take_bounded_memory(monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 4000)
    monkeypatch.setattr("glassformer.corpora._formats.html.CHUNK", 100)
    found = documents(b"<p>a line</p>" * 5000, "a.html")
    assert max(len(d.text) for d in found) <= 4000 and "\n".join(d.text for d in found).split() == ["a", "line"] * 5000
    one, skipped = documents(b"<p>one</p><a href='" + b"x" * 50_000, "a.html")
    assert one.text == "one" and "ends inside a tag" in str(skipped)


def test_members_of_an_archive_are_read_as_in_a_folder():
    inner = {"b/2.txt": "two", "a.jsonl": '"x"\n{', "b/1.csv": "text\ny", "empty.txt": "", ".hidden": "h",
             "__MACOSX/a": "m", "folder/": "", "c.parquet": parquet_bytes({"text": ["z"]}), "a\n.txt": "odd",
             "in.zip": zip_bytes({"d.txt": "deep"}), "t.txt.gz": gzip.compress(b"deep")}  # fmt: skip
    found = documents_of_file(zip_bytes(inner))
    assert [(d.origin, d.text) for d in found if d.text] == [
        ("a.zip/a\ufffd.txt", "odd"),
        ("a.zip/a.jsonl:1", "x"),
        ("a.zip/b/1.csv:2", "y"),
        ("a.zip/b/2.txt", "two"),
        ("a.zip/c.parquet:1", "z"),
    ]
    assert [str(d).partition(";")[0] for d in found if not d.text] == [
        "a.zip/.hidden is hidden",
        "a.zip/__MACOSX/a is hidden",
        "a.zip/a.jsonl:2 is not valid JSON (Expecting property name enclosed in double quotes)",
        "a.zip/empty.txt is empty",
        "a.zip/in.zip is packed twice",
        "a.zip/t.txt.gz is packed twice",
    ]
    assert [str(d) for d in documents_of_file(zip_bytes({}))] == ["a.zip is empty"]


def documents_of_file(data: bytes, name: str = "a.zip", **knobs) -> list:
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return list(read(file, name, Knobs(**knobs)))

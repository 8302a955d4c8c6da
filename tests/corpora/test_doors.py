"""Files as other programs write them, at random: what an independent reader finds in one, a document or a report says.

The oracles are `csv.reader` in the dialect that was written, `json` and `pyarrow`. A case is (name, bytes, settings, what
each record holds), with None for a record without text: so the counts add up when the lists are equal.
"""

import csv
import gzip
import io
import json
import tempfile
import zipfile

import pyarrow
import pyarrow.parquet
import pytest
import zstandard
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glassformer.corpora import Skipped
from glassformer.corpora._formats import read
from glassformer.corpora._formats.dialect import NUMBER
from glassformer.corpora._formats.knobs import Knobs

LETTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn"])
SIGNS = st.sampled_from(
    list(" \n\n,;|\t\"\"''\\.:=-#{}[]0123") + ["\r\n", "\r", "\v", "\f", "\x85", "\u2028", "\x1e", "𝄞"]
)
SENTENCES = st.sampled_from(
    ["Once upon a time there was a fox.", '"Hello," said the fox; "who are you?"', "The end.", "It's late, isn't it?"]
)
TEXT = st.one_of(
    st.lists(st.one_of(SIGNS, LETTERS), max_size=30).map("".join), SENTENCES, st.lists(SENTENCES).map("\n".join)
)
TEXTS = st.lists(TEXT, min_size=1, max_size=12)
ENCODINGS = st.sampled_from(["utf-8", "utf-8", "utf-8-sig", "utf-16", "cp1252"])
EVIDENCE = '"It\'s" said; with, all|of\tthem\nin one.'
"""A text that cannot be written without quotes or escapes, whatever the dialect."""


def packed(draw, name: str, data: bytes) -> tuple[str, bytes]:
    packing = draw(st.sampled_from(["", "", ".gz", ".zst", ".zip"]))
    if packing == ".zip":
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        return "a.zip", file.getvalue()
    return name + packing, {"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[packing](data)


def encoded(draw, text: str) -> tuple[bytes, dict]:
    """The bytes of a file, and the settings to read it with: a guess of an encoding is not what is tried here."""
    name = draw(ENCODINGS)
    try:
        return text.encode(name), {"encoding": "cp1252"} if name == "cp1252" else {}
    except UnicodeEncodeError:
        return text.encode(), {}


def said(text) -> str | None:
    return text if isinstance(text, str) and text.strip() else None


QUOTED = st.fixed_dictionaries({"quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])})
RARE = st.sampled_from(
    [
        {"quotechar": "'"}, {"quotechar": "'", "quoting": csv.QUOTE_ALL}, {"escapechar": "\\", "doublequote": False},
        {"escapechar": "\\", "doublequote": False, "quoting": csv.QUOTE_ALL},
        {"escapechar": "\\", "quoting": csv.QUOTE_NONE},
    ]
)  # fmt: skip


@st.composite
def tables(draw):
    texts = draw(TEXTS)
    is_rare = draw(st.integers(0, 4)) == 0
    form = draw(RARE if is_rare else QUOTED) | {
        "delimiter": draw(st.sampled_from([",", "\t", ";", "|"])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
    }
    header = draw(
        st.sampled_from([["text"], ["n", "text"], ["text", "n", "label"], ["body"], ["n", "body"], None, [None]])
    )
    columns, has_header = header or ["n", "text"], bool(header and header[0])
    texts = [EVIDENCE] * is_rare + ["Once upon a time there was a fox."] * (not has_header) + texts
    cells = {"n": lambda i, text: i - 3, "label": lambda i, text: "good" if i % 3 else "so, so"}
    rows = [[cells.get(name, lambda i, text: text)(i, text) for name in columns] for i, text in enumerate(texts)]
    file = io.StringIO(newline="")
    try:
        csv.writer(file, **form).writerows([header] * has_header + rows)
    except csv.Error:  # one empty field without quotes
        assume(False)
    written = file.getvalue()
    reads = form | {"quoting": csv.QUOTE_NONE if form.get("quoting") == csv.QUOTE_NONE else csv.QUOTE_MINIMAL}
    oracle = [row for row in csv.reader(io.StringIO(written, newline=""), **reads) if row]
    assume(
        oracle[has_header:] == [list(map(str, row)) for row in rows]
    )  # else the writer wrote what no reader can read
    if header is None or "text" not in header:  # then the texts have to look like texts, and the header like a header
        assume(
            any(not NUMBER.fullmatch(text) for text in texts) and not {"body", "n", "text"} & {t.strip() for t in texts}
        )
    if has_header and draw(st.integers(0, 5)) == 0:
        written = f"sep={form['delimiter']}{form['lineterminator']}{written}"
    data, knobs = encoded(draw, written)
    name, data = packed(draw, draw(st.sampled_from(["a.csv", "a.csv", "a.tsv"])), data)
    return name, data, knobs, [said(text) for text in texts]


@st.composite
def records(draw):
    value = st.one_of(TEXT, TEXT, TEXT, st.none(), st.integers(), st.booleans(), st.just({"a": ["b"]}))
    others = st.dictionaries(st.sampled_from(["id", "n", "Text", "body"]), st.one_of(TEXT, st.integers()), max_size=2)
    record = st.one_of(st.builds(lambda t, o: o | {"text": t}, value, others), others, TEXT, st.integers())
    found = draw(st.lists(record, min_size=1, max_size=12))
    assume(any(isinstance(item, dict) and "text" in item for item in found))
    form = {"ensure_ascii": draw(st.booleans())}
    layout = draw(st.sampled_from(["lines", "lines.json", "array", "indented", "values"]))
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    if layout.startswith("lines"):
        written = "".join(json.dumps(item, **form) + end for item in found)
    elif layout == "values":
        written = "\n".join(json.dumps(item, indent=2, **form) for item in found)
    else:
        written = json.dumps(found, indent=1 if layout == "indented" else None, **form)
    data, knobs = encoded(draw, written)
    name, data = packed(draw, "a.jsonl" if layout == "lines" else "a.json", data)
    return name, data, knobs, [said(item.get("text") if isinstance(item, dict) else item) for item in found]


@st.composite
def arrow(draw):
    texts = draw(st.lists(st.one_of(TEXT, TEXT, TEXT, st.none()), max_size=12))
    kind = draw(
        st.sampled_from(
            [
                pyarrow.string(), pyarrow.large_string(), pyarrow.string_view(), pyarrow.list_(pyarrow.string()),
                pyarrow.dictionary(pyarrow.int32(), pyarrow.string()), pyarrow.large_list(pyarrow.string()),
                pyarrow.dictionary(pyarrow.int8(), pyarrow.large_string()), pyarrow.binary(),
            ]
        )
    )  # fmt: skip
    if "list" in str(kind):
        texts = [text if text is None else text.split(" ") for text in texts]
    column = (
        pyarrow.array(texts, pyarrow.string()).cast(kind) if "dictionary" in str(kind) else pyarrow.array(texts, kind)
    )
    columns = {"text": column} | draw(
        st.sampled_from([{}, {"n": range(len(texts))}, {"title": ["x"] * len(texts), "d": [b"\xff"] * len(texts)}])
    )
    names = draw(st.permutations(list(columns)))
    file = io.BytesIO()
    pyarrow.parquet.write_table(
        pyarrow.table({name: columns[name] for name in names}), file, row_group_size=draw(st.integers(1, 12)),
        compression=draw(st.sampled_from(["none", "snappy", "zstd", "gzip"])), use_dictionary=draw(st.booleans()),
        store_schema=draw(st.booleans()), data_page_version=draw(st.sampled_from(["1.0", "2.0"])),
    )  # fmt: skip
    oracle = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))["text"].to_pylist()
    oracle = ["\n".join(text) if isinstance(text, list) else text for text in oracle]
    oracle = [text.decode() if isinstance(text, bytes) else text for text in oracle]
    name, data = packed(draw, "a.parquet", file.getvalue())
    return name, data, {}, [said(text) for text in oracle] or [None]


@st.composite
def exports(draw):
    """Word's plain text: paragraphs, with its own characters for line and page breaks in them."""
    paragraphs = draw(st.lists(st.one_of(TEXT, st.lists(SENTENCES).map("\v".join), st.just("\f")), max_size=9))
    written = draw(st.sampled_from(["\r\n", "\r", "\n"])).join(paragraphs)
    data, knobs = encoded(draw, written)
    name, data = packed(draw, draw(st.sampled_from(["a.txt", "a.md", "a"])), data)
    return name, data, knobs, [said(written)]


CASES = st.one_of(tables(), tables(), records(), arrow(), exports())


def check(case) -> None:
    name, data, knobs, expected = case
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        found = list(read(file, name, Knobs(**knobs)))
    assert [None if isinstance(d, Skipped) else d.text for d in found] == expected, [str(d) for d in found]
    for document in found:
        assert not isinstance(document, Skipped) or str(document).startswith(document.origin)
        assert "\n" not in str(document) if isinstance(document, Skipped) else "\n" not in document.note


@settings(max_examples=100)
@given(CASES)
def test_what_others_write_is_read_record_by_record(case):
    check(case)


@pytest.mark.slow
@settings(max_examples=2000)
@given(CASES)
def test_what_others_write_is_read_record_by_record_many_times(case):
    check(case)

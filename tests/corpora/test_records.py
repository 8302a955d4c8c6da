"""Records (jsonl, json, parquet): which field is the text is decided for the file, and each record gives one answer."""

import gzip
import io
import json
import zipfile

import pyarrow
import pyarrow.parquet
import pytest

from glassformer.corpora._formats import pieces, read
from glassformer.corpora._formats.knobs import Knobs

GOOD = [{"id": f"rec-{i:04}", "text": f"text {i}"} for i in range(30)]


def documents(data: bytes, name: str, **knobs) -> list:
    import tempfile

    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.seek(0)
        return list(read(file, name, Knobs(**knobs)))


def lines(records, **form) -> bytes:
    return "".join(json.dumps(record, **form) + "\n" for record in records).encode()


def array(records) -> bytes:
    return json.dumps(records, indent=1).encode()


def archived(records) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.jsonl", lines(records))
    return file.getvalue()


WRITERS = {
    "a.jsonl": lines, "a.ndjson": lines, "a.json": array, "b.json": lines, "a.jsonl.gz": lambda r: gzip.compress(lines(r)),
    "a.zip": archived, "c.jsonl": lambda r: lines(r).decode().encode("utf-16"),
    "d.jsonl": lambda r: lines(r).replace(b"\n", b"\r"), "e.jsonl": lambda r: lines(r).replace(b"\n", b"\r\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("place", [0, 7, 30])
@pytest.mark.parametrize(
    "odd, reason",
    [
        ({"id": "rec-0007", "text": None}, "is empty"),
        ({"id": "rec-0007", "text": ""}, "is empty"),
        ({"id": "rec-0007", "text": []}, "is empty"),
        ({"id": "rec-0007"}, "has no field 'text'"),
        ({"id": "rec-0007", "text": 7}, "has no text in its field 'text', but a number"),
        ({"id": "rec-0007", "text": {"en": "x"}}, "has no text in its field 'text', but an object"),
        ({"id": "rec-0007", "Text": "other"}, "has no field 'text'"),
    ],
)
def test_fault_2_an_id_is_not_a_text(name, place, odd, reason):
    found = documents(WRITERS[name](GOOD[:place] + [odd] + GOOD[place:]), name)
    assert [d.text for d in found if d.text] == [record["text"] for record in GOOD]
    assert len(found) == 31 and str(found[place]).partition(" ")[2].startswith(reason)


@pytest.mark.parametrize("name", WRITERS)
def test_fault_2_the_first_records_decide_together(name):
    found = documents(WRITERS[name]([{"id": "a"}, {"id": "b", "n": 1}, *GOOD]), name)
    assert [d.text for d in found] == ["", ""] + [record["text"] for record in GOOD]
    assert {d.note for d in found[2:]} <= {"", "was read as utf-16"}


def test_a_guess_is_told_and_loses_against_the_name_that_was_asked_for(monkeypatch):
    monkeypatch.setattr("glassformer.corpora._formats.fields.DECIDED_BY", 500)
    records = [{"id": i, "body": f"body {i}"} for i in range(40)]
    later = [{"id": 1, "text": "named"}, {"id": 2, "title": "x"}, "a line", {"id": 3, "body": None}]
    found = documents(lines(records + later), "a.jsonl")
    assert [d.text for d in found] == [r["body"] for r in records] + ["named", "", "a line", ""]
    assert {d.note for d in found[:40]} == {"was read from the field 'body'"} and not found[40].note + found[42].note
    assert (
        str(found[41]) == "a.jsonl:42 has no field 'body', which holds the text in this file (there is: 'id', 'title')"
    )
    assert found[43].reason == "is empty"


@pytest.mark.parametrize("name", WRITERS)
def test_a_field_of_the_same_name_in_other_letters_is_found_among_others(name):
    found = documents(WRITERS[name]([{"Title": "x", "Text": "one"}, {"Title": "y", "Text": "two"}]), name)
    assert [d.text for d in found] == ["one", "two"] and found[0].note.endswith("from the field 'Text'")


def test_where_no_field_can_be_told_each_record_says_so():
    for name in ("a.jsonl", "a.json"):
        found = documents(WRITERS[name]([{"a": "x", "b": "y"}, {"a": "x"}, {"b": "y"}, 3, [1]]), name)
        assert len(found) == 5 and {d.reason for d in found} == {"has no field"}
        assert all("set corpus.text_field" in str(d) for d in found)


@pytest.mark.parametrize("name", WRITERS)
def test_the_paragraphs_of_a_text_are_its_lines_and_that_is_told(name):
    found = documents(WRITERS[name]([{"text": ["one", "two"]}, {"text": ["one", 2]}, {"text": "three"}]), name)
    assert [d.text for d in found] == ["one\ntwo", "", "three"]
    assert found[0].note.endswith("with the strings of each list as lines") and "lines" not in found[2].note


@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_a_long_text_of_a_record_is_cut_into_pieces(name, monkeypatch):
    monkeypatch.setattr(pieces, "PIECE_BYTES", 1000)
    long = "A line of the text.\n" * 500
    found = documents(WRITERS[name]([{"text": "one"}, {"text": long}, {"text": "two"}]), name)
    assert found[0].text == "one" and found[-1].text == "two" and "".join(d.text for d in found[1:-1]) == long
    assert max(len(d.text) for d in found) <= 1000


HUGE = [
    "x" * 90_000, ["x", {"y": "[{\\"}] * 9_000, {"a": {"b": "]}\"\\" * 30_000}}, {"text": "line\n" * 20_000},
    [[[]], "é\u2028" * 20_000],
]  # fmt: skip


@pytest.mark.parametrize("huge", range(len(HUGE)))
@pytest.mark.parametrize("name", ["a.json", "b.json", "a.jsonl"])
@pytest.mark.parametrize("step", [1, 1000])
def test_fault_18_a_huge_value_costs_only_itself(name, huge, step, monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 20_000)
    monkeypatch.setattr("glassformer.corpora._formats.json_values.STEP", step)
    found = documents(WRITERS[name]([{"text": "one"}, HUGE[huge], {"text": "two"}, HUGE[huge], "three"]), name)
    assert [d.text for d in found] == ["one", "", "two", "", "three"]
    assert {d.reason for d in found if not d.text} <= {"holds too long a value", "is too long a line"}


@pytest.mark.parametrize("cut", [2, 3, 4, 20_000, 50_000])
def test_a_huge_value_that_is_cut_short_is_one_report(cut, monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 20_000)
    monkeypatch.setattr("glassformer.corpora._formats.json_values.STEP", 1000)
    data = json.dumps(["one", {"a": ["x" * 90_000]}]).encode()[:-cut]
    one, last = documents(data, "a.json")
    assert one.text == "one" and last.reason == "is cut short"


def parquet_bytes(columns, **form) -> bytes:
    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), file, **form)
    return file.getvalue()


TEXTS = ["one", None, "drei\nvier", "", "five " * 300, "ü\u2028", "one"]
TYPES = [
    pyarrow.string(), pyarrow.large_string(), pyarrow.string_view(), pyarrow.json_(),
    pyarrow.dictionary(pyarrow.int8(), pyarrow.string()), pyarrow.dictionary(pyarrow.uint32(), pyarrow.large_string()),
    pyarrow.binary(), pyarrow.large_binary(), pyarrow.binary_view(),
]  # fmt: skip


@pytest.mark.parametrize("form", [{}, {"row_group_size": 2}, {"use_dictionary": False, "store_schema": False}], ids=str)
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_fault_12_every_kind_of_string_is_text(kind, form):
    values = json_strings(kind)
    column = pyarrow.array(values, kind) if not pyarrow.types.is_dictionary(kind) else pyarrow.array(values).cast(kind)
    found = documents(parquet_bytes({"n": list(range(7)), "title": ["t"] * 7, "text": column}, **form), "a.parquet")
    assert [d.text for d in found] == [value or "" for value in values]
    assert [d.reason for d in found if not d.text] == ["is empty"] * values.count(None) + ["is empty"] * values.count(
        ""
    )
    assert {d.note for d in found} == {""}


def json_strings(kind) -> list:
    return [text and json.dumps(text) for text in TEXTS] if kind == pyarrow.json_() else TEXTS


@pytest.mark.parametrize("inner", [pyarrow.string(), pyarrow.large_string(), pyarrow.string_view()], ids=str)
@pytest.mark.parametrize("outer", [pyarrow.list_, pyarrow.large_list])
@pytest.mark.parametrize("name", ["text", "parts"])
def test_fault_12_lists_of_strings_are_lines_and_that_is_told(inner, outer, name):
    column = pyarrow.array([["one", "two"], None, ["three", None], []], outer(inner))
    found = documents(parquet_bytes({"n": [1, 2, 3, 4], name: column}), "a.parquet")
    assert [d.text for d in found] == ["one\ntwo", "", "three", ""]
    assert "with the strings of each list as lines" in found[0].note
    assert ("from the column 'parts'" in found[0].note) == (name == "parts")


@pytest.mark.parametrize(
    "columns, said",
    [
        ({"text": [1, 2], "body": ["x", "y"]}, "has no text in its column 'text', but int64"),
        ({"text": [{"a": "x"}], "body": ["x"]}, "has no text in its column 'text', but struct"),
        ({"a": ["x"], "b": ["y"]}, "has no column 'text'"),
        ({"a": [b"x"]}, "has no column 'text'"),
    ],
)
def test_a_column_without_text_is_not_called_missing(columns, said):
    (refused,) = documents(parquet_bytes(columns), "a.parquet")
    assert said in str(refused) and "set corpus.text_field" in str(refused)


def test_a_column_of_nothing_is_empty_row_by_row():
    found = documents(parquet_bytes({"text": pyarrow.nulls(3), "body": ["x", "y", "z"]}), "a.parquet")
    assert [d.reason for d in found] == ["is empty"] * 3


@pytest.mark.parametrize("kind", [pyarrow.string(), pyarrow.large_string(), pyarrow.binary()], ids=str)
def test_bytes_that_are_no_text_cost_one_row(kind):
    column = pyarrow.array(
        [b"one", b"caf\xe9", b"three"], pyarrow.large_binary() if "large" in str(kind) else pyarrow.binary()
    )
    found = documents(parquet_bytes({"text": column.view(kind)}), "a.parquet")
    assert [d.text for d in found] == ["one", "", "three"] and found[1].reason == "is not valid UTF-8"


def test_names_with_dots_and_names_that_are_there_twice():
    assert [d.text for d in documents(parquet_bytes({"a.b": ["x"], "n": [1]}), "a.parquet", text_field="a.b")] == ["x"]
    nested = pyarrow.array([{"b": "wrong", "c": 1}])
    data = parquet_bytes({"a": nested, "a.b": ["right"]})
    assert [d.text for d in documents(data, "a.parquet", text_field="a.b")] == ["right"]
    file = io.BytesIO()
    twice = pyarrow.Table.from_arrays([pyarrow.array(["one"]), pyarrow.array(["two"])], names=["text", "text"])
    pyarrow.parquet.write_table(twice, file)
    assert [d.text for d in documents(file.getvalue(), "a.parquet")] == ["one"]


def test_long_rows_are_decoded_a_few_at_a_time(monkeypatch):
    sizes = []
    real = pyarrow.parquet.ParquetFile.iter_batches

    def spied(table, batch_size, **rest):
        sizes.append(batch_size)
        return real(table, batch_size, **rest)

    monkeypatch.setattr(pyarrow.parquet.ParquetFile, "iter_batches", spied)
    monkeypatch.setattr(pieces, "VALUE_BYTES", 100_000)
    long = ["A line of many, of which no other is like it.\n" * 1000 + str(i) for i in range(20)]
    assert [d.text for d in documents(parquet_bytes({"text": long}, use_dictionary=False), "a.parquet")] == long
    assert documents(parquet_bytes({"text": ["short"] * 3}), "a.parquet")
    assert sizes == [2, 256]

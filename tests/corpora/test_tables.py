"""Tables (csv, tsv): what the tools that people use write is read back, and every choice made on the way is told."""

import csv
import gzip
import io

import pandas
import pyarrow
import pyarrow.csv
import pytest

from glassformer.corpora import Skipped
from glassformer.corpora._formats import pieces, read
from glassformer.corpora._formats.dialect import Dialect
from glassformer.corpora._formats.knobs import Knobs
from glassformer.corpora._formats.table import _Lines

STORIES = [f'Story {i}\n"Hello," said the fox; it ran.\nThe end, {i}.' for i in range(30)]
DELIMITERS = [",", "\t", ";", "|"]


def documents(data: bytes, name: str = "a.csv", **knobs) -> list:
    return list(read(io.BytesIO(data), name, Knobs(**knobs)))


def texts(data: bytes, name: str = "a.csv", **knobs) -> list[str]:
    return [d.text if not isinstance(d, Skipped) else str(d) for d in documents(data, name, **knobs)]


def written(rows, **form) -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, **form).writerows(rows)
    return file.getvalue().encode()


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
def test_fault_1_a_table_of_one_column_is_read_as_it_was_written(quoting, end, delimiter):
    for header in ("text", "body", None):
        rows = [[header]] * (header is not None) + [[story] for story in STORIES]
        data = written(rows, delimiter=delimiter, quoting=quoting, lineterminator=end)
        for name in ("a.csv", "a.tsv", "a.csv.gz"):
            assert texts(gzip.compress(data) if name.endswith(".gz") else data, name) == STORIES


@pytest.mark.parametrize("header", ["text", "body"])
@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize(
    "form",
    [
        {"quotechar": "'"},
        {"quotechar": "'", "quoting": csv.QUOTE_ALL},
        {"escapechar": "\\", "doublequote": False},
        {"escapechar": "\\", "doublequote": False, "quoting": csv.QUOTE_ALL},
        {"escapechar": "\\", "quoting": csv.QUOTE_NONE},
    ],
    ids=str,
)
def test_fault_1_in_other_dialects(header, delimiter, form):
    stories = [story + " It's late, he said." for story in STORIES]
    for rows in ([[header]] + [[s] for s in stories], [["n", header]] + [[i, s] for i, s in enumerate(stories)]):
        assert texts(written(rows, delimiter=delimiter, lineterminator="\n", **form)) == stories


@pytest.mark.parametrize("delimiter", [":", " ", "^", "~", "\x1f"])
def test_rare_delimiters_are_found_by_the_name_of_the_column(delimiter):
    rows = [["id", "text", "n"]] + [[i, story, 1] for i, story in enumerate(STORIES)]
    assert texts(written(rows, delimiter=delimiter)) == STORIES


def test_quotation_marks_of_a_table_without_quoting_stay():
    lines = ['"Hi," he said.', 'She: "No."', "'Tis late, he said.", 'the 5" disk', "a plain line"] * 4
    assert texts("\n".join(["text", *lines]).encode()) == lines
    assert texts("\n".join(lines).encode()) == lines
    table = "n\ttext\n" + "".join(f"{i}\t{line}\n" for i, line in enumerate(lines))
    assert texts(table.encode(), "a.tsv") == lines


def test_a_backslash_stays_where_it_escapes_nothing():
    lines = [r"C:\new\text", r"\alpha, \beta", 'say "no"', r"a \\ b"]
    for form in ({}, {"quoting": csv.QUOTE_ALL}, {"delimiter": ";"}):
        assert texts(written([["id", "text"], *enumerate(lines)], **form)) == lines
        assert texts(written([["text"], *([line] for line in lines)], **form)) == lines


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_other_characters_that_end_lines_elsewhere_do_not_end_rows(end):
    stories = [
        "one\x0btwo",
        "one\x0ctwo",
        "one\x85two",
        "one\u2028two",
        "one\x1etwo",
        "one\r\ntwo",
        "one\rtwo",
        "\na\r",
    ]
    for rows in ([["text"]] + [[s] for s in stories], [["text", "n"]] + [[s, 1] for s in stories]):
        data = written(rows, lineterminator=end, quoting=csv.QUOTE_ALL)
        assert [d.text for d in documents(data)] == stories
    lone = ["one\x0btwo", "one\x85two", "one\rtwo"] if end == "\n" else []
    assert texts(end.join(["text,n", *(s + ",1" for s in lone)]).encode()) == lone or not lone


EXPORTS = {
    "German Excel": ("Id;Text;Datum\r\n1;\"Es war; einmal\nein König\";1.2.2024\r\n2;Grüße, Zoë;x\r\n", "cp1252", "a.csv"),
    "Excel with BOM": ('id,text\r\n1,"Es war; einmal\nein König"\r\n2,"Grüße, Zoë"\r\n', "utf-8-sig", "a.csv"),
    "Excel's hint": ("sep=;\r\nid;text\r\n1;\"Es war; einmal\nein König\"\r\n2;Grüße, Zoë\r\n", "utf-8-sig", "a.csv"),
    "Unicode text": ('id\ttext\r\n1\t"Es war; einmal\nein König"\r\n2\tGrüße, Zoë\r\n', "utf-16", "a.csv"),
    "Macintosh": ('id,text\r1,"Es war; einmal\nein König"\r2,"Grüße, Zoë"\r', "utf-8", "a.csv"),
}  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS)
def test_what_spreadsheets_export(export):
    table, encoding, name = EXPORTS[export]
    assert [d.text for d in documents(table.encode(encoding), name)] == ["Es war; einmal\nein König", "Grüße, Zoë"]


@pytest.mark.parametrize("index", [True, False])
@pytest.mark.parametrize(
    "form", [{}, {"sep": ";"}, {"sep": "\t"}, {"quoting": csv.QUOTE_ALL}, {"lineterminator": "\r\n"}]
)
def test_what_pandas_writes(index, form):
    for table in (pandas.DataFrame({"text": STORIES}), pandas.DataFrame({"n": range(30), "text": STORIES})):
        assert texts(table.to_csv(index=index, **form).encode()) == STORIES
    assert texts(pandas.Series(STORIES).to_csv(index=index, **form).encode()) == STORIES


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("style", ["needed", "all_valid"])
def test_what_arrow_writes(style, delimiter):
    for table in (pyarrow.table({"text": STORIES}), pyarrow.table({"n": list(range(30)), "text": STORIES})):
        file = io.BytesIO()
        options = pyarrow.csv.WriteOptions(quoting_style=style, delimiter=delimiter)
        pyarrow.csv.write_csv(table, file, options)
        assert texts(file.getvalue()) == STORIES


def test_fault_3_a_long_field_is_one_text_in_pieces():
    long = (
        "A line of a long text, with a comma. It is not short, and there are many of its kind in the book.\n" * 100_000
    )
    for rows in ([["text"], ["one"], [long], ["two"]], [["text", "n"], ["one", 1], [long, 2], ["two", 3]]):
        found = documents(written(rows))
        assert not [str(d) for d in found if isinstance(d, Skipped)]
        assert found[0].text == "one" and found[-1].text == "two" and "".join(d.text for d in found[1:-1]) == long
        assert max(len(d.text) for d in found) <= pieces.PIECE_BYTES and len(found) == 4


@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
@pytest.mark.parametrize("unit", ['A "line", it ends.\n', "x,;\t", "\n", 'a"\n"b', "é\r\n"])
def test_fault_3_reading_goes_on_behind_a_field_that_is_too_long(monkeypatch, unit, name):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 10_000)
    long = unit * (20_000 // len(unit))
    rows = [["text", "n"], ["one", 1], [long, 2], ["two", 3], ["three\nfour", 4], [long * 2, 2]]
    one, long, *rest = documents(written(rows, delimiter="\t" if name == "a.tsv" else ","), name)
    assert (one.text, [d.text for d in rest]) == ("one", ["two", "three\nfour", ""])
    assert long.origin == f"{name}:3" and long.reason == "is too long a row" and rest[-1].reason == long.reason


def test_a_quote_that_never_closes_fills_no_memory(monkeypatch):
    monkeypatch.setattr(pieces, "VALUE_BYTES", 10_000)
    rest = [b"three,3\n"] * 50_000
    one, lost = documents(b'text,n\none,1\n"two,2\n' + b"".join(rest))
    assert one.text == "one" and "lines 3 to 50003 are lost" in str(lost)
    held = _Lines(iter([b'"two,2\n', *rest]), Dialect(","))
    assert sum(map(len, held)) <= 10_000


@pytest.mark.parametrize(
    "table, expected",
    [
        ("ham,Go until jurong point.\nspam,Free entry.\nham,Ok lar.\n", "several columns"),
        ("1,Once upon a time.\n2,The end.\n", ["Once upon a time.", "The end."]),
        ("Once upon a time.\nThe end.\n", ["Once upon a time.", "The end."]),
        ("yes\nno\nyes\n", ["yes", "no", "yes"]),
        ("3\tA tale of two foxes, and of one\t0.5\n4\tOf mice\t0.25\n", ["A tale of two foxes, and of one", "Of mice"]),
        ('7,"One\nday"\n8,Two\n', ["One\nday", "Two"]),
    ],
)  # fmt: skip
def test_fault_18_a_first_row_that_names_no_columns_is_a_document(table, expected):
    found = documents(table.encode())
    if expected == "several columns":
        (refused,) = found
        assert "no header" in str(refused) and "corpus.text_field=2" in str(refused)
        found, expected = (
            documents(table.encode(), text_field="2"),
            ["Go until jurong point.", "Free entry.", "Ok lar."],
        )
    assert [d.text for d in found] == expected
    assert all("without a header" in d.note for d in found)


@pytest.mark.parametrize(
    "table, expected",
    [
        ("n,body\n1,one\n2,two\n", ["one", "two"]),
        ("body\none\ntwo\n", ["one", "two"]),
        (",body\n0,one\n1,two\n", ["one", "two"]),
        (",0\n0,one\n1,two\n", ["one", "two"]),
        ("ID;TEXT;Day\n1;one;Monday\n", ["one"]),
        ("n,Review of the day\n1,It was good.\n2,It was not.\n", ["It was good.", "It was not."]),
    ],
)
def test_a_header_is_told_from_a_row_and_the_choice_is_told(table, expected):
    found = documents(table.encode())
    assert [d.text for d in found] == expected
    assert all(d.note.startswith("was read ") and "column" in d.note for d in found)


def test_what_was_chosen_is_told_and_what_was_written_as_usual_needs_no_word():
    usual = [["n", "text"], [1, 'one, "two"'], [2, "three\nfour"]]
    assert [d.note for d in documents(written(usual))] == ["", ""]
    assert [d.note for d in documents(written(usual, delimiter="\t"), "a.tsv")] == ["", ""]
    assert documents(written(usual, delimiter=";"))[0].note == "was read with ';' between columns"
    assert documents(written(usual, delimiter="\t"))[0].note == "was read with tabs between columns"
    assert documents(b'n\ttext\n1\t"a" b\n', "a.tsv")[0].note == "was read with quotation marks as they stand"
    body = documents("n,Body\n1,café\n".encode("cp1252"))
    assert body[0].note == "was read as cp1252, from the column 'Body'"


WILD = {
    "R": ('"","text","n"\n"1","Once, a\nfox",3\n"2","x",4\n', ["Once, a\nfox", "x"]),
    "by hand": ('id, text\n1, Hello there\n2, "Hello, you"\n', ["Hello there", "Hello, you"]),
    "Google Forms": ('Timestamp,"What did you like?"\n2024/01/01 10:22:33 AM GMT+1,"Much, and all."\n', ["Much, and all."]),
    "trailing commas": ("id,text,\n1,one,\n2,two,\n", ["one", "two"]),
    "JSON": ('id,text\n1,"{""a"": ""say \\""x\\"" now""}"\n2,"{}"\n', ['{"a": "say \\"x\\" now"}', "{}"]),
    "LaTeX": ('text\n"a\\, b, c"\n"\\"\n', ["a\\, b, c", "\\"]),
    "dialogue": ('"Yes."\n"No, no," he said.\nHe left.\n', ['"Yes."', '"No, no," he said.', "He left."]),
    "British": ("text\n'Yes, yes.'\n'No,' he said.\nHe left.\n", ["'Yes, yes.'", "'No,' he said.", "He left."]),
    "a wiki": ('title,text\nFox,"A ""fox"" is, well,\n\nan animal."\n', ['A "fox" is, well,\n\nan animal.']),
    "prose": ("Hello, world\nHow are you, my friend?\nFine.\n", ["Hello, world", "How are you, my friend?", "Fine."]),
    "prose with a name": ("text\na line; of it\none, two\n\nlast\tone\n", ["a line; of it", "one, two", "last\tone"]),
}  # fmt: skip


@pytest.mark.parametrize("name", WILD)
def test_what_people_and_other_tools_write(name):
    table, expected = WILD[name]
    assert [d.text for d in documents(table.encode())] == expected


def test_damage_is_no_dialect():
    """One row with a stray quote among good ones is reported, and does not turn all quotes into text."""
    good = [["text"]] + [[story] for story in STORIES]
    data = written(good[:3], lineterminator="\n") + b'"a "stray" one",x\n' + written(good[3:], lineterminator="\n")
    found = documents(data)
    assert [d.text for d in found if d.text] == STORIES and len(found) == 31

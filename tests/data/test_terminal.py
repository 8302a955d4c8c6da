"""What a person sees of a preparation."""

import io

import pytest
from rich.console import Console

from glassformer.corpora import corpus
from glassformer.data import DataConfig
from glassformer.data.clean.terminal import explain_documents
from glassformer.data.prepare import prepare
from glassformer.data.terminal import describe, watching
from glassformer.tokenizers import TokenizerRecipe


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200, highlight=False)


def seen(console: Console) -> str:
    return console.file.getvalue()


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "text"
    folder.mkdir()
    for i in range(30):
        (folder / f"{i:02}.txt").write_bytes(f"Note {i}.\r\nThe end.".encode() if i == 20 else f"Note {i}.\n".encode())
    (folder / "cafe.txt").write_bytes("cafe\u0301".encode())
    (folder / "blank.txt").write_bytes(b"\n\n")
    (folder / "twice.txt").write_bytes(b"Note 3.\n")
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9)
    return corpus(str(folder))


def test_ten_documents_are_explained_the_changed_ones_first_and_nothing_is_written(source, console, tmp_path):
    explain_documents(source, DataConfig().clean, console)
    text = seen(console)
    assert text.index("20.txt") < text.index("cafe.txt") < text.index("00.txt")
    assert text.index("20.txt") < text.index("newlines") < text.index("cafe.txt") < text.index("unicode")
    assert (
        text.count(".txt  ") == 10 and "picture.png is binary" in text and "32 documents, 2 change, 2 were left out" in text
    )
    assert [path.name for path in tmp_path.iterdir()] == ["text"]


def test_the_description_adds_up(source, console, tmp_path):
    data = prepare(source, TokenizerRecipe.named("byte"), DataConfig(), tmp_path / "set")
    describe(data, console)
    rows = {line.split()[0]: line.split()[1:] for line in seen(console).splitlines() if line.strip()}
    n = int(rows["(read)"][0])
    assert n + sum(skip.count for skip in data.index.skipped) == 34
    assert rows["newlines"][:2] == ["1", str(n)] and rows["unicode"][0] == "1"
    assert rows["repeated_documents"][0] == "1"
    assert int(rows["repeated_documents"][1]) == data.train.index.documents + data.validation.index.documents
    assert "left out: 1, for example: picture.png is binary, not text" in seen(console)


def test_stages_end_with_a_line_and_news_are_told(console):
    with watching(console) as progress:
        progress("continuing from 2.0 MB (reading)", 0, 0)
        for done, total in ((2_000_000, 8_000_000), (4_000_000, None), (4_500_000, 4_500_000)):
            progress("reading", done, total)
    lines = [line for line in seen(console).splitlines() if line.strip()]
    assert lines[0].startswith("continuing from") and lines[-1].startswith("reading  4.5 MB")

"""nanoGPT's train.bin and val.bin: what is exported is what nanoGPT reads, and comes back id by id."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data import nanogpt
from glassformer.data.nanogpt import export_bin, import_bin
from glassformer.data.shards import Dataset
from glassformer.errors import DatasetError
from glassformer.tokenizers import Tokenizer, TokenizerRecipe

from .examples import dataset, sentences, texts_of

BYTE = TokenizerRecipe.named("byte").train([])
END = BYTE.end_of_text


def written(folder, train, validation=(1, 2)):
    folder.mkdir(parents=True, exist_ok=True)
    np.array(train, "<u2").tofile(folder / "train.bin")
    np.array(validation, "<u2").tofile(folder / "val.bin")
    return folder


def documents(split) -> list[list[int]]:
    bounds = split.documents.tolist()
    return [split.tokens[a + 1 : b].tolist() for a, b in zip(bounds, bounds[1:])]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("made") / "dataset", sentences(300), shard_tokens=1000)


def test_the_files_hold_the_ids_as_nanogpt_reads_them(made, tmp_path):
    folder = export_bin(made, tmp_path / "out")
    for split, name in ((made.train, "train.bin"), (made.validation, "val.bin")):
        data = np.memmap(folder / name, dtype=np.uint16, mode="r")  # as nanoGPT's get_batch does
        assert np.array_equal(data, split.tokens[:])
    meta = json.loads((folder / "meta.json").read_text())
    assert meta["vocab_size"] == made.tokenizer.vocab_size and meta["tokens"]["train"] == len(made.train)
    assert {path.name for path in folder.iterdir()} == set(nanogpt.OURS)


@pytest.mark.parametrize("given_tokenizer", [True, False])
def test_what_was_exported_comes_back_id_by_id(made, tmp_path, given_tokenizer):
    folder = export_bin(made, tmp_path / "out")
    back = import_bin(folder, made.tokenizer if given_tokenizer else None, tmp_path / "back")
    back.verify()
    for name in ("train", "validation"):
        ours, theirs = getattr(made, name), getattr(back, name)
        assert np.array_equal(ours.tokens[:], theirs.tokens[:]) and np.array_equal(ours.documents, theirs.documents)
        assert ours.index.bytes == theirs.index.bytes
        assert texts_of(ours, made.tokenizer) == texts_of(theirs, back.tokenizer)
    export_bin(back, folder)  # over an earlier export
    assert Dataset.open(tmp_path / "back").index == back.index


@given(st.lists(st.lists(st.integers(0, 255), min_size=1), min_size=1), st.booleans(), st.integers(1, 9))
def test_documents_lie_between_separators_wherever_these_stand(tmp_path_factory, parts, behind, chunk):
    folder = tmp_path_factory.mktemp("bin")
    ids = [id for part in parts for id in ([*part, END] if behind else [END, *part])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nanogpt, "_CHUNK", chunk)
        back = import_bin(written(folder / "in", ids), BYTE, folder / "out")
    assert documents(back.train) == parts and documents(back.validation) == [[1, 2]]
    assert back.index.train.bytes == sum(map(len, parts))


def test_fault_14_without_separators_it_is_one_document_however_long(tmp_path):
    ids = np.random.default_rng(0).integers(0, 256, 5_000_000).astype("<u2")
    back = import_bin(written(tmp_path / "in", ids, ids[:300_000]), BYTE, tmp_path / "back")
    back.verify()
    assert len(back.train.documents) == len(back.validation.documents) == 2
    assert np.array_equal(back.train.tokens[1:], ids) and np.array_equal(back.validation.tokens[1:], ids[:300_000])
    assert (back.index.train.bytes, back.index.validation.bytes) == (5_000_000, 300_000)
    again = export_bin(back, tmp_path / "again")
    assert np.array_equal(np.fromfile(again / "train.bin", "<u2")[1:], ids)


def test_fault_11_an_id_that_no_token_has_is_refused(tmp_path):
    tokenizer = BYTE.with_end("</s>")
    tree = json.loads(tokenizer.to_json())
    tree["special"]["</s>"] = 400
    tokenizer = Tokenizer.from_json(json.dumps(tree))
    assert tokenizer.absent == ((257, 399),)
    folder = written(tmp_path / "in", [400, 1, 2, 300, 4])
    assert "id 300 (at place 3) belongs to no token" in refusal(lambda: import_bin(folder, tokenizer, tmp_path / "out"))


def refusal(call) -> str:
    with pytest.raises(DatasetError) as error:
        call()
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_no_such_data_is_refused_by_name(tmp_path):
    target = tmp_path / "target"
    folder = written(tmp_path / "in", [1, 2, 300, 4])
    assert "train.bin: id 300 (at place 2) belongs to no token" in refusal(lambda: import_bin(folder, BYTE, target))
    assert "give the tokenizer" in refusal(lambda: import_bin(folder, None, target))
    assert "only separators" in refusal(lambda: import_bin(written(folder, [END, END]), BYTE, target))
    (folder / "train.bin").write_bytes(b"odd")
    assert "3 bytes" in refusal(lambda: import_bin(folder, BYTE, target))
    (folder / "train.bin").write_bytes(b"")
    assert "0 bytes" in refusal(lambda: import_bin(folder, BYTE, target))
    (written(folder, [1]) / "val.bin").unlink()
    assert "val.bin cannot be read" in refusal(lambda: import_bin(folder, BYTE, target))
    assert not target.exists()


def test_another_tokenizer_and_other_things_are_refused(made, tmp_path):
    folder = export_bin(made, tmp_path / "out")
    other = TokenizerRecipe.named("char").train(sentences(50))
    assert "another tokenizer" in refusal(lambda: import_bin(folder, other, tmp_path / "back"))
    (folder / "meta.json").write_text("{")
    assert "meta.json is damaged" in refusal(lambda: import_bin(folder, None, tmp_path / "back"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    for call in (lambda: export_bin(made, tmp_path / "full"), lambda: import_bin(folder, BYTE, tmp_path / "full")):
        (folder / "meta.json").unlink(missing_ok=True)
        assert "thesis.txt" in refusal(call)
    assert "is a file" in refusal(lambda: export_bin(made, tmp_path / "full" / "thesis.txt"))
    assert (tmp_path / "full" / "thesis.txt").read_text() == "years of work"


def test_a_vocabulary_that_two_bytes_cannot_hold_is_refused(made, tmp_path, monkeypatch):
    large = made.index.model_copy(update={"vocab_size": 70_000})
    monkeypatch.setattr(made, "index", large)
    assert "65,536" in refusal(lambda: export_bin(made, tmp_path / "out"))

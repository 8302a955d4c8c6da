import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.data import index as index_file
from glassformer.data.index import Index
from glassformer.data.prepare.writer import SplitWriter
from glassformer.data.shards import Dataset, Tokens
from glassformer.errors import DatasetError

from .examples import dataset, sentences, texts_of


@given(st.data(), st.integers(1, 50), st.integers(1, 20))
def test_tokens_are_one_sequence_wherever_the_shards_end(data, length, shard_tokens):
    whole = np.arange(length, dtype=np.uint16)
    tokens = Tokens([whole[i : i + shard_tokens] for i in range(0, length, shard_tokens)], shard_tokens, 50, "here")
    assert len(tokens) == length
    start, stop = data.draw(st.integers(-60, 60)), data.draw(st.integers(-60, 60))
    assert tokens[start:stop].tolist() == whole[start:stop].tolist()
    width = data.draw(st.integers(1, length))
    starts = np.array(data.draw(st.lists(st.integers(0, length - width), min_size=1, max_size=9)))
    windows = tokens.windows(starts, width)
    assert windows.dtype == np.int64 and windows.tolist() == (starts[:, None] + np.arange(width)).tolist()


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 300), max_size=30), min_size=1, max_size=20), st.integers(1, 40))
def test_the_writer_cuts_shards_of_exactly_the_asked_size(tmp_path_factory, documents, shard_tokens):
    folder = tmp_path_factory.mktemp("split")
    writer = SplitWriter(folder, "train", np.dtype(np.uint16), 999, shard_tokens)
    for ids in documents:
        writer.append(np.array(ids, np.uint16), len(ids))
    index = writer.close()
    expected = [id for ids in documents for id in [999, *ids]]
    files = sorted(folder.glob("train-0*.bin"))
    assert np.concatenate([np.fromfile(file, "<u2") for file in files]).tolist() == expected
    assert [shard.tokens for shard in index.shards] == [
        len(expected[i : i + shard_tokens]) for i in range(0, len(expected), shard_tokens)
    ]
    assert (index.documents, index.tokens, index.bytes) == (len(documents), len(expected), sum(map(len, documents)))
    starts = np.fromfile(folder / "train-documents.bin", "<i8").tolist()
    assert starts == [0, *np.cumsum([1 + len(ids) for ids in documents]).tolist()]


@pytest.fixture
def prepared(tmp_path):
    return dataset(tmp_path / "set", sentences(60), shard_tokens=500)


def test_opening_again_gives_the_same(prepared):
    again = Dataset.open(str(prepared.folder))
    assert again.index == prepared.index
    assert texts_of(again.train, again.tokenizer) == texts_of(prepared.train, prepared.tokenizer)
    again.verify()
    summary = again.summary()
    for key in ("documents", "tokens", "bytes"):
        assert summary["train"][key] == getattr(again.index.train, key)
    assert [line["step"] for line in summary["cleaning"]] == [line.step for line in again.index.cleaning]
    json.dumps(again.summary())


def refused(folder) -> str:
    with pytest.raises(DatasetError) as error:
        Dataset.open(folder)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_missing_dataset_is_a_sentence(tmp_path):
    assert "glass prepare" in refused(tmp_path)
    assert "glass prepare" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["index.json", "tokenizer.json", "train-00001.bin", "train-documents.bin"])
def test_every_file_cut_short_or_missing_is_refused_on_opening(prepared, name):
    path = prepared.folder / name
    data = path.read_bytes()
    for damage in (data[:-2], data + b"\0", data[: len(data) // 2], b""):
        path.write_bytes(damage)
        assert name in refused(prepared.folder)
    path.unlink()
    message = refused(prepared.folder)
    assert "--fresh" in message or "glass prepare" in message


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_flipped_bit_of_the_index_or_tokenizer_is_refused(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("sets") / "set"
    dataset(folder, sentences(30))
    path = folder / data.draw(st.sampled_from(["index.json", "tokenizer.json"]))
    flipped = bytearray(path.read_bytes())
    place, bit = data.draw(st.integers(0, len(flipped) - 1)), data.draw(st.integers(0, 7))
    flipped[place] ^= 1 << bit
    before = json.loads(path.read_bytes())
    try:
        if json.loads(flipped) == before:  # white space became another white space
            return
    except ValueError:
        pass
    path.write_bytes(flipped)
    refused(folder)


def test_verify_finds_any_flipped_bit_of_the_shards(prepared):
    for path in sorted(prepared.folder.glob("*.bin")):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
        with pytest.raises(DatasetError, match=path.name):
            Dataset.open(prepared.folder).verify()
        data[len(data) // 2] ^= 1
        path.write_bytes(data)
    Dataset.open(prepared.folder).verify()


def test_an_id_outside_the_vocabulary_is_refused_when_it_is_read(prepared):
    path = prepared.folder / "train-00001.bin"
    ids = np.fromfile(path, "<u2")
    ids[7] = 60_000
    ids.tofile(path)
    tokens = Dataset.open(prepared.folder).train.tokens
    tokens[:507]
    for read in (lambda: tokens[500:520], lambda: tokens.windows(np.array([0, 495]), 20)):
        with pytest.raises(DatasetError, match="id 507 is outside the vocabulary.*--fresh"):
            read()


def test_an_index_that_lies_is_refused_before_anything_is_mapped(prepared):
    tree = json.loads((prepared.folder / "index.json").read_text())
    tree.pop("sha256")
    lies = [
        {**tree, "shard_tokens": 499},
        {**tree, "vocab_size": 1 << 19},
        {**tree, "dtype": "<u4"},
        {**tree, "dtype": "|O"},
        {**tree, "train": {**tree["train"], "documents": 1 << 60}},
        {**tree, "train": {**tree["train"], "tokens": tree["train"]["tokens"] + 1}},
        {**tree, "train": {**tree["train"], "shards": []}},
        {**tree, "train": {**tree["train"], "shards": [{"tokens": 1 << 60, "sha256": ""}]}},
        {**tree, "train": {**tree["train"], "shards": tree["train"]["shards"] + [{"tokens": 1, "sha256": "x"}]}},
        {**tree, "format": "glassformer dataset 99"},
        {key: value for key, value in tree.items() if key != "validation"},
    ]
    for lie in lies:
        (prepared.folder / "index.json").write_text(json.dumps({**lie, "sha256": index_file.checksum(lie)}))
        refused(prepared.folder)
    for text in ("[]", "3", "{}", "null", "[" * 100_000, '"sha256"', "\0"):
        (prepared.folder / "index.json").write_text(text)
        refused(prepared.folder)
    tree["train"]["bytes"] += 1  # a small lie that fits everything else, but not the index's own checksum
    (prepared.folder / "index.json").write_text(json.dumps({**tree, "sha256": "0" * 64}))
    assert "was changed" in refused(prepared.folder)


def test_the_index_is_read_back_exactly(prepared, tmp_path):
    prepared.index.save(tmp_path / "index.json")
    assert Index.load(tmp_path / "index.json") == prepared.index

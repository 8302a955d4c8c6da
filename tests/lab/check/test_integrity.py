import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.data.index import Index
from glassformer.data.shards import Dataset, documents_file, shard_file
from glassformer.lab.check import CheckConfig, integrity
from glassformer.lab.check.look import look
from glassformer.runs.run import Run
from glassformer.tokenizers import TokenizerRecipe

from .planted import BYTE, noise, plant

rng = np.random.default_rng(0)
TRAIN, VALIDATION = noise(rng, *[150] * 20), noise(rng, *[150] * 4)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return plant(tmp_path_factory.mktemp("planted") / "set", TRAIN, VALIDATION).folder


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "set")


def damage(folder):
    return integrity.damage(folder, Index.load(folder / "index.json"))


def test_a_whole_dataset_is_whole(whole):
    assert damage(whole) == [] and integrity.separators(Dataset.open(whole)) == []


@settings(max_examples=30)
@given(st.integers(0, 10**9), st.integers(1, 255))
def test_every_changed_byte_is_found(whole, where, change):
    files = sorted(whole.glob("*.bin"))
    path = files[where % len(files)]
    before = path.read_bytes()
    place = where % len(before)
    try:
        path.write_bytes(before[:place] + bytes([before[place] ^ change]) + before[place + 1 :])
        found = damage(whole)
        assert found and all(each.severity == "error" for each in found)
        assert any(str(path) in each.what and "checksum" in each.what for each in found)
    finally:
        path.write_bytes(before)


def test_ids_outside_the_vocabulary_are_placed(tmp_path):
    texts = [text.copy() for text in TRAIN]
    texts[3][7], texts[11][0] = 257, 60_000  # bytes and the separator are 0 to 256
    with pytest.raises(Exception, match="outside the vocabulary"):
        plant(tmp_path / "set", texts, VALIDATION, shard_tokens=1000).train.verify()
        _ = Dataset.open(tmp_path / "set").train.tokens[:]
    (first, second) = damage(tmp_path / "set")
    assert "train-00000.bin: 1 ids are outside the vocabulary of 257" in first.what
    assert first.places[0].where == f"position {3 * 151 + 8:,} of the file, document 3: id 257"
    assert second.places[0].where == f"position {11 * 151 + 1 - 1000:,} of the file, document 11: id 60,000"


def test_everything_wrong_is_told_at_once(folder):
    shard_file(folder, "train", 0).unlink()
    with open(shard_file(folder, "train", 1), "ab") as file:
        file.write(b"more")
    starts = np.fromfile(documents_file(folder, "validation"), "<i8")
    starts[2] = starts[1]
    starts.tofile(documents_file(folder, "validation"))
    TokenizerRecipe.named("char").train(["abc"]).save(folder / "tokenizer.json")
    told = " | ".join(finding.what for finding in damage(folder))
    for words in ("tokenizer.json is not the tokenizer", "train-00000.bin is missing", "train-00001.bin has 1,998 bytes",
                  "1 documents end before they begin", "validation-documents.bin has changed"):  # fmt: skip
        assert words in told, (words, told)
    checked = look(folder, CheckConfig())
    assert checked.counts["error"] == len(checked.findings) >= 5 and checked.looked is None


def test_separators_are_first_and_only_first(folder):
    ids = np.fromfile(shard_file(folder, "train", 0), "<u2")
    ids[0], ids[2 * 151], ids[4 * 151 + 5], ids[4 * 151 + 9] = 65, 66, BYTE.end_of_text, BYTE.end_of_text
    ids.tofile(shard_file(folder, "train", 0))
    missing, inside = integrity.separators(Dataset.open(folder))
    assert "2 of 20 documents of train do not begin with <|endoftext|>" in missing.what
    assert [place.where for place in missing.places] == ["train document 0", "train document 2"]
    assert "1 of 20" in inside.what and [place.where for place in inside.places] == ["train document 4"]


def test_a_run_is_compared_with_its_dataset(folder, tmp_path):
    data = Dataset.open(folder)
    run = Run.create(tmp_path / "run", "{}", {"dataset": data.summary()})
    checkpoints = tmp_path / "run/checkpoints"
    for step, tokenizer in (("00000010", TokenizerRecipe.named("char").train(["abc"])), ("00000020", BYTE)):
        tokenizer.save(checkpoints / step / "tokenizer.json")
    assert integrity.of_run(data, run) == []
    shutil.rmtree(checkpoints / "00000020")
    (other,) = integrity.of_run(data, run)
    assert other.severity == "error" and "another tokenizer" in other.what
    (checkpoints / "00000010/tokenizer.json").write_text("{}")
    assert "damaged" in integrity.of_run(data, run)[0].what
    shutil.rmtree(checkpoints)
    old = Run.create(tmp_path / "old", "{}", {"dataset": {**data.summary(), "fingerprint": "1" * 64}})
    assert "no longer the dataset" in integrity.of_run(data, old)[0].what

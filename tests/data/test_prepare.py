import itertools

import numpy as np
import pytest

from glassformer.corpora.files import Files
from glassformer.data import DataConfig
from glassformer.data.prepare import evenly, prepare, repetitions, spool
from glassformer.data.shards import Dataset
from glassformer.errors import CorpusError, DatasetError, TokenizerError
from glassformer.tokenizers import TokenizerRecipe

from .examples import BYTE, Written, dataset, sentences, texts_of, written


def both(prepared: Dataset) -> tuple[list[str], list[str]]:
    return texts_of(prepared.train, prepared.tokenizer), texts_of(prepared.validation, prepared.tokenizer)


def everything(prepared: Dataset) -> list[str]:
    train, validation = both(prepared)
    return train + validation


def test_nothing_is_lost_and_the_counts_say_so(tmp_path):
    texts = sentences(300)
    prepared = dataset(tmp_path / "set", [*texts, texts[3], " \n", "", texts[5]], shard_tokens=777)
    train, validation = both(prepared)
    assert sorted(train + validation) == sorted(texts)
    assert train == [text for text in texts if text in set(train)]  # the corpus's order
    assert 10 < len(validation) < 60
    for split, found in ((prepared.train, train), (prepared.validation, validation)):
        assert split.index.documents == len(found)
        assert split.index.bytes == sum(len(text.encode()) for text in found) == split.index.tokens - len(found)
    counts = {line.step: line for line in prepared.index.cleaning}
    assert counts["newlines"].documents_before == 304
    assert counts["blank_documents"].changed == counts["repeated_documents"].changed == 2
    last = prepared.index.cleaning[-1]
    assert (last.documents_after, last.characters_after) == (300, sum(map(len, texts)))
    assert prepared.index.split_rule.startswith("10% of the documents")


def test_a_document_stays_on_its_side_when_others_come(tmp_path):
    texts = sentences(400)
    few = both(dataset(tmp_path / "few", texts[:200]))[1]
    assert set(few) == set(both(dataset(tmp_path / "many", texts))[1]) & set(texts[:200])


def test_the_corpus_may_say_the_split(tmp_path):
    given = Written(pairs=(("one", "train"), ("two", "validation"), ("three", "train")))
    prepared = prepare(given, BYTE, DataConfig(), tmp_path / "set")
    assert both(prepared) == (["one", "three"], ["two"])
    assert prepared.index.split_rule.startswith("the documents that the corpus chooses")
    some = Written(pairs=(*given.pairs, *((text, "") for text in sentences(100))))
    prepared = prepare(some, BYTE, DataConfig(), tmp_path / "set")
    train, validation = both(prepared)
    assert "two" in validation and {"one", "three"} <= set(train) and 2 < len(validation) < 30
    assert "others" in prepared.index.split_rule


@pytest.mark.parametrize("split", ["", "train", "validation"])
def test_of_few_documents_and_of_those_all_on_one_side_the_tails_are_held_out(tmp_path, split):
    prepared = prepare(written("a" * 99 + "b", "c" * 50, split=split), BYTE, DataConfig(), tmp_path / "set")
    assert both(prepared) == (["a" * 90, "c" * 45], ["a" * 9 + "b", "c" * 5])
    assert prepared.index.split_rule.startswith("the last 10%")


def test_tinyshakespeare_is_cut_as_nanogpt_cuts_it(tmp_path):
    """Of its 1,115,394 characters, 1,003,854 are for training: here a text of the same length and alphabet size."""
    text = "".join(itertools.islice(itertools.cycle("".join(map(chr, range(64, 127))) + "\n "), 1_115_394))
    (tmp_path / "input.txt").write_bytes(text.encode())
    source = Files(path=str(tmp_path / "input.txt"))
    prepared = prepare(source, TokenizerRecipe.named("char"), DataConfig(), tmp_path / "set")
    assert prepared.index.train.bytes == 1_003_854 and prepared.index.validation.bytes == 111_540
    assert prepared.tokenizer.vocab_size == 65 + 1
    assert "".join(everything(prepared)) == text


def test_a_tokenizer_never_learns_from_validation_text(tmp_path):
    train, validation = sentences(50), [text.replace("kite", "zzz") * 50 for text in sentences(50, seed=1)]
    corpus = Written(pairs=(*((text, "train") for text in train), *((text, "validation") for text in validation)))
    recipe = TokenizerRecipe.named("bpe", vocab_size=350)
    prepared = prepare(corpus, recipe, DataConfig(), tmp_path / "set")
    assert (
        prepared.tokenizer.fingerprint() == recipe.train(train).fingerprint() != recipe.train(validation).fingerprint()
    )
    assert prepared.index.tokenizer_text == "the training text"


def test_an_alphabet_has_the_characters_of_all_text_and_the_index_says_so(tmp_path):
    """Of a corpus larger than the sample, too: a character that has no id would end the preparation."""
    texts = [*sentences(200), "å", "one ß"]
    corpus = Written(pairs=(*((text, "train") for text in texts), ("!", "validation")))
    config = DataConfig(tokenizer_megabytes=0.001)
    prepared = prepare(corpus, TokenizerRecipe.named("char"), config, tmp_path / "set")
    assert both(prepared) == (texts, ["!"]) and "all text" in prepared.index.tokenizer_text
    with pytest.raises(TokenizerError, match=r"^written/200: the character 'å' \(U\+00E5\).*'byte' or 'bpe'"):
        prepare(corpus, TokenizerRecipe.named("char").train(texts[:200]), config, tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


@pytest.mark.parametrize("most", [1, 100, 3000, 50_000, 10**9])
def test_a_sample_is_spread_evenly_and_bounded(most):
    texts = [f"{i:05d}" + "x" * (i % 90) for i in range(2000)]
    n_bytes = sum(map(len, texts))
    taken = list(evenly(texts, n_bytes, most))
    assert sum(map(len, taken)) <= most + max(1, most // 64) or taken == texts
    if 3000 <= most < n_bytes:
        assert sum(map(len, taken)) > most * 0.9
        places = np.array([int(text[:5]) for text in taken])
        assert abs(np.median(places) - 1000) < 150 and places[0] < 100 and places[-1] > 1900


def test_a_trained_tokenizer_is_used_as_it_is(tmp_path):
    bpe = TokenizerRecipe.named("bpe", vocab_size=300).train(sentences(50))
    prepared = dataset(tmp_path / "set", sentences(60, seed=1), tokenizer=bpe)
    assert prepared.index.tokenizer == bpe.fingerprint()
    assert sorted(everything(prepared)) == sorted(sentences(60, seed=1))


def test_large_vocabularies_take_four_bytes_an_id(tmp_path):
    many = "".join(map(chr, [*range(32, 0xD800), *range(0x10000, 0x14000)]))
    char = TokenizerRecipe.named("char").train([many])
    assert char.vocab_size > 1 << 16
    prepared = dataset(tmp_path / "set", ["\U00013fff " * 50, "abc" * 30], tokenizer=char)
    assert prepared.index.dtype == "<u4" and prepared.train.tokens[1:2] == char.encode("\U00013fff")


@pytest.mark.parametrize("texts", [[], ["", " \n"], ["a"], ["a\0"]])
def test_too_little_text_is_refused(tmp_path, texts):
    with pytest.raises(DatasetError, match="give (more text|another source)"):
        dataset(tmp_path / "set", texts)
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_is_counted_in_the_index(tmp_path):
    (tmp_path / "text").mkdir()
    picture = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 9
    files = {"a.txt": b"good text " * 9, "b.txt": b"text \xff\xff", "c.png": picture, "d.png": picture[1:], ".e": b""}
    for name, data in files.items():
        (tmp_path / "text" / name).write_bytes(data)
    index = prepare(Files(path=str(tmp_path / "text")), BYTE, DataConfig(), tmp_path / "set").index
    counts = {skip.reason: skip.count for skip in index.skipped}
    assert counts["is binary, not text"] == 2 and counts["is hidden"] == 1
    assert sum(counts.values()) + index.cleaning[0].documents_before == len(files)
    assert "c.png" in next(skip.example for skip in index.skipped if skip.reason == "is binary, not text")
    with pytest.raises(CorpusError, match="c.png"):
        prepare(Files(path=str(tmp_path / "text" / "c.png")), BYTE, DataConfig(), tmp_path / "set")
    assert Dataset.open(tmp_path / "set").index == index  # the refused attempt left it alone


def test_lone_surrogates_become_replacement_characters(tmp_path):
    assert "".join(everything(dataset(tmp_path / "set", ["a\ud800b" * 10]))) == "a\ufffdb" * 10


def test_progress_is_told_stage_by_stage(tmp_path):
    told = []
    bpe, corpus = TokenizerRecipe.named("bpe", vocab_size=300), written("x " * 300_000, "y " * 300_000)
    prepare(corpus, bpe, DataConfig(), tmp_path / "set", lambda *now: told.append(now))
    stages = [stage for stage, _ in itertools.groupby(stage for stage, _, _ in told)]
    assert stages == ["reading", "training the tokenizer", "encoding train", "encoding validation"]
    for stage in stages:
        done = [now for name, now, _ in told if name == stage]
        assert done == sorted(done) and done[-1] > 0


class Mixed(Written):
    """Every third document is from the second source, none from the last."""

    def documents(self):
        for i, document in enumerate(super().documents()):
            yield document._replace(source=int(i % 3 == 0))

    @property
    def sources(self):
        return ("most", "some", "none")

    @property
    def weights(self):
        return (0.5, 0.25, 0.25)


def test_each_document_of_a_mixture_keeps_its_source(tmp_path):
    texts = sentences(200)
    prepared = prepare(Mixed(pairs=tuple((text, "") for text in texts)), BYTE, DataConfig(), tmp_path / "set")
    index = prepared.index
    assert (index.sources, index.weights) == (("most", "some", "none"), (0.5, 0.25, 0.25))
    for split, found in zip((prepared.train, prepared.validation), both(prepared)):
        assert split.sources.tolist() == [int(texts.index(text) % 3 == 0) for text in found]
        for source, counted in enumerate(split.index.sources):
            own = [text for text, of in zip(found, split.sources) if of == source]
            n_bytes = sum(len(text.encode()) for text in own)
            assert (counted.documents, counted.tokens, counted.bytes) == (len(own), n_bytes + len(own), n_bytes)
    prepared.verify()
    path = prepared.folder / "train-sources.bin"
    for damage in (b"\1" * len(prepared.train.sources), b"\7" * len(prepared.train.sources), b""):
        path.write_bytes(damage)
        with pytest.raises(DatasetError, match="train-sources.bin.*--fresh"):
            Dataset.open(prepared.folder)


def test_a_plain_corpus_has_one_source_and_no_file_of_them(tmp_path):
    prepared = dataset(tmp_path / "set", sentences(60))
    assert len(prepared.index.sources) == 1
    assert prepared.train.sources.shape == (prepared.train.index.documents,) and not prepared.train.sources.any()
    assert not (prepared.folder / "train-sources.bin").exists()


def test_near_duplicates_are_dropped_and_the_index_names_pairs(tmp_path):
    words = [f"word{i}" for i in range(3000)]
    texts = [" ".join(words[i : i + 120]) for i in range(0, 2400, 120)]
    copies = [text.replace(text.split()[60], "another") for text in texts[:4]]
    corpus = [*texts, *copies, texts[0], "  "]
    plain = dataset(tmp_path / "plain", corpus)
    assert len(everything(plain)) == 24 and [line.step for line in plain.index.cleaning][-1] == "repeated_documents"
    prepared = dataset(tmp_path / "set", corpus, near_duplicates=0.8)
    assert sorted(everything(prepared)) == sorted(texts)
    exact, near = prepared.index.cleaning[-2:]
    assert (exact.step, exact.changed, near.step, near.changed) == ("repeated_documents", 1, "near_documents", 4)
    assert near.documents_after == 20 and near.characters_after == sum(map(len, texts))
    assert [example.origin for example in exact.examples] == ["written/24 repeats written/0"]
    pairs = [f"written/{20 + i} repeats written/{i}" for i in range(3)]
    assert [example.origin for example in near.examples] == pairs
    assert near.examples[0].before == copies[0][:200]


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_repetitions_are_found_however_many_fit_into_memory(tmp_path, monkeypatch, at_once):
    texts = [*sentences(30), *sentences(30, seed=1)[:9], *sentences(30)[5:12], *sentences(30)[5:6]]
    monkeypatch.setattr(repetitions, "AT_ONCE", at_once)
    monkeypatch.setattr(spool, "CHUNK", 7)
    prepared = dataset(tmp_path / "set", texts)
    assert sorted(everything(prepared)) == sorted(set(texts))
    found = prepared.index.cleaning[-1]
    assert found.changed == len(texts) - len(set(texts))
    assert [example.origin for example in found.examples] == [
        f"written/{39 + i} repeats written/{5 + i}" for i in range(3)
    ]



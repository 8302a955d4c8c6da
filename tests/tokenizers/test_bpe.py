"""BPE: the fast trainer and encoder equal the definition, and hostile merges are refused."""

import doctest
import json
import time
from collections import Counter

import numpy as np
import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import SettingError, TokenizerError
from glassformer.tokenizers import Tokenizer, TokenizerRecipe, _file, bpe, load
from glassformer.tokenizers.bpe import BPE, BPETokenizer, _Cache, patterns
from glassformer.tokenizers.bpe.merge import apply, learn, plain_apply, plain_learn
from glassformer.tokenizers.bpe.patterns import PATTERNS, Splitter

from .examples import MIXED, TRICKY, small

FEW_LETTERS = st.text("ab c", min_size=1, max_size=12).map(str.encode)  # so that ties and overlaps are the rule
COUNTS = st.dictionaries(st.one_of(FEW_LETTERS, st.binary(min_size=1, max_size=6)), st.integers(1, 4), max_size=20)


@given(words=COUNTS, n_merges=st.integers(0, 40))
def test_fast_training_equals_the_definition(words, n_merges):
    assert learn(words, n_merges) == plain_learn(words, n_merges)


def test_fast_training_equals_the_definition_on_text():
    pieces = Counter(Splitter("gpt4")("".join(TRICKY) * 2))
    words = {piece.encode(): count for piece, count in pieces.items()}
    assert learn(words, 300) == plain_learn(words, 300)


def test_ties_go_to_the_greater_pair_of_byte_strings():
    assert learn({b"ab": 1, b"cd": 1, b"ce": 1}, 3) == [(b"c", b"e"), (b"c", b"d"), (b"a", b"b")]
    assert learn({b"xab": 2, b"ya": 4, b"xa": 2}, 2) == [(b"y", b"a"), (b"x", b"a")]
    assert plain_learn({b"aa": 1, b"\xff\x00": 1}, 1) == [(b"\xff", b"\x00")]


@given(words=COUNTS, word=st.one_of(FEW_LETTERS, st.binary(max_size=30)))
def test_fast_encoding_equals_the_definition(words, word):
    _, symbol_of = bpe._replay(learn(words, 40))
    assert apply(word, symbol_of) == plain_apply(word, symbol_of)


@given(text=st.text(max_size=60), data=st.data())
def test_replaying_k_merges_gives_the_tokenizer_of_k_merges(text, data):
    tokenizer = small("bpe")
    k = data.draw(st.integers(0, len(tokenizer.merges)))
    early = BPETokenizer(tokenizer.merges[:k], tokenizer.pattern, {"<|endoftext|>": 256 + k})
    assert early.decode(early.encode(text)) == text
    assert len(early.encode(text)) >= len(tokenizer.encode(text))


@given(
    texts=st.lists(MIXED, max_size=5),
    text=st.text(),
    pattern=st.sampled_from(["gpt2", "gpt4", r"\w+", "(a)|(b)", "x*"]),
)
def test_round_trip_whatever_it_was_trained_on(texts, text, pattern):
    tokenizer = BPE(vocab_size=300, pattern=pattern).train(texts)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(data=st.binary(max_size=60))
def test_bytes_that_are_not_text_decode_as_they_are(data):
    ids = np.array(small("bpe").ids)[apply(data, small("bpe")._symbol_of)]
    assert small("bpe").decode_bytes(ids.tolist()) == data


@given(text=MIXED, name=st.sampled_from(["gpt2", "gpt4"]))
def test_pieces_are_the_pattern_s_matches(text, name):
    matches = [match.group() for match in regex.finditer(PATTERNS[name], text)]
    assert list(Splitter(name)(text)) == matches and "".join(matches) == text


def test_long_texts_are_cut_lazily_and_alike(monkeypatch):
    text = "".join(TRICKY) * 3
    whole = list(Splitter("gpt4")(text))
    monkeypatch.setattr(patterns, "LONG", 10)
    assert list(Splitter("gpt4")(text)) == whole
    assert small("bpe").decode(small("bpe").encode(text)) == text


def test_a_small_corpus_gives_a_smaller_vocabulary():
    tokenizer = BPE(vocab_size=5000).train(["abc"])
    assert tokenizer.merges == [(b"b", b"c"), (b"a", b"bc")] and tokenizer.vocab_size == 256 + 2 + 1
    assert BPE(vocab_size=300).train(TRICKY).vocab_size == 300
    assert BPE(vocab_size=257).train(TRICKY).merges == []


IMPOSSIBLE = [
    {"vocab_size": 256},
    {"vocab_size": 258, "special": ["<|a|>", "<|b|>"]},
    {"vocab_size": 10**9},
    {"vocab_size": "many"},
    {"pattern": "(unclosed"},
]


@pytest.mark.parametrize("knobs", IMPOSSIBLE, ids=str)
def test_impossible_settings_are_refused_by_name(knobs):
    with pytest.raises(SettingError, match=next(iter(knobs))):
        TokenizerRecipe.named("bpe", **knobs)


def test_cache_is_bounded(monkeypatch):
    monkeypatch.setattr(_Cache, "MOST", 10)
    tokenizer = BPE(vocab_size=300).train(TRICKY)
    text = " ".join(map(str, range(500))) + "a" * 200
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer._packed) <= 10 and max(map(len, tokenizer._packed)) <= _Cache.LONGEST


def test_vocabularies_beyond_16_bits_use_32():
    tokenizer = BPETokenizer([], "gpt2", {"<|endoftext|>": 70_000})
    assert tokenizer.dtype == np.uint32 and tokenizer.vocab_size == 70_001
    assert [a.tolist() for a in tokenizer.encode_array(["hi"])] == [list(b"hi")]
    with pytest.raises(TokenizerError, match="no token has the id 300"):
        tokenizer.decode([300])


def test_one_endless_word_is_not_quadratic():
    word = "ab" * 100_000
    start = time.perf_counter()
    tokenizer = BPE(vocab_size=280).train([word])
    assert tokenizer.decode(tokenizer.encode(word)) == word
    assert time.perf_counter() - start < 90  # compiling may take half a minute the first time; quadratic takes hours


HOSTILE = {
    "no merges": {"merges": ...},
    "merges of another type": {"merges": "a b"},
    "a merge that is a list": {"merges": [["a", "b"]]},
    "a merge of one part": {"merges": ["ab"]},
    "a merge of three parts": {"merges": ["a b c"]},
    "an empty part": {"merges": ["a "]},
    "a part before it was made": {"merges": ["ab c", "a b"]},
    "a merge that is there twice": {"merges": ["a b", "a b"]},
    "a token that is made twice": {"merges": ["a b", "b c", "ab c", "a bc"]},
    "a character that is no byte": {"merges": ["a 猫"]},
    "no pattern": {"pattern": ...},
    "a pattern that is no text": {"pattern": 5},
    "a pattern that does not compile": {"pattern": "(?P<a>"},
    "too few ids": {"ids": [1, 2, 3]},
    "ids that are no integers": {"ids": ["0"] * 256},
    "an id twice": {"ids": [0] * 256, "merges": []},
    "an id out of range": {"ids": [*range(255), 1 << 30], "merges": []},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(changes, tmp_path):
    tree = json.loads(small("bpe").to_json()) | changes
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({key: value for key, value in tree.items() if value is not ...}))
    with pytest.raises(TokenizerError, match="restore the file"):
        load(path)


def test_a_file_beyond_the_limit_is_not_read(monkeypatch, tmp_path):
    small("bpe").save(tmp_path / "tokenizer.json")
    monkeypatch.setattr(_file, "LARGEST_FILE", 1000)
    with pytest.raises(TokenizerError, match="larger than"):
        load(tmp_path / "tokenizer.json")


def test_own_ids_survive_the_file():
    ids = [*range(255, -1, -1), 300]
    tokenizer = BPETokenizer([(b"a", b"b")], "gpt2", {"<|endoftext|>": 256}, ids)
    assert tokenizer.encode("abc") == [300, 255 - ord("c")]
    assert Tokenizer.from_json(tokenizer.to_json()).encode("abc") == tokenizer.encode("abc")


def test_the_examples_in_the_docstrings_are_true():
    for module in (bpe, patterns):
        finder = doctest.DocTestFinder(recurse=False)
        for example in finder.find(module, module.__name__):
            assert doctest.DocTestRunner().run(example).failed == 0 and example.examples


@pytest.mark.parametrize("pattern", [r"(a|aa)+$|x", r"(?:(a+)+b)|."])
def test_an_expression_that_never_ends_is_named(monkeypatch, pattern):
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    text = "a" * 3000 + "!"
    with pytest.raises(TokenizerError, match="is too slow for a text that begins with 'aaaa"):
        BPE(vocab_size=300, pattern=pattern).train([text])
    with pytest.raises(TokenizerError, match="repetition inside a repetition"):
        list(Splitter(pattern)._pieces(text))

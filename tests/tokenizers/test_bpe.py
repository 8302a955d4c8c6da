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
from glassformer.tokenizers.bpe import BPE, BPETokenizer, automaton, merge, patterns, plain_encode, plain_learn
from glassformer.tokenizers.bpe.encode import PieceCache
from glassformer.tokenizers.bpe.incremental import encode, learn
from glassformer.tokenizers.bpe.merges import replay
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
    merges = plain_learn(words, 40)
    tokens, symbol_of = replay(merges)
    assert [tokens[symbol] for symbol in encode(word, symbol_of)] == plain_encode(word, merges)


@given(tokens=st.lists(st.sampled_from([b"a", b"b", b"aa"]), max_size=12))
def test_merging_goes_from_left_to_right(tokens):
    joined = merge(tokens, (b"a", b"a"))
    assert b"".join(joined) == b"".join(tokens) and (b"a", b"a") not in zip(joined, joined[1:])
    assert merge([b"a"] * 5, (b"a", b"a")) == [b"aa", b"aa", b"a"]


@given(texts=st.lists(MIXED, max_size=5), text=MIXED)
def test_the_tokenizer_is_the_two_plain_functions_behind_a_pattern(texts, text):
    tokenizer = BPE(vocab_size=300).train(texts)
    words = Counter(piece.encode() for text in texts for piece in Splitter("gpt4")(text))
    assert tokenizer.merges == plain_learn(words, 300 - 257)
    tokens = [token for piece in Splitter("gpt4")(text) for token in plain_encode(piece.encode(), tokenizer.merges)]
    assert [tokenizer.token_bytes[id] for id in tokenizer.encode(text)] == tokens


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
    ids = np.array(small("bpe").ids)[encode(data, replay(small("bpe").merges)[1])]
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
    monkeypatch.setattr(PieceCache, "MOST", 10)
    tokenizer = BPE(vocab_size=300).train(TRICKY)
    text = " ".join(map(str, range(500))) + "a" * 200
    assert tokenizer.decode(tokenizer.encode(text)) == text
    cache = tokenizer._in_python._packed
    assert len(cache) <= 10 and max(map(len, cache)) <= PieceCache.LONGEST


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
    n_examples = 0
    for module in (bpe, patterns, automaton):
        for example in doctest.DocTestFinder().find(module, module.__name__):
            assert doctest.DocTestRunner().run(example).failed == 0
            n_examples += len(example.examples)
    assert n_examples > 8


@pytest.mark.parametrize("pattern", [r"(a|aa)+$|x", r"(?:(a+)+b)|."])
def test_an_expression_that_never_ends_is_named(monkeypatch, pattern):
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    text = "a" * 3000 + "!"
    with pytest.raises(TokenizerError, match="is too slow for a text that begins with 'aaaa"):
        BPE(vocab_size=300, pattern=pattern).train([text])
    with pytest.raises(TokenizerError, match="repetition inside a repetition"):
        list(Splitter(pattern)._pieces(text))

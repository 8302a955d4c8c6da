"""WordPiece: training equals its definition, encoding equals Hugging Face's, BERT's reading equals BERT's."""

import doctest
import json
import time
import unicodedata
from collections import Counter

import pytest
import tokenizers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from glassformer.errors import TokenizerError
from glassformer.tokenizers import _words, load, wordpiece
from glassformer.tokenizers.wordpiece import WordPiece, WordPieceTokenizer, alphabet
from glassformer.tokenizers.wordpiece import bert as reading
from glassformer.tokenizers.wordpiece.likelihood import learn, plain_learn

from .examples import MIXED, TRICKY, small

COUNTS = st.dictionaries(st.text("ab c#", min_size=1, max_size=10), st.integers(1, 5), max_size=15)
ENGLISH = ["the goat likes the hen, the hen likes the goats; unlike goatherds, hens don't like likeness"] * 3


KNOWN = st.sets(st.text("ab#", max_size=3))


@given(words=COUNTS, known=KNOWN, n_tokens=st.integers(0, 30), min_frequency=st.integers(1, 4))
def test_fast_training_equals_the_definition(words, known, n_tokens, min_frequency):
    assert learn(words, known, n_tokens, min_frequency) == plain_learn(words, known, n_tokens, min_frequency)


def test_fast_training_equals_the_definition_on_text():
    words = Counter(_words.split("".join(TRICKY) * 2 + ENGLISH[0]))
    assert learn(words, set(), 200, 1) == plain_learn(words, set(), 200, 1)


def test_the_score_prefers_those_that_belong_together():
    assert learn({"ab": 5, "ac": 5, "xy": 2}, set(), 1, 1) == ["xy"]  # 2 / (2 * 2) beats 5 / (10 * 5)
    assert learn({"ab": 5, "ac": 5, "xy": 2}, set(), 1, 3) == ["ab"]


@given(texts=st.lists(MIXED, max_size=4))
def test_what_was_learnt_is_covered(texts):
    tokenizer = WordPiece(vocab_size=10_000, min_frequency=2).train(texts)
    for text in texts:
        assert tokenizer.covers(text) == all(len(word) <= tokenizer.longest_word for word in _words.split(text))


def test_any_word_of_known_characters_can_be_spelled():
    tokenizer = WordPiece(min_frequency=2).train(ENGLISH)
    assert tokenizer.covers("goatlike unhenliest") and not tokenizer.covers("zebra")
    assert tokenizer.decode(tokenizer.encode("the zebra")) == "the[UNK]"
    assert len(WordPiece(vocab_size=60).train(ENGLISH).pieces) <= 58


@given(text=MIXED)
def test_encoding_is_greedy_longest_match(text):
    tokenizer = small("wordpiece")
    for word in _words.split(text):
        ids = tokenizer.encode(word)
        if not tokenizer.covers(word):
            assert ids == [tokenizer.special["[UNK]"]]
            continue
        start = 0
        for id in ids:
            prefix, piece = "##" if start else "", tokenizer.pieces[id]
            longer = [word[start:end] for end in range(start + len(piece) - len(prefix) + 1, len(word) + 1)]
            assert not any(prefix + more in tokenizer.pieces for more in longer)
            start += len(piece) - len(prefix)
        assert start == len(word)


def bert(lowercase: bool) -> tokenizers.Tokenizer:
    engine = tokenizers.Tokenizer(tokenizers.models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    engine.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=lowercase)
    engine.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    return engine


@given(text=MIXED, lowercase=st.booleans())
@settings(max_examples=300)
def test_words_arereading_s(text, lowercase):
    old = unicodedata.ucd_3_2_0  # Hugging Face's table of punctuation is older than Python's
    assume(all(old.category(c) == unicodedata.category(c) for c in text))
    engine = bert(lowercase)
    theirs = engine.pre_tokenizer.pre_tokenize_str(engine.normalizer.normalize_str(text))
    assert reading.words(text, lowercase) == [word for word, _ in theirs]


@given(text=MIXED)
def testreading_s_reading_gives_the_normal_form(text):
    tokenizer = WordPiece(reading="bert-uncased", min_frequency=2, vocab_size=5000).train([*TRICKY, text])
    back = tokenizer.decode(tokenizer.encode(text))
    if all(len(word) <= 100 for word in reading.words(text, True)):
        assert back == "".join(" " + word for word in reading.words(text, True))
        assert tokenizer.covers(back) or reading.words(back, True) != back.split()


HOSTILE = {
    "no pieces": {"pieces": ...},
    "a piece twice": {"pieces": ["a", "a"]},
    "a reading that does not exist": {"reading": "./evil.py"},
    "an unknown that is not special": {"unknown": "<unk>"},
    "a longest word beyond bounds": {"longest_word": 1 << 40},
    "too few ids": {"ids": [0]},
    "an id twice": {"pieces": ["a", "b"], "ids": [0, 0]},
    "a huge id": {"pieces": ["a"], "ids": [1 << 40]},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(changes, tmp_path):
    tree = json.loads(small("wordpiece").to_json()) | changes
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps({key: value for key, value in tree.items() if value is not ...}))
    with pytest.raises(TokenizerError, match="restore the file"):
        load(path)


def test_no_text_is_slow():
    pieces = ["a" * n for n in range(1, 100)] + ["##" + "a" * n for n in range(1, 98)] + ["b", "##b"]
    tokenizer = WordPieceTokenizer(pieces, "exact", {"<|endoftext|>": 500, "[UNK]": 501})
    words = " ".join("a" * (i % 50) + "b" + "a" * (i % 49) for i in range(20_000)) + "a" * 1_000_000
    start = time.perf_counter()
    tokenizer.encode(words)
    assert time.perf_counter() - start < 10


def test_alphabet_holds_every_character_in_both_places():
    assert alphabet(Counter({" ab": 2, "c": 1})) == [" a", "##b", "c", "##a", "##c", "a", "b"]


def test_the_examples_in_the_docstrings_are_true():
    for module in (wordpiece, reading):
        for example in doctest.DocTestFinder(recurse=True).find(module, module.__name__):
            assert doctest.DocTestRunner().run(example).failed == 0

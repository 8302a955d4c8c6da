"""Words: nothing is lost by cutting, the frequent are kept, the rest is `<unk>`."""

import doctest
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import SettingError, TokenizerError
from glassformer.tokenizers import TokenizerRecipe, _words, load, word
from glassformer.tokenizers.word import UNKNOWN, Word

from .examples import MIXED


@given(text=st.one_of(MIXED, st.text()))
def test_pieces_join_to_the_text_and_stay_pieces(text):
    pieces = _words.split(text)
    assert "".join(pieces) == text
    assert all(_words.split(piece) == [piece] for piece in pieces)


@given(texts=st.lists(MIXED, max_size=4))
def test_what_was_learnt_is_covered(texts):
    tokenizer = Word().train(texts)
    for text in texts:
        assert tokenizer.covers(text) and tokenizer.special[UNKNOWN] not in tokenizer.encode(text)


def test_the_frequent_words_are_kept():
    tokenizer = Word(vocab_size=4).train(["b b a a a c"])
    assert tokenizer.words == [" a", " b"] and tokenizer.vocab_size == 4
    assert Word(min_frequency=3).train(["b b a a a c"]).words == [" a"]
    assert tokenizer.decode(tokenizer.encode(" a b c")) == " a b<unk>" and not tokenizer.covers(" c")


def test_reserved_ids_come_last_and_are_free():
    tokenizer = Word(reserved=2, special=["<|x|>"]).train(["a"])
    assert tokenizer.special == {
        "<|endoftext|>": 1, "<unk>": 2, "<|x|>": 3, "<|reserved_0|>": 4, "<|reserved_1|>": 5
    }  # fmt: skip


@pytest.mark.parametrize(
    "knobs",
    [{"vocab_size": 1}, {"vocab_size": 5, "reserved": 4}, {"special": ["<unk>"]}, {"special": ["<|reserved_0|>"]},
     {"min_frequency": 0}, {"reserved": -1}],
    ids=str,
)  # fmt: skip
def test_impossible_settings_are_refused_by_name(knobs):
    with pytest.raises(SettingError, match=next(iter(knobs))):
        TokenizerRecipe.named("word", **knobs)


@pytest.mark.parametrize(
    "changes",
    [{"words": ["a", "a"]}, {"words": [""]}, {"words": "ab"}, {"words": [1]}, {"words": ["\ud800"]},
     {"special": {"<|endoftext|>": 9}}, {"words": ["a"] * 10}],
    ids=str,
)  # fmt: skip
def test_hostile_files_are_refused(changes, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(Word().train(["a"]).to_json()) | changes))
    with pytest.raises(TokenizerError, match="restore the file"):
        load(path)


def test_the_examples_in_the_docstrings_are_true():
    for module in (word, _words):
        for example in doctest.DocTestFinder(recurse=False).find(module, module.__name__):
            assert doctest.DocTestRunner().run(example).failed == 0 and example.examples

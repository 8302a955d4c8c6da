"""encode(a) + encode(b) against encode(a + b): they always say the same text, and are the same where words part."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from glassformer.tokenizers import Tokenizer, _words
from glassformer.tokenizers.bpe import BPETokenizer
from glassformer.tokenizers.bpe.patterns import Splitter

from .examples import MIXED, TRICKY, covered, kinds, small

pytestmark = pytest.mark.parametrize("name", kinds())


def cut(tokenizer: Tokenizer, text: str) -> list[str]:
    """The pieces within which a tokenizer decides: characters for those that have no words."""
    if isinstance(tokenizer, BPETokenizer):
        return list(Splitter(tokenizer.pattern)(text))
    return list(text) if tokenizer.name in ("byte", "char") else _words.split(text)


@given(a=MIXED, b=MIXED)
def test_both_say_the_same_text(name, a, b):
    tokenizer = small(name)
    a, b = covered(tokenizer, a), covered(tokenizer, b)
    assert tokenizer.decode(tokenizer.encode(a) + tokenizer.encode(b)) == a + b


@given(a=MIXED, b=MIXED)
@example(a="the goat", b="\nnext")
@example(a="the", b=" goat")
def test_they_are_equal_where_the_words_part(name, a, b):
    tokenizer = small(name)
    a, b = covered(tokenizer, a), covered(tokenizer, b)
    assume(cut(tokenizer, a + b) == cut(tokenizer, a) + cut(tokenizer, b))
    assert tokenizer.encode(a + b) == tokenizer.encode(a) + tokenizer.encode(b)


@given(text=st.one_of(MIXED, st.sampled_from(TRICKY)))
def test_a_stream_shows_only_beginnings_of_the_text(name, text):
    tokenizer = small(name)
    text = covered(tokenizer, text)
    ids, stream, shown = tokenizer.encode(text), tokenizer.stream(), ""
    for number, id in enumerate(ids, start=1):
        shown += stream.push(id)
        assert text.startswith(shown)
        assert len(text.encode()) >= len(tokenizer.decode_bytes(ids[:number])) >= len(shown.encode())
        assert len(tokenizer.decode_bytes(ids[:number])) - len(shown.encode()) < 4  # at most a character waits
    assert shown == text and stream.flush() == ""

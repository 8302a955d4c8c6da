"""tiktoken's rank files: hostile ones are refused, and the merges that made the tokens are recovered from the ranks."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import TokenizerError
from glassformer.tokenizers import _formats as formats
from glassformer.tokenizers._formats.tiktoken import plain_recover, recover
from glassformer.tokenizers.bpe import BPE

BYTES = "".join(f"{base64.b64encode(bytes([value])).decode()} {value}\n" for value in range(256))
RANKS = {
    "no bytes": "YWI= 0\n",
    "not base64": BYTES + "a*b= 256\n",
    "no rank": BYTES + "YWI=\n",
    "a rank that is no number": BYTES + "YWI= many\n",
    "a rank twice": BYTES + "YWI= 5\n",
    "a token twice": BYTES + "YQ== 256\n",
    "a huge rank": BYTES + "YWI= 99999999999\n",
    "a negative rank": BYTES + "YWI= -1\n",
    "digits without end": BYTES + "YWI= " + "9" * 10_000 + "\n",
    "a huge token": BYTES + base64.b64encode(b"a" * 100_000).decode() + " 256\n",
    "a token of no merge": BYTES + base64.b64encode(b"abc").decode() + " 256\n",
    "an empty token": BYTES + " 256\n",
    "empty": "",
}


@pytest.mark.parametrize("text", RANKS.values(), ids=RANKS)
def test_hostile_rank_files_are_refused(text, tmp_path):
    (tmp_path / "x.tiktoken").write_text(text)
    with pytest.raises(TokenizerError, match="x.tiktoken") as refused:
        formats.read(tmp_path / "x.tiktoken", pattern="gpt2")
    assert len(str(refused.value)) < 500


def test_a_rank_file_needs_its_pattern(tmp_path):
    (tmp_path / "x.tiktoken").write_text(BYTES)
    with pytest.raises(TokenizerError, match="--pattern"):
        formats.read(tmp_path / "x.tiktoken")
    assert formats.read(tmp_path / "x.tiktoken", r"\w+|\W").encode("ab") == [97, 98]
    (tmp_path / "cl100k_base.tiktoken").write_text(BYTES)
    assert formats.read(tmp_path / "cl100k_base.tiktoken").special["<|endofprompt|>"] == 100276


def test_merges_are_recovered_from_ranks():
    ranks = {bytes([value]): value for value in range(256)} | {b"ab": 256, b"bc": 257, b"abc": 258, b"abcabc": 300}
    assert recover(ranks) == [(b"a", b"b"), (b"b", b"c"), (b"ab", b"c"), (b"abc", b"abc")]


ALPHABET = {bytes([value]): value for value in range(256)}
TOKENS = st.lists(st.text("ab c", min_size=2, max_size=9).map(str.encode), unique=True, max_size=30)


def merges_or_none(function, ranks):
    try:
        return function(ranks)
    except TokenizerError:
        return None


@given(tokens=TOKENS)
def test_recovering_fast_equals_encoding_each_token(tokens):
    ranks = dict(ALPHABET)
    for token in tokens:  # those that can be made by a merge, so that long lists are not refused at their first token
        if merges_or_none(plain_recover, {**ranks, token: len(ranks)}) is not None:
            ranks[token] = len(ranks)
    assert recover(ranks) == plain_recover(ranks)
    for token in tokens:
        more = {**ranks, token: len(ranks)}
        assert merges_or_none(recover, more) == merges_or_none(plain_recover, more)


@given(texts=st.lists(st.text("ab c\n", max_size=60), max_size=4))
def test_what_training_learns_is_recovered(texts):
    tokenizer = BPE(vocab_size=330, pattern="none").train(texts)
    ranks = {piece: id for id, piece in enumerate(tokenizer.token_bytes) if piece}
    assert recover(ranks) == plain_recover(ranks) == tokenizer.merges


def test_very_long_tokens_travel_as_ranks(tmp_path, monkeypatch):
    ours = BPE(vocab_size=300, pattern="none").train(["-" * 6000 + "x" * 700])
    assert max(map(len, ours.token_bytes)) > 2000
    formats.write(ours, tmp_path / "mine.tiktoken")
    assert formats.read(tmp_path / "mine.tiktoken", "none").fingerprint() == ours.fingerprint()
    monkeypatch.setattr(formats.tiktoken, "LONGEST_TOKEN", 2000)
    with pytest.raises(TokenizerError, match="2000 bytes"):
        formats.write(ours, tmp_path / "again.tiktoken")

"""Special tokens chosen call by call, bytes to ids, places of tokens in the text, and other ends of text than ours."""

import json

import numpy as np
import pytest
import tiktoken
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import TokenizerError
from glassformer.tokenizers import END_OF_TEXT, ChatTemplate, Tokenizer, TokenizerRecipe, load, well_formed
from glassformer.tokenizers import _formats as formats
from glassformer.tokenizers.bpe import BPE, BPETokenizer, compiled
from glassformer.tokenizers.bpe.merges import CHARACTER_OF
from glassformer.tokenizers.bpe.patterns import PATTERNS
from glassformer.tokenizers.wordpiece import WordPiece

from .examples import MIXED, TRICKY, covered, kinds, small

bpe = BPE(vocab_size=400, pattern="gpt2", special=("<|user|>", "<|end|>")).train(TRICKY)
NAMES = list(bpe.special)
PARTS = st.lists(st.one_of(st.sampled_from([*NAMES, "<|", "|>", "<|user", " "]), MIXED), max_size=6).map("".join)
SUBSETS = st.one_of(st.booleans(), st.sets(st.sampled_from(NAMES)))
BY_KIND = pytest.mark.parametrize("name", kinds())


@pytest.fixture(scope="module")
def openai() -> tiktoken.Encoding:
    ranks = {piece: id for id, piece in enumerate(bpe.token_bytes) if piece}
    return tiktoken.Encoding("ours", pat_str=PATTERNS["gpt2"], mergeable_ranks=ranks, special_tokens=bpe.special)


@given(text=PARTS, allowed=SUBSETS, disallowed=st.sampled_from(["text", "raise"]))
def test_the_choice_is_tiktoken_s(openai, text, allowed, disallowed):
    theirs = {
        "allowed_special": allowed if isinstance(allowed, set) else "all" if allowed else set(),
        "disallowed_special": "all" if disallowed == "raise" else (),
    }
    try:
        expected = openai.encode(text, **theirs)
    except ValueError:
        expected = None
    try:
        ids = bpe.encode(text, allowed, disallowed)
    except TokenizerError:
        ids = None
    assert ids == expected


@BY_KIND
@given(texts=st.lists(PARTS, max_size=4), data=st.data())
def test_arrays_know_the_same_choices(name, texts, data):
    tokenizer = small(name)
    texts = [covered(tokenizer, text) for text in texts]
    allowed = data.draw(st.one_of(st.booleans(), st.sets(st.sampled_from(list(tokenizer.special)))))
    arrays = list(tokenizer.encode_array(iter(texts), allowed))
    assert [array.tolist() for array in arrays] == [tokenizer.encode(text, allowed) for text in texts]
    assert all(array.dtype == tokenizer.dtype and array.ndim == 1 for array in arrays)


def test_the_kernels_know_the_same_choices(monkeypatch):
    texts = ["".join(TRICKY).join(["a", "<|user|> b", "<|end|><|endoftext|>"]), "", "<|user|>"] * 3
    expected = [bpe.encode(text, {"<|user|>", END_OF_TEXT}) for text in texts]
    monkeypatch.setattr(compiled, "WAIT", dict.fromkeys(compiled.WAIT, 0.0))
    fresh = BPETokenizer(bpe.merges, bpe.pattern, bpe.special)
    assert [a.tolist() for a in fresh.encode_array(texts, {"<|user|>", END_OF_TEXT})] == expected
    assert fresh._kernels._encoder is not None


@BY_KIND
def test_what_is_not_allowed_is_refused_by_name(name):
    tokenizer = small(name)
    for call in (tokenizer.encode, tokenizer.encode_with_offsets, lambda *a: list(tokenizer.encode_array([a[0]], *a[1:]))):
        with pytest.raises(TokenizerError, match=r"<\|user\|> \(character 1\)"):
            call("a<|user|>", False, "raise")
        with pytest.raises(TokenizerError, match=r"<\|endoftext\|> \(character 8\)"):
            call("<|user|><|endoftext|>", {"<|user|>"}, "raise")
        call("a", True, "raise")
        call("a", False, "raise")


@pytest.mark.parametrize(
    "allowed, disallowed, said",
    [
        ({"<|usr|>"}, "text", r"no special token '<\|usr\|>'; did you mean '<\|user\|>'"),
        ("<|user|>", "text", "write {'<|user|>'}"),
        ({5}, "text", "no special token 5"),
        (False, "ignore", '"text" or "raise"'),
    ],
)
def test_a_choice_misspelt_is_named(allowed, disallowed, said):
    for call in (lambda: bpe.encode("a", allowed, disallowed), lambda: bpe.encode_array(["a"], allowed, disallowed)):
        with pytest.raises(TokenizerError) as refused:
            call()
        assert said in str(refused.value) or said.replace("\\", "") in str(refused.value)


def test_arrays_of_an_endless_corpus_come_one_by_one():
    def endless():
        while True:
            yield text

    text = "a<|user|>b" + "x" * 100_000
    assert next(iter(bpe.encode_array(endless(), True))).tolist() == bpe.encode(text, True)


@BY_KIND
def test_bytes_to_ids(name):
    tokenizer = small(name)
    for id, piece in enumerate(tokenizer.token_bytes):
        if piece:
            first = tokenizer.token_id(piece)
            assert tokenizer.token_bytes[first] == piece and first <= id
    for piece in (b"", b"no such token", tokenizer.end, b"<|endoftext|>"):
        with pytest.raises(TokenizerError, match="no token stands for"):
            tokenizer.token_id(piece)


def test_bytes_to_ids_are_tiktoken_s(openai):
    for piece in filter(None, bpe.token_bytes):
        assert bpe.token_id(piece) == openai.encode_single_token(piece)


@BY_KIND
@given(text=PARTS, data=st.data())
def test_offsets_cover_the_text_in_order(name, text, data):
    tokenizer = small(name)
    if name == "char":
        text = covered(tokenizer, text)
    allowed = data.draw(st.sampled_from([True, False, {"<|user|>"}]))
    ids, offsets = tokenizer.encode_with_offsets(text, allowed)
    assert ids == tokenizer.encode(text, allowed) and len(offsets) == len(ids)
    assert all(type(place) is int for span in offsets for place in span)
    done = 0
    for id, (start, end) in zip(ids, offsets):
        assert done - 1 <= start <= done < end or start == done - 1 < end  # the next character, or again the last
        done = end
        token = tokenizer.decode_bytes([id])
        assert token in text[start:end].encode() or id == tokenizer.special.get(getattr(tokenizer, "unknown", "<unk>"))
    assert done == len(text) and (not text or offsets[0][0] == 0)


@given(text=PARTS)
def test_offsets_are_hugging_face_s(byte_level, text):
    text = well_formed(text)
    theirs = byte_level.encode(text)
    assert bpe.encode_with_offsets(text, True) == (theirs.ids, theirs.offsets)


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory) -> tokenizers.Tokenizer:
    path = tmp_path_factory.mktemp("hf") / "tokenizer.json"
    formats.write(bpe, path)
    return tokenizers.Tokenizer.from_file(str(path))


def test_offsets_of_unknown_words_are_theirs():
    words = TokenizerRecipe.named("word").train(["the goat"])
    assert words.encode_with_offsets("the zebra the")[1] == [(0, 3), (3, 9), (9, 13)]
    pieces = WordPiece(min_frequency=1).train(["the goat"])
    ids, offsets = pieces.encode_with_offsets("the zebra the")
    assert ids == pieces.encode("the zebra the") and (3, 9) in offsets


def test_a_tokenizer_that_changes_text_has_no_offsets():
    bert = WordPiece(min_frequency=1, reading="bert-uncased").train(["The goat"])
    assert bert.encode_with_offsets(" the goat")[1][-1][1] == 9  # its own normal form
    with pytest.raises(TokenizerError, match="no places in the text"):
        bert.encode_with_offsets("The goat")


@BY_KIND
def test_another_end_or_none(name, tmp_path):
    tokenizer = small(name).with_end("<|user|>")
    assert tokenizer.end == "<|user|>" and tokenizer.end_of_text == tokenizer.require_end_of_text()
    assert tokenizer.end_of_text == small(name).special["<|user|>"] and tokenizer.special == small(name).special
    tokenizer.save(tmp_path / "a.json")
    assert load(tmp_path / "a.json").end == "<|user|>" and tokenizer.fingerprint() != small(name).fingerprint()
    assert load(tmp_path / "a.json").with_chat().end == "<|user|>"
    added = small(name).with_end("</s>")
    assert added.end_of_text == small(name).vocab_size == added.vocab_size - 1
    tree = json.loads(small(name).to_json())
    del tree["special"][END_OF_TEXT]
    with pytest.raises(TokenizerError, match="end token is '<"):
        Tokenizer.from_json(json.dumps(tree))
    none = Tokenizer.from_json(json.dumps({**tree, "end": None}))
    assert none.end is None and none.end_of_text is None and none.encode(" ") == small(name).encode(" ")
    assert Tokenizer.from_json(none.to_json()).fingerprint() == none.fingerprint()
    with pytest.raises(TokenizerError, match="with_end"):
        none.require_end_of_text()
    for end in (5, [], "<|nowhere|>", ""):
        with pytest.raises(TokenizerError, match="end token"):
            Tokenizer.from_json(json.dumps({**tree, "end": end}))


def test_a_reserved_id_becomes_the_end():
    tokenizer = TokenizerRecipe.named("byte", reserved=2).train([]).with_end("</s>")
    assert tokenizer.special == {END_OF_TEXT: 256, "</s>": 257, "<|reserved_1|>": 258} and tokenizer.end_of_text == 257
    for name in ("", "\ud800"):
        with pytest.raises(TokenizerError, match="special token is empty or not valid Unicode"):
            tokenizer.with_end(name)


def test_a_tokenizer_without_special_tokens_works():
    plain = BPETokenizer([(b"a", b"b")], "gpt2", {})
    assert plain.encode("abc", True) == [256, ord("c")] == plain.encode("abc", False, "raise")
    assert Tokenizer.from_json(plain.to_json()).encode("ab") == [256] and plain.end_of_text is None
    ids, _ = plain.with_chat(ChatTemplate()).render([{"role": "user", "content": "hi"}])
    assert plain.with_chat().decode(ids) == "<|user|>hi<|end|>"
    with pytest.raises(TokenizerError, match="no token at all"):
        TokenizerRecipe.named("char").restore({}, {"characters": ""})


def test_without_an_end_data_says_what_to_do_and_a_model_just_writes(tmp_path):
    from glassformer.corpora import Corpus
    from glassformer.data import DataConfig
    from glassformer.data.prepare import prepare
    from glassformer.generate.sampling import SamplingConfig
    from glassformer.generate.text import write
    from glassformer.model.gpt import GPT, GPTConfig

    plain = BPETokenizer([], "gpt2", {})
    with pytest.raises(TokenizerError, match="with_end"):
        prepare(Corpus.named("village"), plain, DataConfig(), tmp_path / "data")
    assert not (tmp_path / "data").exists()
    model = GPT(GPTConfig(n_layer=1, n_embd=16, n_head=2, context_length=16, vocab_size=256), seed=0)
    pieces = list(write(model, plain, ["abc"], SamplingConfig(max_new_tokens=5)))
    assert pieces[-1].finish == "length"


VOCABULARY = {CHARACTER_OF[value]: value for value in range(256)} | {"ab": 256, "</s>": 257, "<pad>": 258}
BESIDE = {
    "a name": ("tokenizer_config.json", {"eos_token": "</s>"}),
    "a token": ("tokenizer_config.json", {"eos_token": {"content": "</s>", "lstrip": False}}),
    "the map": ("special_tokens_map.json", {"eos_token": "</s>"}),
    "an id": ("config.json", {"eos_token_id": 257}),
    "several ids": ("config.json", {"eos_token_id": [50256, 257]}),
}


@pytest.mark.parametrize("file, tree", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("one_file", [False, True])
def test_the_end_is_read_from_the_files_beside(tmp_path, file, tree, one_file):
    (tmp_path / "vocab.json").write_text(json.dumps(VOCABULARY), "utf-8")
    (tmp_path / "merges.txt").write_text("a b\n")
    assert formats.read(tmp_path).end_of_text is None
    if one_file:
        formats.write(formats.read(tmp_path), tmp_path / "tokenizer.json")
    (tmp_path / file).write_text(json.dumps(tree))
    tokenizer = formats.read(tmp_path)
    assert tokenizer.end == "</s>" and tokenizer.end_of_text == 257 and tokenizer.vocab_size == 259
    assert tokenizer.encode("ab</s>", True) == [256, 257]
    (tmp_path / file).write_text("{")
    with pytest.raises(TokenizerError, match=f"{file}, which names the end token, is damaged"):
        formats.read(tmp_path)
    for useless in ([], {"eos_token": "a"}, {"eos_token_id": 3}, {"eos_token": None}, {"eos_token_id": True}):
        (tmp_path / file).write_text(json.dumps(useless))
        assert formats.read(tmp_path).end_of_text is None
    assert np.array_equal(next(iter(formats.read(tmp_path).encode_array(["ab"]))), [256])

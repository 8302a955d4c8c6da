"""Other libraries' files: what we write they read, what they write we read, and the ids are the same."""

import json
import unicodedata
from pathlib import Path

import pytest
import tiktoken
import tokenizers
from hypothesis import assume, given
from hypothesis import strategies as st
from tiktoken.load import load_tiktoken_bpe

from glassformer.errors import TokenizerError
from glassformer.tokenizers import ChatTemplate, Tokenizer, TokenizerRecipe
from glassformer.tokenizers import _formats as formats
from glassformer.tokenizers.bpe import BPE, BPETokenizer
from glassformer.tokenizers.bpe.patterns import PATTERNS
from glassformer.tokenizers.wordpiece import WordPiece

CODE = Path(json.__file__).read_text("utf-8")
TEXTS = [
    CODE[:6000], "The goats of the village don't like rain; they'Re 12345 strong!\r\n\r\n  \t x   ", " " * 300 + "\n" * 40,
    "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 🇫🇷 e\u0301 n\u0303 \u0915\u094d\u0937 我喜欢猫。 日本語 한국어 שלום مرحبا\u200f",
    "x" * 500 + "é" * 70,
    "HTTPServer camelCase SCREAMING_CASE mixedUPLower's ΑΒΓαβγ Ǆǅǆ ª²½", "<|endoftext|> <|user|> [UNK] ##a # ##",
    "one\rtwo\u2028three\u0085four \u00a0\u2003\u3000 \x1c \x00", "a\n \n  b\n\n\n   c",
]  # fmt: skip
BLOCKS = [
    "".join(map(chr, range(start, start + 64))) for start in range(0x80, 0x32000, 0x140) if not 0xD7C0 < start < 0xE000
]


def known(text: str) -> bool:
    """Every library's tables know these characters (BERT's libraries have old ones)."""
    old = unicodedata.ucd_3_2_0
    return all(old.category(c) == unicodedata.category(c) not in ("Cn", "Cs") for c in text)


SAMPLES = TEXTS + ["".join(filter(known, block)) for block in BLOCKS]
MIXED = st.one_of(
    st.text(max_size=40), st.lists(st.sampled_from([*"aé猫 \n\t'#1_.,", "  ", "the", "\r\n", "🙂"])).map("".join)
)
RECIPES = {
    **{f"bpe {name}": BPE(vocab_size=700, pattern=name, special=("<|user|>",), reserved=2) for name in PATTERNS},
    "wordpiece exact": WordPiece(vocab_size=1200, min_frequency=2, special=("<|user|>",)),
    "wordpiece uncased": WordPiece(vocab_size=900, min_frequency=2, reading="bert-uncased"),
    "wordpiece cased": WordPiece(vocab_size=900, min_frequency=2, reading="bert-cased"),
}
TRAINED = {name: recipe.train([*TEXTS, CODE]) for name, recipe in RECIPES.items()}
BPES = [name for name in TRAINED if name.startswith("bpe")]


def same(one: Tokenizer, other: Tokenizer) -> bool:
    return one.fingerprint() == other.fingerprint()


def theirs(tokenizer: Tokenizer, folder: Path) -> tokenizers.Tokenizer:
    path = folder / "tokenizer.json"
    formats.write(tokenizer, path)
    return tokenizers.Tokenizer.from_file(str(path))


@pytest.mark.parametrize("name", TRAINED)
def test_hugging_face_reads_what_we_write(name, tmp_path):
    ours, engine = TRAINED[name], theirs(TRAINED[name], tmp_path)
    for text in SAMPLES:
        ids = engine.encode(text, add_special_tokens=False).ids
        assert ours.encode(text, allow_special=True) == ids, text
    assert engine.get_vocab_size() == ours.vocab_size
    again = formats.read(tmp_path)
    assert same(again, ours)
    engine.save(str(tmp_path / "theirs.json"))  # as their library writes it
    assert same(formats.read(tmp_path / "theirs.json"), ours)


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    return {name: theirs(TRAINED[name], tmp_path_factory.mktemp("hf")) for name in TRAINED}


@given(name=st.sampled_from(list(TRAINED)), text=MIXED)
def test_ids_equal_hugging_face_s_on_any_text(engines, name, text):
    assume(known(text))
    assert TRAINED[name].encode(text, allow_special=True) == engines[name].encode(text, add_special_tokens=False).ids


@pytest.mark.parametrize("name", BPES)
def test_tiktoken_reads_what_we_write(name, tmp_path):
    ours, path = TRAINED[name], tmp_path / "mine.tiktoken"
    formats.write(ours, path)
    engine = tiktoken.Encoding(
        "mine",
        pat_str=PATTERNS[ours.pattern],
        mergeable_ranks=load_tiktoken_bpe(str(path)),
        special_tokens=ours.special,
    )
    again = formats.read(path, pattern=ours.pattern)
    for text in SAMPLES:
        ids = engine.encode_ordinary(text)
        assert ours.encode(text) == ids == again.encode(text), text
    assert isinstance(again, BPETokenizer) and again.merges == ours.merges and again.pattern == ours.pattern


def test_gpt2_s_files_come_back(tmp_path):
    ours = TRAINED["bpe gpt2"]
    assert formats.write(ours, tmp_path / "mine") == [tmp_path / "mine/vocab.json", tmp_path / "mine/merges.txt"]
    assert same(formats.read(tmp_path / "mine"), ours)
    assert same(formats.read(tmp_path / "mine/vocab.json"), ours)
    engine = tokenizers.ByteLevelBPETokenizer.from_file(
        *(str(tmp_path / "mine" / n) for n in ("vocab.json", "merges.txt"))
    )
    for text in SAMPLES:
        assert ours.encode(text) == engine.encode(text).ids


def test_a_token_that_looks_like_the_version_line_survives(tmp_path):
    parts = b"#versions"
    merges = [(parts[:end], parts[end : end + 1]) for end in range(1, len(parts))]
    ours = BPETokenizer(merges, "gpt2", {"<|endoftext|>": 256 + len(merges)})
    formats.write(ours, tmp_path / "mine")
    assert same(formats.read(tmp_path / "mine"), ours)


GPT2 = Path(__file__).parents[2].parent / "shared" / "data" / "gpt2"


@pytest.mark.skipif(not (GPT2 / "merges.txt").exists(), reason="GPT-2's files are not there")
def test_gpt2_travels_through_every_format(tmp_path):
    ours = formats.read(GPT2)
    assert isinstance(ours, BPETokenizer) and ours.vocab_size == 50257
    for name in ("r50k_base.tiktoken", "tokenizer.json", "own.json", "folder"):
        formats.write(ours, tmp_path / name)
        assert same(formats.read(tmp_path / name), ours), name
    vocabulary = json.loads((GPT2 / "vocab.json").read_text("utf-8"))
    assert json.loads((tmp_path / "folder/vocab.json").read_text("utf-8")) == vocabulary


def test_our_own_format_keeps_the_chat_template(tmp_path):
    ours = TRAINED["bpe gpt4"].with_chat(ChatTemplate(user="<|user|>", end="<|im_end|>"))
    formats.write(ours, tmp_path / "mine.json")
    assert same(formats.read(tmp_path / "mine.json"), ours)


def test_their_files_without_end_of_text_keep_their_ids(tmp_path):
    engine = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({"[PAD]": 0, "[UNK]": 1, "a": 2, "##b": 3}, unk_token="[UNK]")
    )
    engine.normalizer = tokenizers.normalizers.BertNormalizer(lowercase=True, strip_accents=True)
    engine.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    engine.add_special_tokens(["[PAD]"])
    engine.save(str(tmp_path / "tokenizer.json"))
    ours = formats.read(tmp_path / "tokenizer.json")
    assert ours.special == {"[PAD]": 0, "[UNK]": 1} and ours.vocab_size == 4 and ours.end_of_text is None
    assert ours.with_end("[PAD]").end_of_text == 0 and ours.with_end("<|endoftext|>").end_of_text == 4
    assert ours.encode("ab Á abc") == engine.encode("ab Á abc").ids == [2, 3, 2, 1]


def test_bytes_with_their_own_numbers_and_merges_in_pairs(tmp_path):
    tree = json.loads(written("bpe gpt4", tmp_path))
    tree["model"]["merges"] = [merge.split(" ") for merge in tree["model"]["merges"]]
    tree["model"]["ignore_merges"] = True
    (tmp_path / "pairs.json").write_text(json.dumps(tree))
    assert same(formats.read(tmp_path / "pairs.json"), TRAINED["bpe gpt4"])


def written(name: str, folder: Path) -> str:
    formats.write(TRAINED[name], folder / "tokenizer.json")
    return (folder / "tokenizer.json").read_text("utf-8")


def damage(tree, path, value):
    *parents, last = path.split(".")
    for key in parents:
        tree = tree[key]
    if value is ...:
        del tree[last]
    else:
        tree[last] = value(tree[last]) if callable(value) else value


def nested(depth: int) -> list:
    return [nested(depth - 1)] if depth else []


FOREIGN = {
    "another model": ("model.type", "Unigram"),
    "no model": ("model", 5),
    "no merges": ("model.merges", ...),
    "merges of another type": ("model.merges", [5]),
    "a merge of three": ("model.merges", [["a", "b", "c"]]),
    "a merge of no tokens": ("model.merges", lambda merges: [*merges, "猫 猫"]),
    "missing merges": ("model.merges", lambda merges: merges[:-1]),
    "no vocabulary": ("model.vocab", ...),
    "a byte missing": ("model.vocab", lambda vocab: {k: v for k, v in vocab.items() if k != "x"}),
    "an id twice": ("model.vocab", lambda vocab: vocab | {"a": 5}),
    "a huge id": ("model.vocab", lambda vocab: vocab | {"a": 1 << 50}),
    "a fractional id": ("model.vocab", lambda vocab: vocab | {"a": 1.5}),
    "a normaliser": ("normalizer", {"type": "NFC"}),
    "another pre-tokeniser": ("pre_tokenizer", {"type": "Whitespace"}),
    "no pre-tokeniser": ("pre_tokenizer", None),
    "a regex bomb": ("pre_tokenizer.pretokenizers", [{"type": "Split", "pattern": {"Regex": "(a+)+$"}}]),
    "a normaliser nested without end": ("normalizer", lambda _: nested(900)),
    "a prefix": ("model.continuing_subword_prefix", "@@"),
    "byte fallback": ("model.byte_fallback", True),
    "dropout": ("model.dropout", 0.1),
    "truncation": ("truncation", {"max_length": 5}),
    "added tokens of another type": ("added_tokens", {"a": 1}),
    "an added token without id": ("added_tokens", [{"content": "<x>"}]),
    "an added token that is not special": ("added_tokens", lambda a: [*a, {"id": 9999, "content": "x", "special": False}]),
    "an added token that strips": ("added_tokens", lambda a: [a[0] | {"lstrip": True}, *a[1:]]),
    "an added token with two ids": ("added_tokens", lambda a: [a[0] | {"id": 5}, *a[1:]]),
    "an added token twice": ("added_tokens", lambda a: [*a, *a]),
}  # fmt: skip


@pytest.mark.parametrize("path, value", FOREIGN.values(), ids=FOREIGN)
def test_what_we_cannot_do_exactly_is_refused(path, value, tmp_path):
    tree = json.loads(written("bpe gpt4", tmp_path))
    damage(tree, path, value)
    (tmp_path / "t.json").write_text(json.dumps(tree))
    with pytest.raises(TokenizerError, match="t.json") as refused:
        formats.read(tmp_path / "t.json")
    assert len(str(refused.value)) < 600


FOREIGN_WORDPIECE = {
    "another prefix": ("model.continuing_subword_prefix", "@@"),
    "no unknown": ("model.unk_token", "[NOPE]"),
    "a huge limit": ("model.max_input_chars_per_word", 1 << 40),
    "accents kept": ("normalizer.strip_accents", False),
    "control characters kept": ("normalizer.clean_text", False),
    "a vocabulary in a list": ("model.vocab", ["a"]),
}


@pytest.mark.parametrize("path, value", FOREIGN_WORDPIECE.values(), ids=FOREIGN_WORDPIECE)
def test_wordpiece_that_we_cannot_do_exactly_is_refused(path, value, tmp_path):
    tree = json.loads(written("wordpiece uncased", tmp_path))
    damage(tree, path, value)
    (tmp_path / "t.json").write_text(json.dumps(tree))
    with pytest.raises(TokenizerError, match="t.json"):
        formats.read(tmp_path / "t.json")


def test_what_a_format_cannot_hold_is_not_written(tmp_path):
    byte, own = TokenizerRecipe.named("byte").train([]), BPE(vocab_size=300, pattern=r"\w+|\W").train(TEXTS)
    for tokenizer, name in ((byte, "x.tiktoken"), (byte, "tokenizer.json"), (byte, "folder"), (own, "tokenizer.json"),
                            (own, "folder"), (TRAINED["bpe gpt4"], "folder"), (byte, "x.txt")):  # fmt: skip
        with pytest.raises(TokenizerError):
            formats.write(tokenizer, tmp_path / name)
    upside_down = BPETokenizer([(b"a", b"b"), (b"c", b"d")], "gpt2", {"<|endoftext|>": 300}, [*range(256), 257, 256])
    with pytest.raises(TokenizerError, match="order of their ids"):
        formats.write(upside_down, tmp_path / "x.tiktoken")
    alike = BPETokenizer([(b"a", b"b")], "gpt2", {"<|endoftext|>": 257, "ab": 258})
    with pytest.raises(TokenizerError, match="look the same"):
        formats.write(alike, tmp_path / "tokenizer.json")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.json").write_text("precious")
    with pytest.raises(TokenizerError, match="already there"):
        formats.write(TRAINED["bpe gpt4"], tmp_path / "mine.json")
    assert (tmp_path / "mine.json").read_text() == "precious"


@pytest.mark.parametrize("content", ["{}", "[]", "5", "", "{", '{"a": 1}', '{"model": {}}', '{"model": {"vocab": {}}}'])
def test_other_files_are_refused(content, tmp_path):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(TokenizerError, match="x.json"):
        formats.read(tmp_path / "x.json")
    with pytest.raises(TokenizerError, match="holds no tokenizer"):
        formats.read(tmp_path)
    with pytest.raises(TokenizerError, match="cannot be read"):
        formats.read(tmp_path / "missing.json")

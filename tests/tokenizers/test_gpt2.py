"""GPT-2's own files give GPT-2's own ids: tiktoken and Hugging Face, built from the same files, agree."""

import json
import random
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import tiktoken
import tokenizers
from hypothesis import assume, given, settings

from glassformer.errors import TokenizerError
from glassformer.tokenizers import Tokenizer
from glassformer.tokenizers._formats.gpt2 import from_gpt2
from glassformer.tokenizers.bpe import BPE, BPETokenizer
from glassformer.tokenizers.bpe.merges import BYTE_OF, CHARACTER_OF, show, unshow
from glassformer.tokenizers.bpe.patterns import PATTERNS

from .examples import MIXED, TRICKY, WORDS, known_everywhere

FOLDER = Path(__file__).parents[2].parent / "shared" / "data" / "gpt2"
FILES = FOLDER / "vocab.json", FOLDER / "merges.txt"
SHAKESPEARE = FOLDER.parent / "tinyshakespeare.txt"
needs_files = pytest.mark.skipif(not all(map(Path.exists, FILES)), reason=f"GPT-2's files are not in {FOLDER.name}/")

TIKTOKEN_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"


@pytest.fixture(scope="module")
def gpt2() -> BPETokenizer:
    return from_gpt2(*FILES)


def in_tiktoken(tokenizer: BPETokenizer, pattern: str) -> tiktoken.Encoding:
    """tiktoken's engine with this vocabulary; its ranks are its ids, so `ids` must keep the order of the merges."""
    ranks = {piece: id for id, piece in enumerate(tokenizer.token_bytes) if piece}
    return tiktoken.Encoding("ours", pat_str=pattern, mergeable_ranks=ranks, special_tokens=tokenizer.special)


@pytest.fixture(scope="module")
def openai(gpt2) -> tiktoken.Encoding:
    return in_tiktoken(gpt2, TIKTOKEN_GPT2)


@pytest.fixture(scope="module")
def hugging_face() -> tokenizers.Tokenizer:
    engine = tokenizers.Tokenizer(tokenizers.models.BPE.from_file(*map(str, FILES)))
    engine.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    engine.add_special_tokens(["<|endoftext|>"])
    return engine


@needs_files
def test_ids_are_those_of_vocab_json(gpt2):
    vocabulary = json.loads(FILES[0].read_text("utf-8"))
    assert gpt2.vocab_size == len(vocabulary) == 50257
    assert gpt2.special == {"<|endoftext|>": 50256} and gpt2.end_of_text == 50256
    shown = {show(piece): id for id, piece in enumerate(gpt2.token_bytes) if piece}
    assert shown | gpt2.special == vocabulary
    assert gpt2.encode("Hello world") == [15496, 995]


@needs_files
@given(text=MIXED)
@settings(max_examples=300)
def test_ids_equal_tiktoken_s_and_hugging_face_s(gpt2, openai, hugging_face, text):
    assume(known_everywhere(text))
    ids = gpt2.encode(text)
    assert ids == openai.encode_ordinary(text)
    special = gpt2.encode(text, allow_special=True)
    assert special == openai.encode(text, allowed_special="all") == hugging_face.encode(text).ids
    assert gpt2.decode(special) == openai.decode(special) == text


@needs_files
@pytest.mark.parametrize("text", ["\ud83d\ude42", "a\ud83d", "\ude42b \ud800\ud83d\ude42\udfff"])
def test_surrogates_are_read_as_tiktoken_reads_them(gpt2, openai, text):
    assert gpt2.encode(text) == openai.encode(text)


@needs_files
@pytest.mark.skipif(not SHAKESPEARE.exists(), reason="tinyshakespeare.txt is not there")
def test_ids_equal_tiktoken_s_on_books_and_code(gpt2, openai):
    texts = [
        SHAKESPEARE.read_text("utf-8"),
        *(path.read_text("utf-8") for path in Path(json.__file__).parent.glob("*.py")),
    ]
    for text, array in zip(texts, gpt2.encode_array(texts), strict=True):
        assert array.tolist() == openai.encode_ordinary(text)


def mixed(megabytes: float) -> list[str]:
    """Different texts of that size: a fifth of every Unicode block, the rest code of the library and of packages."""
    rng, known = random.Random(0), [c for c in map(chr, range(0x110000)) if known_everywhere(c)]
    texts, left = [], megabytes * 1e6
    while left > megabytes * 8e5:
        parts = []
        for at in rng.choices(range(len(known)), k=2000):
            parts += [*rng.choices(known[at : at + 64], k=rng.randint(1, 6)), rng.choice(WORDS)]
        texts.append("".join(parts))
        left -= len(texts[-1].encode())
    for path in (path for name in ("stdlib", "purelib") for path in sorted(Path(sysconfig.get_path(name)).rglob("*.py"))):
        text = path.read_text("utf-8", errors="replace")
        if left > 0 and known_everywhere(text):
            texts.append(text)
            left -= len(text.encode())
    return texts


@needs_files
@pytest.mark.parametrize("megabytes", [2, pytest.param(20, marks=pytest.mark.slow)])
def test_ids_of_mixed_text_equal_tiktoken_s_and_hugging_face_s(gpt2, openai, hugging_face, megabytes):
    texts = mixed(megabytes)
    ours = [array.tolist() for array in gpt2.encode_array(texts)]
    assert gpt2._kernels._encoder is not None or megabytes < 10  # compiled
    assert ours == [openai.encode_ordinary(text) for text in texts]
    assert ours == [encoding.ids for encoding in hugging_face.encode_batch_fast(texts)]
    assert gpt2.decode(np.concatenate(ours)) == "".join(texts)


@needs_files
def test_every_character_alone_equals_hugging_face(gpt2, hugging_face):
    characters = [c for c in map(chr, range(0x110000)) if known_everywhere(c)][::7]
    ours = [gpt2.encode(character) for character in characters]
    assert ours == [encoding.ids for encoding in hugging_face.encode_batch(characters)]


@needs_files
def test_our_own_file_keeps_the_ids(gpt2):
    again = Tokenizer.from_json(gpt2.to_json())
    assert again.fingerprint() == gpt2.fingerprint() and again.token_bytes == gpt2.token_bytes
    assert [again.encode(text) for text in TRICKY] == [gpt2.encode(text) for text in TRICKY]


@pytest.mark.parametrize("pattern", ["gpt2", "gpt4"])
def test_trained_tokenizers_encode_as_tiktoken_with_the_same_merges(pattern):
    tokenizer = BPE(vocab_size=600, pattern=pattern).train(TRICKY)
    engine = in_tiktoken(tokenizer, PATTERNS[pattern])
    for text in TRICKY:
        assert tokenizer.encode(text) == engine.encode_ordinary(text)
        assert tokenizer.encode(text, allow_special=True) == engine.encode(text, allowed_special="all")


def test_the_alphabet_is_a_bijection_without_spaces():
    assert len(set(CHARACTER_OF.values())) == 256 and show(b" the\n") == "ĠtheĊ"
    assert unshow(show(bytes(range(256)))) == bytes(range(256))
    assert not any(character.isspace() for character in BYTE_OF)


VOCABULARY = {CHARACTER_OF[value]: value for value in range(256)} | {"ab": 256, "<|endoftext|>": 257}


def write(folder: Path, vocabulary, merges: str) -> tuple[Path, Path]:
    (folder / "vocab.json").write_text(vocabulary if isinstance(vocabulary, str) else json.dumps(vocabulary), "utf-8")
    (folder / "merges.txt").write_text(merges, "utf-8")
    return folder / "vocab.json", folder / "merges.txt"


@pytest.mark.parametrize("merges", ["a b", "#version: 0.2\na b\n", "#version: 0.2\r\na b\r\n\r\n"])
def test_version_line_and_line_ends_do_not_matter(tmp_path, merges):
    assert from_gpt2(*write(tmp_path, VOCABULARY, merges)).encode("abc") == [256, ord("c")]


def test_other_models_of_the_format_keep_their_ids(tmp_path):
    vocabulary = {name: id + 2 for name, id in VOCABULARY.items()} | {"<pad>": 0, "<s>": 1}
    tokenizer = from_gpt2(*write(tmp_path, vocabulary, "a b"))
    assert tokenizer.encode("<s>abc", allow_special=True) == [1, 258, ord("c") + 2]


HOSTILE = {
    "a merge whose token is missing": (VOCABULARY, "a b\na c"),
    "a merge of parts never made": (VOCABULARY | {"abc": 258}, "ab c\na b"),
    "not a merge": (VOCABULARY, "a b\nhello"),
    "a byte is missing": ({k: v for k, v in VOCABULARY.items() if k != "x"}, "a b"),
    "an id twice": (VOCABULARY | {"ab": 5}, "a b"),
    "ids as text": ({k: str(v) for k, v in VOCABULARY.items()}, "a b"),
    "a list": ([1, 2], "a b"),
    "not JSON": ("{", "a b"),
    "a huge id": (VOCABULARY | {"<|endoftext|>": 1 << 50}, "a b"),
}


@pytest.mark.parametrize("vocabulary, merges", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_refused(tmp_path, vocabulary, merges):
    with pytest.raises(TokenizerError, match="download both files again"):
        from_gpt2(*write(tmp_path, vocabulary, merges))


def test_missing_files_are_refused(tmp_path):
    with pytest.raises(TokenizerError, match="cannot be read"):
        from_gpt2(tmp_path / "vocab.json", tmp_path / "merges.txt")

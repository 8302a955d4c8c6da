"""The compiled ways equal the plain ones: pieces, counts, merges, ids and bytes."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.errors import TokenizerError
from glassformer.system import cache_folder
from glassformer.system.threads import Threads
from glassformer.tokenizers.bpe import BPE, BPETokenizer, compiled, plain_encode, plain_learn
from glassformer.tokenizers.bpe import encode as switch
from glassformer.tokenizers.bpe.automaton import _build, automaton
from glassformer.tokenizers.bpe.compiled import count as _count
from glassformer.tokenizers.bpe.compiled import decode as _decode
from glassformer.tokenizers.bpe.compiled import encode as _encode
from glassformer.tokenizers.bpe.compiled import learn as _learn
from glassformer.tokenizers.bpe.compiled import merge as _merge
from glassformer.tokenizers.bpe.compiled import scan as _scan
from glassformer.tokenizers.bpe.expression import Unsupported
from glassformer.tokenizers.bpe.merges import replay
from glassformer.tokenizers.bpe.patterns import PATTERNS, Splitter

from .examples import MIXED, TRICKY, small

ODD = "'sStTrRvVeEmMlLdDſK  \t\n\r\x0b\x0c\x1c\x1d\x1e\x1f"
ODD += "\x85\xa0\u1680\u2003\u2028\u2029\u200b\u3000/09٣½éÉǅʰªा猫\u0301_.🙂"
HARD = st.one_of(MIXED, st.text(st.sampled_from(ODD), max_size=30), st.text(max_size=30))
ALL = pytest.mark.parametrize("pattern", PATTERNS)
FEW_LETTERS = st.text("ab c", min_size=1, max_size=12).map(str.encode)
TWO_THREADS = Threads(2)
COUNTS = st.dictionaries(st.one_of(FEW_LETTERS, st.binary(min_size=1, max_size=6)), st.integers(1, 4), max_size=20)


def well(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def pieces(pattern: str, text: str) -> list[str]:
    """By the compiled scanner."""
    data, scan = np.frombuffer(text.encode(), np.uint8), _scan.scanner(automaton(PATTERNS.get(pattern, pattern)))
    found, start = [], 0
    while start < len(data):
        end = _scan.piece_end(data, start, len(data), scan)
        found.append(bytes(data[start:end]).decode())
        start = end
    return found


def encoder(tokenizer: BPETokenizer) -> _encode.Encoder:
    found = Splitter(tokenizer.pattern).automaton
    assert found is not None
    return _encode.Encoder(replay(tokenizer.merges)[1], np.array(tokenizer.ids, tokenizer.dtype), found)


def in_python(tokenizer: BPETokenizer, text: str) -> list[int]:
    return tokenizer._in_python.encode(text).tolist()


def flat(words: dict[bytes, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    text, ends = np.frombuffer(bytearray().join(words), np.uint8), np.cumsum([0, *map(len, words)], dtype=np.int64)
    return text, ends, np.array(list(words.values()), np.int64)


@ALL
@given(text=HARD)
@settings(max_examples=300)
def test_pieces_are_those_of_regex(pattern, text):
    text = well(text)
    assert pieces(pattern, text) == regex.findall(PATTERNS[pattern], text)


EVERY = [chr(c) for c in range(0x110000) if not 0xD800 <= c < 0xE000]


@ALL
@pytest.mark.parametrize("step", [29, pytest.param(1, marks=pytest.mark.slow)])
def test_pieces_of_every_character_are_those_of_regex(pattern, step):
    for between in ("", " ", "a", "'", "1\n"):
        for at in range(0, len(EVERY), 1 << 16):
            text = between.join(EVERY[at : at + (1 << 16) : step])
            assert pieces(pattern, text) == regex.findall(PATTERNS[pattern], text)


OWN = [r"\p{Lu}?[a-z]{2,3}|[\s\S]", r"(?i:ss|k)+|(?:a|ab)(?:c|bcd)?|[\s\S]", r"\w+|\W+"]


@given(text=HARD, pattern=st.sampled_from(OWN))
def test_a_pattern_of_one_s_own_is_understood_alike(text, pattern):
    text = well(text)
    found = automaton(pattern)
    assert pieces(pattern, text) == regex.findall(pattern, text)
    assert not text or text[: found.longest(text, 0)] == regex.match(pattern, text).group()


BEYOND = [r"\w+", "(a)|.", r"a+?|[\s\S]", r"a++|[\s\S]", r"\bx|[\s\S]", "x*", r"(?<=a)b|[\s\S]", "^a", "a$"]


@pytest.mark.parametrize("pattern", BEYOND)
def test_what_is_beyond_the_subset_is_left_to_regex(pattern):
    with pytest.raises(Unsupported):
        _build(pattern)
    assert Splitter(pattern).automaton is None


def test_a_damaged_cache_is_built_again(monkeypatch, tmp_path):
    monkeypatch.setattr(cache_folder, "folder", lambda: tmp_path)
    fresh = automaton.__wrapped__(PATTERNS["gpt2"])
    (path,) = tmp_path.rglob("*.npz")
    good = path.read_bytes()
    for data in (b"", good[:1000], good[:-1000] + b"\xff" * 1000):
        path.write_bytes(data)
        again = automaton.__wrapped__(PATTERNS["gpt2"])
        assert (again.cells == fresh.cells).all() and (again.class_of == fresh.class_of).all()
    path.write_bytes(b"")
    path.with_suffix("").mkdir()
    monkeypatch.setattr(cache_folder, "folder", lambda: path / "below a file")
    assert (automaton.__wrapped__(PATTERNS["gpt2"]).cells == fresh.cells).all()


@ALL
@given(texts=st.lists(HARD, max_size=5))
def test_counts_are_those_of_a_counter(pattern, texts):
    texts = list(map(well, texts))
    counts = _count.PieceCounts(automaton(PATTERNS[pattern]))
    counts.add(text.encode() for text in texts)
    text, ends, n = counts.result()
    found = {bytes(text[a:b]).decode(): int(k) for a, b, k in zip(ends, ends[1:], n)}
    assert found == Counter(piece for text in texts for piece in Splitter(pattern)(text))


def test_the_table_of_counts_grows():
    texts = [" ".join(f"w{i * i}" + "x" * (i % 40) for i in range(60_000)), "é" * 3_000_000]
    counts = _count.PieceCounts(automaton(PATTERNS["gpt2"]))
    for text in texts * 2:
        counts.add([text.encode()])
    text, ends, n = counts.result()
    found = {bytes(text[a:b]).decode(): int(k) for a, b, k in zip(ends, ends[1:], n)}
    assert found == Counter(piece for text in texts * 2 for piece in Splitter("gpt2")(text))


@given(words=COUNTS, n_merges=st.integers(0, 40), least=st.integers(1, 5))
@settings(max_examples=300)
def test_learning_equals_the_definition(words, n_merges, least):
    assert _learn.learn(*flat(words), n_merges, least) == plain_learn(words, n_merges, least)


@given(words=COUNTS, documents=st.lists(HARD, max_size=4), stretch=st.sampled_from([1, 7, 40]))
def test_encoding_equals_the_definition(words, documents, stretch):
    merges = plain_learn({**words, **{text.encode(): 2 for text in TRICKY[2:6]}}, 60)
    tokenizer = BPETokenizer(merges, "gpt2", {"<|endoftext|>": 256 + len(merges)})
    texts = [well(text) * stretch for text in documents]
    texts += [bytes(value % 128 for value in word).decode() * 90 for word in words]
    fast = encoder(tokenizer).begin([text.encode() for text in texts], TWO_THREADS)()
    for text, ids in zip(texts, fast, strict=True):
        plain = [token for piece in Splitter("gpt2")(text) for token in plain_encode(piece.encode(), merges)]
        assert [tokenizer.token_bytes[id] for id in ids] == plain
        assert ids.tolist() == in_python(tokenizer, text)


@ALL
def test_a_document_in_parts_has_the_ids_of_the_whole(monkeypatch, pattern):
    tokenizer = BPE(vocab_size=500, pattern=pattern).train(TRICKY)
    text = "\n".join(TRICKY + ["  \n\n  x", "'ll go \n  \n"] + TRICKY) * 4
    whole = encoder(tokenizer).begin([text.encode(), b"", text.encode()])()
    monkeypatch.setattr(_encode, "PART", 20)
    assert len(list(_encode._cuts(text.encode()))) > 10
    assert automaton(PATTERNS[pattern]).ends_lines() == (pattern != "none")
    parts = encoder(tokenizer).begin([text.encode(), b"", text.encode()], TWO_THREADS)()
    assert [a.tolist() for a in parts] == [a.tolist() for a in whole]
    assert whole[0].tolist() == in_python(tokenizer, text)


def test_a_full_cache_is_emptied(monkeypatch):
    tokenizer = small("bpe")
    fast = encoder(tokenizer)
    fast._caches = [_encode._cache(64, 400)]
    text = " ".join(f"{i * i}{'ab' * (i % 30)}" for i in range(2000))
    assert fast.begin([text.encode()])()[0].tolist() == in_python(tokenizer, text)


@given(ids=st.lists(st.integers(0, 402)))
def test_compiled_decoding_equals_joining_bytes(ids):
    tokenizer = small("bpe")
    ids = [id % tokenizer.vocab_size for id in ids]
    decoder = _decode.Decoder(tokenizer._bytes)
    for dtype in (np.uint16, np.int64):
        array = np.array([[id, 0] for id in ids], dtype).reshape(-1, 2)[:, 0]
        assert decoder.decode(array) == decoder.decode(array.copy()) == tokenizer.decode_bytes(ids)
    for bad in (-1, tokenizer.vocab_size, 10**9):
        assert decoder.decode(np.array([*ids, bad])) is None


def test_the_way_over_does_not_show(monkeypatch):
    tokenizer, texts = small("bpe"), TRICKY * 200
    plain = [in_python(tokenizer, text) for text in texts]
    monkeypatch.setattr(compiled, "WAIT", dict.fromkeys(compiled.WAIT, 1e9))
    trained = BPE(vocab_size=400).train(texts)
    monkeypatch.setattr(compiled, "WAIT", dict.fromkeys(compiled.WAIT, 0.002))
    monkeypatch.setattr(switch, "FEW", 4)
    assert BPE(vocab_size=400).train(texts).merges == trained.merges
    again = BPETokenizer(tokenizer.merges, tokenizer.pattern, tokenizer.special)
    assert [a.tolist() for a in again.encode_array(texts)] == plain and again._kernels._encoder is not None
    ids = [id for part in plain for id in part]
    assert again.decode(ids) == again.decode(np.array(ids)) == "".join(texts) and again._kernels._decoder is not None
    for bad in ([1.5] * 9, ["1"] * 9, [None] * 9, [1 << 70] * 9, [*ids, -1]):
        with pytest.raises(TokenizerError, match="no token has the id"):
            again.decode(bad)


def test_each_step_asks_for_its_own_kernel(monkeypatch):
    asked = []
    monkeypatch.setattr(cache_folder, "state", lambda module, kernel: asked.append((module, kernel)) or "nowhere")
    text = "a goat and a hen, " * 100
    tokenizer = BPE(vocab_size=300).train([text])
    tokenizer.decode(tokenizer.encode(text) * 9)
    steps = [module.rpartition(".")[2] for module, _ in asked]
    assert steps == ["count", "learn", "encode", "decode"] and {*steps} == {*compiled.IN_PYTHON}
    for module, kernel in asked:
        assert getattr(sys.modules[module], kernel).signatures is not None
    for step in steps:
        times = []
        for state in ("in memory", "on disk", "nowhere"):
            monkeypatch.setattr(cache_folder, "state", lambda *_, state=state: state)
            times.append(compiled.enough(step))
        assert 0 < times[0] < times[1] < times[2]


def test_kernels_are_compiled_for_one_set_of_types_only():
    """A kernel that has been called in this process never compiles again, whatever the vocabulary and the arrays."""
    small_ids, large_ids = [], range(70_000, 70_256)
    text = "".join(TRICKY)
    for ids in (None, [*large_ids]):
        tokenizer = BPETokenizer(small_ids, "gpt4", {"<|endoftext|>": 256}, ids)
        array = encoder(tokenizer).begin([text.encode(), b""])()[0]
        assert array.dtype == tokenizer.dtype
        frozen = array.astype(np.int64)
        frozen.flags.writeable = False
        for form in (array, frozen, array[::2], array.astype(np.uint64), array.tolist()):
            assert _decode.Decoder(tokenizer._bytes).decode(np.asarray(form)) == tokenizer.decode_bytes(list(form))
    counts = _count.PieceCounts(automaton(PATTERNS["gpt4"]))
    counts.add([text.encode(), " ".join(map(str, range(50_000))).encode()])
    for words in (counts.result(), flat({b"ab": 2}), flat({})):
        _learn.learn(*words, 5)
    called_from_python = (
        _count._count, _count._fill, _decode._size, _decode._decode, _encode._encode, _learn._lay_out, _learn._learn,
        _merge._fill,
    )  # fmt: skip
    assert [len(function.signatures) for function in called_from_python if function.signatures] == [1] * 8


def test_a_few_words_never_wait_for_numba():
    code = (
        "import sys; from glassformer.tokenizers.bpe import BPE; t = BPE(vocab_size=300).train(['a goat ' * 1000])\n"
        "assert t.decode(t.encode('the goat')) == 'the goat'; sys.exit('numba' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

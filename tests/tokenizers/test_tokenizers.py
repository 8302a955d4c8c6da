"""What every tokenizer promises: found from the folder, so a new variant is held to it at once."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.errors import GlassError, SettingError, TokenizerError
from glassformer.tokenizers import END_OF_TEXT, Tokenizer, TokenizerRecipe, load, well_formed

from .examples import MIXED, TRICKY, covered, kinds, small

pytestmark = pytest.mark.parametrize("name", kinds())


@given(text=MIXED)
def test_decode_inverts_encode(name, text):
    tokenizer = small(name)
    text = covered(tokenizer, text)
    ids = tokenizer.encode(text)
    assert all(type(id) is int for id in ids)
    assert tokenizer.decode(ids) == text
    assert tokenizer.decode_bytes(ids) == b"".join(tokenizer.token_bytes[id] for id in ids) == text.encode()


def test_arrays_hold_the_same_ids(name):
    tokenizer = small(name)
    arrays = list(tokenizer.encode_array(iter(TRICKY)))
    assert [array.tolist() for array in arrays] == [tokenizer.encode(text) for text in TRICKY]
    assert all(array.dtype == tokenizer.dtype == np.uint16 and array.ndim == 1 for array in arrays)


@given(text=MIXED)
def test_special_tokens_never_arise_from_text(name, text):
    tokenizer = small(name)
    text = covered(tokenizer, END_OF_TEXT + text + "<|user|>")
    assert not set(tokenizer.encode(text)) & set(tokenizer.special.values())
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_allowed_special_tokens_are_whole_and_longest_first(name):
    tokenizer = small(name)
    user, loud, end = tokenizer.special["<|user|>"], tokenizer.special["<|user|>!"], tokenizer.end_of_text
    assert tokenizer.encode("<|user|>!<|user|><|user|>!<|endoftext|>", allow_special=True) == [loud, user, loud, end]
    text = "a<|user|> b<|endoftext|><|end"
    ids = tokenizer.encode(text, allow_special=True)
    assert ids == [*tokenizer.encode("a"), user, *tokenizer.encode(" b"), end, *tokenizer.encode("<|end")]
    assert tokenizer.decode(ids) == text


def test_vocabulary_is_described(name):
    tokenizer = small(name)
    assert tokenizer.name == name and tokenizer.end_of_text == tokenizer.special[END_OF_TEXT]
    assert len(tokenizer.token_bytes) == tokenizer.vocab_size
    assert all((piece == b"") == (id in tokenizer.special.values()) for id, piece in enumerate(tokenizer.token_bytes))


@given(text=MIXED, cut=st.integers(0, 3))
def test_stream_joins_to_decode_and_never_halves_a_character(name, text, cut):
    tokenizer = small(name)
    text = covered(tokenizer, text.replace("\ufffd", ""))
    stream, ids = tokenizer.stream(), tokenizer.encode(text)
    parts = [stream.push(id) for id in ids]
    assert "".join(parts) == text and stream.flush() == ""
    assert not any("\ufffd" in part for part in parts)
    broken = ids[cut:]  # may begin with half a character
    stream = tokenizer.stream()
    assert "".join(map(stream.push, broken)) + stream.flush() == tokenizer.decode(broken)


@given(ids=st.lists(st.integers(0, 255)))
def test_any_ids_decode_and_stream_alike(name, ids):
    tokenizer = small(name)
    ids = [id % tokenizer.vocab_size for id in ids]
    stream = tokenizer.stream()
    assert "".join(map(stream.push, ids)) + stream.flush() == tokenizer.decode(ids)


@pytest.mark.parametrize("bad", [-1, 10**6, None, "a"])
def test_unknown_id_is_refused(name, bad):
    with pytest.raises(TokenizerError, match="no token has the id"):
        small(name).decode([bad])


@pytest.mark.parametrize("text", ["\ud83d\ude42", "a\ud83d", "\ude42b", "\ud800\ud83d\ude42\udfff"])
def test_surrogates_are_joined_or_replaced(name, text):
    tokenizer = TokenizerRecipe.named(name).train([*TRICKY, "🙂", "\nb"])
    assert tokenizer.decode(tokenizer.encode(text)) == well_formed(text)
    assert well_formed("\ud83d\ude42") == "🙂" and well_formed("a\ud83d") == "a\ufffd"


def test_save_and_load_are_exact(name, tmp_path):
    tokenizer, path = small(name), tmp_path / "new" / "tokenizer.json"
    tokenizer.save(path)
    again = load(path)
    assert type(again) is type(tokenizer) and again.to_json() == tokenizer.to_json() == path.read_text("utf-8")
    assert again.fingerprint() == tokenizer.fingerprint()
    assert (again.special, again.token_bytes, again.dtype) == (
        tokenizer.special,
        tokenizer.token_bytes,
        tokenizer.dtype,
    )
    assert [again.encode(text) for text in TRICKY] == [tokenizer.encode(text) for text in TRICKY]
    assert pickle.loads(pickle.dumps(tokenizer)).encode(TRICKY[2]) == tokenizer.encode(TRICKY[2])


def test_training_is_deterministic_and_fingerprints_tell_apart(name):
    one, same = (TokenizerRecipe.named(name).train(iter(texts)) for texts in (TRICKY, TRICKY[::-1]))
    other = TokenizerRecipe.named(name, special=["<|x|>"]).train(TRICKY)
    assert one.fingerprint() == same.fingerprint() != other.fingerprint()


def test_empty_corpus_trains(name):
    for texts in ([], [""], ["", ""]):
        tokenizer = TokenizerRecipe.named(name).train(texts)
        assert tokenizer.encode("") == [] and Tokenizer.from_json(tokenizer.to_json()).encode("") == []


@pytest.mark.parametrize("special", [["<|x|>", "<|x|>"], [END_OF_TEXT], [""], ["\ud800"]])
def test_bad_special_tokens_are_a_setting_error(name, special):
    with pytest.raises(SettingError, match="special"):
        TokenizerRecipe.named(name, special=special)


def change(kind: str, changes: dict) -> str:
    tree = json.loads(small(kind).to_json()) | changes
    return json.dumps({key: value for key, value in tree.items() if value is not ...})


HOSTILE = {
    "another format": {"format": "pickle"},
    "a later version": {"version": 2},
    "no name": {"name": ...},
    "a name that is not text": {"name": ["bpe"]},
    "an unknown kind": {"name": "bpee"},
    "a path to code": {"name": "./evil.py"},
    "an absolute path": {"name": "/tmp/evil.py"},
    "a private module": {"name": "_merge"},
    "a module elsewhere": {"name": "..config"},
    "no special tokens": {"special": ...},
    "special tokens in a list": {"special": [END_OF_TEXT]},
    "no end of text": {"special": {"<|user|>": 400}},
    "a special id that is a byte's or character's": {"special": {END_OF_TEXT: 5}},
    "two special tokens with one id": {"special": {END_OF_TEXT: 900, "<|user|>": 900}},
    "a negative id": {"special": {END_OF_TEXT: -1}},
    "a huge id": {"special": {END_OF_TEXT: 1 << 40}},
    "a fractional id": {"special": {END_OF_TEXT: 900.0}},
    "a boolean id": {"special": {END_OF_TEXT: True}},
    "an empty special token": {"special": {END_OF_TEXT: 900, "": 901}},
    "half a character as special token": {"special": {END_OF_TEXT: 900, "\ud800": 901}},
    "a key too many": {"__reduce__": "os.system"},
}


@pytest.mark.parametrize("changes", HOSTILE.values(), ids=HOSTILE)
def test_hostile_trees_are_refused(name, changes, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(change(name, changes))
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    with pytest.raises(TokenizerError) as refused:
        load(path)
    assert str(path) in str(refused.value) and "restore the file" in str(refused.value)


def test_damaged_files_are_refused(name, tmp_path):
    path = tmp_path / "tokenizer.json"
    good = small(name).to_json().encode()
    doubled = b'{"version": 1,' + good[1:]
    for data in (b"", good[: len(good) // 2], good + b"}", b"\xff" + good, b"[" * 100_000, b"9" * 5000, b"7", doubled):
        path.write_bytes(data)
        with pytest.raises(TokenizerError, match="restore the file"):
            load(path)
    for missing in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(TokenizerError, match="cannot be read"):
            load(missing)
    with pytest.raises(GlassError):
        small(name).save(tmp_path / "tokenizer.json" / "below a file")


@given(data=st.data())
def test_a_flipped_byte_never_escapes_as_another_error(name, data):
    raw = bytearray(small(name).to_json().encode())
    raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    try:
        Tokenizer.from_json(raw.decode("utf-8", errors="replace"))
    except TokenizerError:
        pass

"""Characters: the vocabulary is what was seen, and the unseen is named."""

import json

import pytest

from glassformer.errors import TokenizerError
from glassformer.tokenizers import load
from glassformer.tokenizers.char import Char


def test_ids_follow_code_points():
    tokenizer = Char().train(["banana", "cé"])
    assert tokenizer.characters == "abcné" and tokenizer.special == {"<|endoftext|>": 5}
    assert tokenizer.encode("bané") == [1, 0, 3, 4]
    assert tokenizer.token_bytes[4] == "é".encode()


@pytest.mark.parametrize(
    "text, named", [("bad", "'d' (U+0064)"), ("a\n", "U+000A"), ("a猫", "'猫' (U+732B)"), ("\x00", "U+0000")]
)
def test_text_outside_the_vocabulary_is_named_with_a_remedy(text, named):
    with pytest.raises(TokenizerError) as refused:
        Char().train(["banana"]).encode(text)
    assert named in str(refused.value) and "'byte' or 'bpe'" in str(refused.value)


def test_a_tokenizer_of_no_texts_covers_nothing():
    with pytest.raises(TokenizerError, match="U\\+0061"):
        Char().train([]).encode("a")


@pytest.mark.parametrize("characters", ["aa", 5, ["a"], "a\ud800"])
def test_hostile_files_are_refused(characters, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(json.loads(Char().train(["a"]).to_json()) | {"characters": characters}))
    with pytest.raises(TokenizerError, match="characters"):
        load(path)

"""A tokenizer in a file of one's own works where a name does; only loading needs to be told which code to trust."""

import pytest

from glassformer.errors import TokenizerError
from glassformer.tokenizers import TokenizerRecipe, load

OWN = '''
import numpy as np
from glassformer.tokenizers import Tokenizer, TokenizerRecipe

class Shout(TokenizerRecipe):
    """Letters in upper case."""
    def train(self, texts):
        return ShoutTokenizer(self.special_from(26))
    @classmethod
    def restore(cls, special, state):
        return ShoutTokenizer(special)

class ShoutTokenizer(Tokenizer):
    def __init__(self, special):
        super().__init__(range(26), [bytes([65 + i]) for i in range(26)], special)
    def _encode(self, text):
        return np.array([ord(c.upper()) - 65 for c in text], self.dtype)
    def state(self):
        return {}
'''


def test_an_own_tokenizer_by_path(tmp_path):
    (tmp_path / "shout.py").write_text(OWN)
    recipe = TokenizerRecipe.named(str(tmp_path / "shout.py"))
    tokenizer = recipe.train([])
    assert tokenizer.decode(tokenizer.encode("goat")) == "GOAT"
    tokenizer.save(tmp_path / "tokenizer.json")
    with pytest.raises(TokenizerError, match="not a kind of tokenizer"):
        load(tmp_path / "tokenizer.json")
    again = load(tmp_path / "tokenizer.json", type(recipe))
    assert again.encode("goat") == tokenizer.encode("goat") and again.fingerprint() == tokenizer.fingerprint()

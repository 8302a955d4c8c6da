"""Any number of workers prepares the same bytes, and small corpora start none."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from glassformer.data import DataConfig
from glassformer.data.prepare import encoding, prepare, reading
from glassformer.errors import TokenizerError
from glassformer.system import workers
from glassformer.tokenizers import TokenizerRecipe

from .examples import BYTE, Written, sentences
from .killing import ROOT, hashes

TEXTS = [*sentences(300), *sentences(20), "e\u0301\r\n \x07 a \ud83d\ude00 \ud800", "  "]
CORPUS = Written(pairs=tuple((text, "") for text in TEXTS))

OWN = '''
import numpy as np
from glassformer.tokenizers import Tokenizer, TokenizerRecipe

class Lengths(TokenizerRecipe):
    """A token a word: its length."""
    def train(self, texts):
        return LengthsTokenizer(self.special_from(40))
    @classmethod
    def restore(cls, special, state):
        return LengthsTokenizer(special)

class LengthsTokenizer(Tokenizer):
    def __init__(self, special):
        super().__init__(range(40), [b"x" * i for i in range(40)], special)
    def _encode(self, text):
        return np.array([min(39, len(word)) for word in text.split()], self.dtype)
    def state(self):
        return {}
'''


@pytest.fixture
def at_once(monkeypatch):
    """Other processes help from the first batch on, and batches are small."""
    monkeypatch.setattr(workers, "TRIAL", -1.0)
    monkeypatch.setattr(workers, "TRIP", -1.0)
    monkeypatch.setattr(reading, "BATCH", 1000)
    monkeypatch.setattr(encoding, "BATCH", 1000)


def pools(monkeypatch) -> list[int]:
    """The sizes of the pools that are started from now on."""
    sizes, real = [], workers.ProcessPoolExecutor

    def pool(n, *arguments, **named):
        sizes.append(n)
        return real(n, *arguments, **named)

    monkeypatch.setattr(workers, "ProcessPoolExecutor", pool)
    return sizes


def recipe_of(kind: str, folder: Path) -> TokenizerRecipe:
    if kind == "own":
        (folder / "lengths.py").write_text(OWN)
        return TokenizerRecipe.named(str(folder / "lengths.py"))
    return TokenizerRecipe.named(kind, **({"vocab_size": 300} if kind in ("bpe", "word", "wordpiece") else {}))


@pytest.mark.parametrize("kind, n_pools", [("wordpiece", 3), ("own", 3), ("bpe", 1)])
def test_the_bytes_are_the_same_for_any_number_of_workers(at_once, tmp_path, monkeypatch, kind, n_pools):
    recipe, sizes = recipe_of(kind, tmp_path), pools(monkeypatch)
    config = DataConfig(near_duplicates=0.7 if kind == "wordpiece" else 0.0, shard_tokens=900)
    one, two = (hashes(prepare(CORPUS, recipe, config, tmp_path / str(n), workers=n).folder) for n in (1, 2))
    assert one == two and len(one) > 8
    assert sizes == [2] * n_pools  # reading, and encoding both splits


def test_a_small_corpus_starts_no_process(tmp_path, monkeypatch):
    sizes = pools(monkeypatch)
    prepare(CORPUS, BYTE, DataConfig(), tmp_path / "set", workers=2)
    assert sizes == []


def test_what_goes_wrong_in_a_worker_is_the_same_sentence(at_once, tmp_path):
    char, said = TokenizerRecipe.named("char").train(TEXTS[:200]), []
    for n in (1, 2):
        with pytest.raises(TokenizerError, match="^written/320: the character 'é'") as error:
            prepare(CORPUS, char, DataConfig(), tmp_path / "set", workers=n)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert list(tmp_path.iterdir()) == []


def test_a_variant_in_a_file_is_its_bytes(tmp_path):
    recipe = recipe_of("own", tmp_path)
    first = prepare(CORPUS, recipe, DataConfig(), tmp_path / "set").index.fingerprint
    (tmp_path / "lengths.py").write_text(OWN.replace("min(39, len(word))", "min(38, len(word))"))
    again = TokenizerRecipe.named(recipe.name)
    assert prepare(CORPUS, again, DataConfig(), tmp_path / "set").index.fingerprint != first


SCRIPT = """
import sys
from glassformer.corpora.files import Files
from glassformer.system import workers
from glassformer.data import DataConfig
from glassformer.data.prepare import reading
from glassformer.data.prepare import prepare
from glassformer.tokenizers import TokenizerRecipe
workers.TRIAL = workers.TRIP = -1.0
reading.BATCH = 1000
prepare(Files(path=sys.argv[1]), TokenizerRecipe.named("byte"), DataConfig(), sys.argv[2], workers=2)
print("done")
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_a_script_needs_no_guard(tmp_path, guarded):
    """Without `if __name__ == "__main__":` workers would run the script again, and it is done without them."""
    guard = 'if __name__ == "__main__":' if guarded else "if True:"
    (tmp_path / "script.py").write_text(guard + SCRIPT.replace("\n", "\n    "))
    (tmp_path / "text.jsonl").write_text("".join(json.dumps(text) + "\n" for text in sentences(200)))
    done = subprocess.run(
        [sys.executable, "script.py", "text.jsonl", "set"], cwd=tmp_path, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0 and done.stdout == "done\n", done.stderr
    assert ("no worker processes" in done.stderr) is not guarded
    assert "Traceback" not in done.stderr

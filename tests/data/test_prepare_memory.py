"""Memory does not grow with the text: neither with many tiny documents, nor with one huge file."""

import subprocess
import sys

import pytest

from .killing import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="bounds measured on Linux")]

PROGRAM = """
import sys
from glassformer.corpora import Corpus, Document
from glassformer.corpora.files import Files
from glassformer.data import DataConfig
from glassformer.data.prepare import repetitions
from glassformer.data.prepare import prepare
from glassformer.system.machine import peak_memory
from glassformer.tokenizers import TokenizerRecipe

class Tiny(Corpus):
    n: int
    def documents(self):
        return (Document(f"{i:>99}\\n", str(i)) for i in range(self.n))
    def fingerprint(self):
        return str(self.n)

repetitions.AT_ONCE = 1 << 16
corpus = Tiny(n=int(sys.argv[1])) if sys.argv[1].isdigit() else Files(path=sys.argv[1])
prepare(corpus, TokenizerRecipe.named("byte"), DataConfig(), sys.argv[2], workers=1)
print(peak_memory())
"""


def peak(source: str, folder) -> int:
    """Bytes."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, source, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


def test_a_tiny_document_takes_a_few_bytes(tmp_path):
    few, many = 400_000, 1_200_000
    growth = peak(str(many), tmp_path / "many") - peak(str(few), tmp_path / "few")
    assert growth / (many - few) < 10, "ten gigabytes in documents of 100 bytes would not fit into one"


def test_a_huge_file_streams(tmp_path):
    with open(tmp_path / "huge.txt", "w") as file:
        for i in range(300):
            file.write(f"{i} " + "This is a line of a book that never ends.\n" * 20_000 + "\n")  # 0.8 MB
    assert (tmp_path / "huge.txt").stat().st_size > 250e6
    assert peak(str(tmp_path / "huge.txt"), tmp_path / "set") < 350e6

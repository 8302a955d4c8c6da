"""What a comparison says is about the models: all read the same text, and the words follow from the numbers."""

import html
import itertools
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from glassformer.lab import compare
from glassformer.lab.compare import Result, judge, measure
from glassformer.lab.compare import terminal as view
from glassformer.lab.compare.design import Question, to_train
from glassformer.lab.compare.measure import Measured
from glassformer.lab.compare.page import write_page
from glassformer.lab.compare.statistics import holm, paired, verdict
from glassformer.lab.compare.terminal import letters, show
from glassformer.lab.evaluate import dropped
from glassformer.recipes import build
from glassformer.recipes.presets import mini
from glassformer.runs.run import Run
from glassformer.tokenizers import TokenizerRecipe

from .conftest import MOST

TEXT = ("corpus.megabytes=0.1", "corpus.validation_fraction=0.5", "corpus.workers=1")
SMALL = (
    *TEXT, "tokenizer.vocab_size=320", "model.embed=token", "model.head=tied", "train.sampler=windows",
    "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "model.context_length=16", "train.steps=4",
    "train.micro_batch_size=4", "train.precision=fp32", "train.eval_tokens=128",
)  # fmt: skip


@contextmanager
def nothing():
    """Progress that nobody sees."""
    yield lambda *told: None


def ask(name: str, against: tuple[str, ...], *settings: str, seeds: int = 2):
    question = Question(None, "mini", (*SMALL, *settings), against, seeds, "steps", None, False)
    folder = Path("runs") / name
    return compare.compare(question, mini(), folder, say=lambda line: None, progress=lambda *told: None)


def data_of(*settings: str):
    return build.dataset(mini().override(*settings), lambda *told: None)


def text_of(data) -> bytes:
    return b"".join(data.tokenizer.token_bytes[id] for id in measure.held_out(data).tokens[:])


def test_a_model_that_never_looks_back_needs_as_many_bits_at_any_context_length():
    """The same weights: nothing is learned at such a rate."""
    one_token = ("model.head=tied", "model.mixer=sliding", "model.mixer.window=1", "model.position=none")
    blind = (*one_token, "train.learning_rate=1e-30")
    _, (short, long) = ask("blind", ("model.context_length=48",), *blind)
    for a, b in zip(short.runs, long.runs, strict=True):
        assert a.bpb == pytest.approx(b.bpb, rel=1e-6) and a.judged_bytes == b.judged_bytes


def test_every_tokenizer_judges_the_same_documents(monkeypatch):
    monkeypatch.setattr(measure, "MOST_BYTES", 1 << 15)  # no document is so long that it would be cut
    tokenizers = ("tokenizer.vocab_size=320", "tokenizer.vocab_size=500", "tokenizer=byte")
    texts = [text_of(data_of(*TEXT, tokenizer)) for tokenizer in tokenizers]
    assert texts[0] == texts[1] == texts[2] and 1 << 15 <= len(texts[0]) < 1.1 * (1 << 15)


def test_of_a_long_document_the_same_beginning_is_read_to_a_token():
    Path("long.txt").write_text("One day the moon was late, and nobody in the village could say why. " * 5_000)
    asked = ("corpus=files", "corpus.path=long.txt")
    byte, bpe = (text_of(data_of(*asked, name)) for name in ("tokenizer=byte", "tokenizer.vocab_size=320"))
    assert len(byte) == MOST and bpe.startswith(byte) and len(bpe) < len(byte) + 80


def test_all_is_read_where_there_is_little(monkeypatch):
    data = data_of(*TEXT, "tokenizer.vocab_size=320")
    monkeypatch.setattr(measure, "MOST_BYTES", 1 << 18)
    assert measure.held_out(data).tokens[:].tolist() == data.validation.tokens[:].tolist()


TABLE = '''
"""Attention by a learned table of pairs of places (the random synthesizer of Tay et al., 2020)."""

import torch
from torch import nn

from glassformer.model.cache import KVCache
from glassformer.model.linear import Linear
from glassformer.model.mixer import Mixer


class Table(Mixer):
    def build(self, shapes, kernels):
        return Module(shapes, kernels)


class Module(nn.Module):
    def __init__(self, shapes, kernels):
        super().__init__()
        C, T = shapes.n_embd, shapes.context_length
        self.v_proj, self.o_proj = (Linear(C, C, False, kernels) for _ in range(2))
        self.scores = nn.Parameter(torch.zeros(T, T))

    def forward(self, x, positions, cache=None):
        T = x.shape[1]
        shares = self.scores[:T, :T].masked_fill(~torch.ones(T, T, dtype=torch.bool).tril(), -1e9).softmax(-1)
        return self.o_proj(shares @ self.v_proj(x))

    def make_cache(self, rows, length):
        return KVCache(rows, length)
'''


def test_a_mixer_with_a_table_of_places_cannot_read_farther():
    Path("table.py").write_text(TABLE)
    _, (baseline, table) = ask("table", ("model.mixer=./table.py",), "model.position=none", seeds=1)
    assert table.runs[0].lengths == {"1": table.runs[0].bpb, "2": None, "4": None}
    assert None not in baseline.runs[0].lengths.values()


def test_the_page_names_runs_by_their_path_and_compares_like_things():
    """A mixture of experts adds a price to its training loss, so that has no place beside a model without."""
    design, results = ask("a/b", ("model.mlp=moe",), seeds=1)
    page = html.unescape(write_page(Path("runs/a/b"), design, results).read_text())
    for folder in Path("runs/a/b").glob("*-1337"):
        assert Run.open(folder).facts()["command"] in page
    assert "--name of your own" in page
    assert "Gradient norm" in page and "Bits per byte" in page and "Training loss" not in page


def said(baseline: list[float], variant: list[float]) -> str:
    found = paired(baseline, variant)
    return verdict("B", found, holm([found.p])[0], 1)


def test_small_differences_keep_their_digits():
    words = said([2.0, 2.1, 1.9], [2.0 - 4e-5, 2.1 - 4.1e-5, 1.9 - 3.9e-5])
    assert words == "B needs 0.002 % fewer bits (98 % interval 0.0018 to 0.0022, 3 seeds)"
    assert "(98 % interval -0.0098 to +0.0065 %)" in said([2.0, 2.1, 1.9], [2.0 - 4e-5, 2.1 + 1e-5, 1.9 - 7e-5])


def test_equal_to_the_last_bit_is_said_to_be():
    assert said([2.0, 2.1], [2.0, 2.1]) == "B: identical to the last bit at 2 seeds: the setting had no effect"
    assert said([2.0], [2.0]) == "B: identical to the last bit at 1 seed: the setting had no effect"
    assert "identical" not in said([2.0, 2.1], [2.1, 2.0])


def test_fault_06_a_tokenizer_that_drops_text_is_not_called_better():
    """Its model pays next to nothing for what was dropped."""
    ids, words = [], TokenizerRecipe.named("word", vocab_size=270).train(["Tom met Mira at the mill."] * 3)
    for text in ("Tom met Mira.", "Tom met Zoe Smith."):
        ids.append(np.array(words.encode(text)))
    assert dropped(ids[0], words) == 0 and dropped(ids[1], words) == 2 / 5
    assert dropped(np.array([words.end_of_text, *ids[0]]), words) == 0
    runs = [[Measured(bpb, 1.0, None, {}, dropped=lost) for bpb in (1.0, 1.1)] for lost in (0.0, 0.4)]
    lossless, lossy = (Result(SimpleNamespace(label=label), its) for label, its in zip("AB", runs))
    judge([lossless, lossy])
    assert "drops 40.0%" in lossy.verdict and lossy.difference is None
    twins = [Result(SimpleNamespace(label=label), runs[1]) for label in "AB"]
    judge(twins)
    assert "identical" in twins[1].verdict


def test_every_model_has_a_row_and_a_letter_of_its_own(capsys):
    design, (result, _) = ask("rows", ("model.mlp=gelu",), seeds=1)
    entries = [replace(result.entry, label=f"model number {i}.") for i in range(30)]
    show(Console(width=200), replace(design, entries=entries), [replace(result, entry=entry) for entry in entries])
    out = capsys.readouterr().out
    assert all(f"{letter}  model number {i}." in out for i, letter in zip(range(30), letters()))
    assert list(itertools.islice(letters(), 25, 29)) == ["Z", "AA", "AB", "AC"]


def test_the_terminal_says_first_how_much_there_is_to_train(capsys):
    """Before the first run, which may take an hour."""
    words = [*SMALL, "train.steps=2"]
    view.run(Console(width=200), None, words, "mini", ["model.mlp=gelu"], 2, "steps", None, False, "told", nothing)
    out = capsys.readouterr().out
    assert out.startswith("2 models x 2 seeds = 4 runs of 2 steps; each run is reported when it ends")
    timed = Question(None, "mini", (), ("a=1", "b=1"), 5, "flops", 2.0, True)
    assert (
        "= 15 runs of 2 minutes or as many FLOPs, after 9 runs that tune the learning rate: about 48 minutes"
        in to_train(timed, 1500)
    )
    assert "10 runs of 1,500 steps;" in to_train(
        replace(timed, against=("a=1",), minutes=None, tune=False, budget="steps"), 1500
    )

import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.data.batches import IGNORED, Windows, sequential
from glassformer.errors import DatasetError

from .examples import dataset, sentences


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    return dataset(tmp_path_factory.mktemp("batches") / "set", sentences(200), shard_tokens=700).train


@settings(deadline=None, max_examples=50)
@given(
    seed=st.integers(-(2**40), 2**64 - 1), step=st.integers(0, 2**50), ranks=st.integers(1, 9), batch=st.integers(1, 17)
)
def test_a_batch_is_a_pure_function_of_its_arguments_and_the_same_for_any_number_of_ranks(
    train, seed, step, ranks, batch
):
    windows = Windows(train, context_length=13, batch_size=batch, seed=seed)
    whole = windows(step)
    assert whole.ids.shape == whole.targets.shape == (batch, 13) and whole.ids.dtype == torch.int64
    windows(step + 1), np.random.random(), torch.rand(1)
    parts = [Windows(train, 13, batch, seed)(step, rank, ranks) for rank in range(ranks)]
    assert torch.equal(torch.cat([part.ids for part in parts]), whole.ids)
    assert torch.equal(torch.cat([part.targets for part in parts]), whole.targets)


def test_a_window_is_a_run_of_the_split_and_its_targets_are_one_ahead(train):
    windows = Windows(train, context_length=50, batch_size=64, seed=3)
    tokens = train.tokens[:].tolist()
    batch = windows(5)
    for start, ids, targets in zip(windows.starts(5).tolist(), batch.ids.tolist(), batch.targets.tolist()):
        assert ids + targets[-1:] == tokens[start : start + 51]
        assert ids[1:] == targets[:-1]
    assert len({tuple(ids) for ids in batch.ids.tolist()}) > 32


def test_every_start_is_possible_and_equally_likely(tmp_path):
    split = dataset(tmp_path / "set", ["abcdefghijklmnopqrs" + "v" * 2]).train
    windows = Windows(split, context_length=len(split) - 4, batch_size=1000, seed=0)
    counts = np.bincount(np.concatenate([windows.starts(step) for step in range(20)]), minlength=4)
    assert len(counts) == 4 and abs(counts - 5000).max() < 400
    assert not np.array_equal(windows.starts(0), windows.starts(1))
    assert not np.array_equal(windows.starts(0), Windows(split, len(split) - 4, 1000, seed=1).starts(0))


def test_the_draw_stays_the_same_in_every_version(train):
    share = [0.649420079613736, 0.8848813535936771, 0.5537339411764371, 0.9529724189339113, 0.41318058559510695]
    expected = [int(u * (len(train) - 13)) for u in share]
    assert Windows(train, 13, 5, seed=42).starts(7).tolist() == expected


def test_a_split_shorter_than_a_window_is_refused_with_the_numbers(train):
    n = len(train)
    Windows(train, n - 1, 1, 0)(0)
    with pytest.raises(DatasetError, match=f"has {n:,} tokens.*context_length {n:,} takes {n + 1:,}; give more text"):
        Windows(train, n, 1, 0)


@settings(deadline=None, max_examples=50)
@given(context=st.integers(1, 3000), batch=st.integers(1, 9))
def test_evaluation_covers_every_token_but_the_first_exactly_once(train, context, batch):
    batches = list(sequential(train, context, batch))
    assert all(ids.shape == targets.shape == (batch, context) for ids, targets in batches)
    ids, targets = (torch.cat(part).flatten() for part in zip(*batches))
    tokens = torch.from_numpy(train.tokens[:].astype(np.int64))
    assert torch.equal(targets[targets != IGNORED], tokens[1:])
    assert torch.equal(ids[targets != IGNORED], tokens[:-1])
    assert ids.min() >= 0


@settings(deadline=None, max_examples=50)
@given(context=st.integers(1, 300), limit=st.integers(1, 6000))
def test_a_limited_evaluation_is_spread_over_the_split_and_counts_no_token_twice(train, context, limit):
    windows = [row for batch in sequential(train, context, 4, limit) for row in batch.targets if (row != IGNORED).any()]
    counted = sum(int((row != IGNORED).sum()) for row in windows)
    assert counted <= max(limit, context)
    assert counted >= min(limit, len(train) - 1) - 2 * context
    everything = [row.tolist() for batch in sequential(train, context, 4) for row in batch.targets]
    places = [everything.index(row.tolist()) for row in windows]
    assert places == sorted(set(places)) or len({tuple(row) for row in everything}) < len(everything)


def test_a_split_of_one_token_cannot_be_evaluated(train, monkeypatch):
    monkeypatch.setattr(type(train), "__len__", lambda self: 1)
    with pytest.raises(DatasetError, match="too few"):
        list(sequential(train, 8, 1))


def test_a_batch_takes_less_than_a_millisecond(train):
    windows = Windows(train, 256, 16, 0)
    seconds = []
    for step in range(200):
        start = time.perf_counter()
        windows(step)
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 1e-3


def test_only_batches_import_torch():
    code = "import sys, glassformer.data.prepare, glassformer.data.ngram; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

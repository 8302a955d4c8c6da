import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.batches import IGNORED, Batch, rows_of, sequential
from glassformer.errors import DatasetError

from .splits import split_of

TRAIN = split_of([5, 90, 2, 1, 33, 260, 300, 8] * 2)


@given(n_rows=st.integers(0, 100), ranks=st.integers(1, 20))
def test_ranks_share_the_rows_in_order(n_rows, ranks):
    parts = [list(range(n_rows))[rows_of(rank, ranks, n_rows)] for rank in range(ranks)]
    assert [row for part in parts for row in part] == list(range(n_rows))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@given(
    rows=st.integers(1, 9), width=st.integers(1, 30), length=st.integers(1, 40), seed=st.integers(0, 99),
    with_documents=st.booleans(),
)  # fmt: skip
def test_cutting_keeps_every_target_its_order_and_what_it_follows(rows, width, length, seed, with_documents):
    generator = torch.Generator().manual_seed(seed)
    ids, targets = (torch.randint(0, 1000, (rows, width), generator=generator) for _ in range(2))
    targets[torch.rand(rows, width, generator=generator) < 0.4] = IGNORED
    documents = torch.randint(0, 2, (rows, width), generator=generator).cumsum(1) if with_documents else None
    short = Batch(ids, targets, documents).cut(length)
    assert short.ids.shape == short.targets.shape and short.ids.shape[1] == min(width, length)
    counted, kept = targets != IGNORED, short.targets != IGNORED
    for before, after in zip(Batch(ids, targets, documents), short):
        assert (before is None) == (after is None)
        if before is not None and after is not None:
            assert torch.equal(before[counted], after[kept])
    if short.documents is not None:
        assert (short.documents.diff(dim=1) >= 0).all()
    assert length >= width or kept.any(1).all()


@given(rows=st.integers(1, 20), n=st.integers(1, 9), with_documents=st.booleans())
def test_parts_are_the_rows_in_order(rows, n, with_documents):
    ids = torch.arange(3 * rows).view(rows, 3)
    parts = list(Batch(ids, ids + 1, ids // 4 if with_documents else None).parts(n))
    assert 1 <= len(parts) <= n
    assert torch.equal(torch.cat([part.ids for part in parts]), ids)
    assert torch.equal(torch.cat([part.targets for part in parts]), ids + 1)
    for part in parts:
        assert (part.documents is not None) == with_documents
        assert part.documents is None or torch.equal(part.documents, part.ids // 4)


@given(context=st.integers(1, 2000), batch=st.integers(1, 9))
def test_evaluation_covers_every_token_but_the_first_exactly_once(context, batch):
    batches = list(sequential(TRAIN, context, batch))
    assert all(ids.shape == targets.shape == (batch, context) for ids, targets, _ in batches)
    ids, targets = (torch.cat([b[i] for b in batches]).flatten() for i in (0, 1))
    tokens = torch.from_numpy(TRAIN.tokens[:].astype(np.int64))
    assert torch.equal(targets[targets != IGNORED], tokens[1:])
    assert torch.equal(ids[targets != IGNORED], tokens[:-1])
    assert ids.min() >= 0


@given(context=st.integers(1, 300), limit=st.integers(1, 6000))
def test_a_limited_evaluation_is_spread_over_the_split_and_counts_no_token_twice(context, limit):
    windows = [row for batch in sequential(TRAIN, context, 4, limit) for row in batch.targets if (row != IGNORED).any()]
    counted = sum(int((row != IGNORED).sum()) for row in windows)
    assert counted <= max(limit, context)
    assert counted >= min(limit, len(TRAIN) - 1) - 2 * context
    everything = [row.tolist() for batch in sequential(TRAIN, context, 4) for row in batch.targets]
    places = [everything.index(row.tolist()) for row in windows]
    assert places == sorted(set(places)) or len({tuple(row) for row in everything}) < len(everything)


def test_a_split_of_one_token_cannot_be_evaluated():
    with pytest.raises(DatasetError, match="too few"):
        list(sequential(split_of([1]), 8, 1))


def test_only_batches_import_torch():
    code = "import sys, glassformer.data.prepare, glassformer.data.ngram; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

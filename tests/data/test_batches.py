import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.batches import Batch, rows_of, sequential
from glassformer.data.shards import Split, Tokens
from glassformer.data.spans import evaluation_spans
from glassformer.errors import DatasetError
from glassformer.kernels.cross_entropy import IGNORED

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
    for before, after in zip((ids, targets, documents), (short.ids, short.targets, short.documents)):
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


@given(context=st.integers(1, 400), batch=st.integers(1, 9))
def test_evaluation_reads_every_document_from_its_beginning_and_covers_every_token_but_the_first_once(context, batch):
    """Every id is its own place."""
    documents = np.cumsum([0, 5, 90, 2, 1, 33, 260, 300, 8])
    n_tokens = int(documents[-1])
    tokens = Tokens([np.arange(n_tokens)], n_tokens, n_tokens, "a test")
    split = Split("validation", tokens, documents, np.zeros(8, np.uint8), None)
    found = []
    for b in sequential(split, context, batch):
        assert b.ids.shape == b.targets.shape and b.ids.numel() <= batch * context and b.ids.shape[1] <= context
        for ids, targets in zip(b.ids, b.targets):
            n = int((targets != IGNORED).sum())
            assert targets[:n].tolist() == list(range(int(ids[0]) + 1, int(ids[0]) + n + 1)) == (ids[:n] + 1).tolist()
            assert (targets[n:] == IGNORED).all() and (ids[n + 1 :] == 0).all()
            within = int(ids[0]) - max(start for start in documents.tolist() if start <= int(ids[0]))
            assert within % context == 0 and n <= context
            found += targets[:n].tolist()
    assert sorted(found) == list(range(1, len(split)))


@given(context=st.integers(1, 300), limit=st.integers(1, 6000))
def test_a_limited_evaluation_is_spread_over_the_split_and_counts_no_token_twice(context, limit):
    documents = np.asarray(TRAIN.documents)
    every, some = evaluation_spans(documents, context), evaluation_spans(documents, context, limit)
    counted, total = int((some[:, 1] - some[:, 0]).sum()), int((every[:, 1] - every[:, 0]).sum())
    assert total == len(TRAIN) - 1
    assert min(limit, total) - 2 * context * 8 <= counted and len(some) >= 1
    places = [every.tolist().index(span) for span in some.tolist()]
    assert places == sorted(set(places))
    gaps = np.diff([*places, len(every) + places[0]])
    assert gaps.max() - gaps.min() <= 1


def test_a_split_of_one_token_cannot_be_evaluated():
    with pytest.raises(DatasetError, match="too few"):
        list(sequential(split_of([1]), 8, 1))


def test_only_batches_import_torch():
    code = "import sys, glassformer.data.prepare, glassformer.data.ngram; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# what a stage of training adds


def with_fields(rows: int = 6, width: int = 10) -> Batch:
    """A batch with a reward per row, a log-probability per token, an embedding per token and an absent field."""
    ids = torch.arange(rows * width).view(rows, width)
    patches = ids[..., None] * torch.ones(3)
    return Batch(ids, ids + 1, None, reward=torch.arange(rows) / 2, log_probs=-ids / 7, patches=patches, nothing=None)


def test_fields_of_a_stage_travel_to_the_device_and_into_the_parts():
    batch = with_fields()
    for moved in (batch.to(torch.device("cpu")), batch.having(), batch.cut(10)):
        assert vars(moved).keys() == vars(batch).keys() and moved.nothing is None
        assert torch.equal(moved.reward, batch.reward) and torch.equal(moved.patches, batch.patches)
    assert [part.reward.tolist() for part in batch.parts(4)] == [[0, 0.5], [1, 1.5], [2, 2.5]]
    assert torch.equal(torch.cat([part.log_probs for part in batch.parts(4)]), batch.log_probs)
    assert batch.to(torch.device("meta")).patches.device.type == "meta"


def test_cutting_a_row_cuts_what_is_per_token_and_repeats_what_is_per_row():
    short = with_fields(6, 10).cut(4)
    real = short.targets != IGNORED
    assert short.ids.shape == (18, 4) and real.sum() == 60
    assert torch.equal(short.log_probs[real], -short.ids[real] / 7)
    assert torch.equal(short.patches[real][:, 2], short.ids[real].float())
    assert torch.equal(short.reward, torch.arange(6).repeat_interleave(3) / 2)
    masked = with_fields(6, 10)
    masked.targets[2:, 4:] = IGNORED  # a piece without a target is dropped, and its reward with it
    assert masked.cut(4).reward.tolist() == [0, 0, 0, 0.5, 0.5, 0.5, 1, 1.5, 2, 2.5]


def test_a_field_that_cannot_be_cut_or_divided_is_refused_by_its_name():
    ids = torch.zeros(4, 10, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"'image' has shape \(4, 3, 8, 8\).*train without train.lengths"):
        Batch(ids, ids, image=torch.zeros(4, 3, 8, 8)).cut(5)
    for shape in ((), (3,), (5, 10)):
        with pytest.raises(ValueError, match=r"'reward' has shape .* the batch has 4 rows"):
            Batch(ids, ids, reward=torch.zeros(shape))
    with pytest.raises(AttributeError, match="no field 'rewards'; it has ids, targets, documents, reward"):
        Batch(ids, ids, reward=torch.zeros(4)).rewards  # noqa: B018


def test_a_field_cannot_hide_a_method():
    ids = torch.zeros(2, 3, dtype=torch.long)
    with pytest.raises(ValueError, match="'parts'"):
        Batch(ids, ids, parts=ids)

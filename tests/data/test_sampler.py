"""Every sampler: a pure function of its arguments, the same tokens in the same order for any number of ranks."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.config import variants
from glassformer.data.batches import Batch
from glassformer.data.mixture import Mixture
from glassformer.data.pace import Pace
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.errors import DatasetError
from glassformer.kernels.cross_entropy import IGNORED

from .splits import SEPARATOR, split_of

NAMES = variants(Sampler)
LENGTHS = st.lists(st.integers(2, 70), min_size=1, max_size=60)


def equal(a: Batch, b: Batch) -> bool:
    a, b = vars(a), vars(b)
    return a.keys() == b.keys() and all(
        x is y if x is None or y is None else torch.equal(x, y) for x, y in zip(a.values(), b.values())
    )


def joined(parts: list[Batch]) -> Batch:
    fields = {name: [getattr(part, name) for part in parts] for name in vars(parts[0])}
    return Batch(**{name: None if some[0] is None else torch.cat(some) for name, some in fields.items()})


def rows_in(batch: Batch) -> list[Batch]:
    """Row by row."""
    return list(batch.parts(len(batch.ids)))


def pairs(batch: Batch) -> list[tuple[int, int]]:
    """(id read, id to predict) wherever the target counts."""
    counted = batch.targets != IGNORED
    return list(zip(batch.ids[counted].tolist(), batch.targets[counted].tolist()))


def an_epoch(build, split, n_batches, first=0) -> list[tuple[int, int]]:
    return [pair for step in range(first, first + n_batches) for pair in pairs(build(step))]


def documents_of(split) -> list[list[int]]:
    ids, ends = split.tokens[:].tolist(), split.documents.tolist()
    return [ids[a:b] for a, b in zip(ends, ends[1:])]


def transitions(split) -> Counter:
    """What a model should learn from documents read alone: every id with its follower, the last with a separator."""
    return Counter(pair for d in documents_of(split) for pair in zip(d, [*d[1:], SEPARATOR]))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=25)
@given(seed=st.integers(-(2**40), 2**64 - 1), step=st.integers(0, 2**40), batch=st.integers(1, 17), mixed=st.booleans())
def test_four_ranks_one_rank_two_and_eight_read_the_same_tokens_in_the_same_order(name, seed, step, batch, mixed):
    split = split_of([20, 3, 70, 9, 40, 2] * 9, sources=[0] * 20 + [1] * 14 + [0] * 20)
    mixture = Mixture(("a", "b"), ((0.8, 0.1), (0.2, 0.9)), Pace.even(50)) if mixed else None
    step = step % 50 if mixed else step

    def build():
        return Sampler.named(name).build(split, 12, batch, seed, mixture)

    sampler = build()
    whole = sampler(step)
    sampler(step // 2), np.random.random(), torch.rand(1)  # what is asked for before, and what chance is about, is nothing
    assert equal(sampler(step), whole) and equal(build()(step), whole)
    for ranks in (1, 2, 3, 4, 8):
        assert equal(joined([build()(step, rank, ranks) for rank in range(ranks)]), whole)
    assert whole.ids.dtype == whole.targets.dtype == torch.int64
    assert whole.ids.shape == whole.targets.shape and (whole.ids >= 0).all()
    assert whole.ids.numel() <= batch * 12 and (whole.targets != IGNORED).any()


@pytest.mark.parametrize("name", NAMES)
def test_steps_and_seeds_differ(name):
    split = split_of([50] * 200)
    sampler, other = (Sampler.named(name).build(split, 32, 8, seed) for seed in (1, 2))
    batches = [sampler(0), sampler(1), other(0), sampler(10**6)]
    assert len({tuple(sorted(pairs(b))) for b in batches}) == 4


# windows


def test_a_window_is_a_run_of_the_split_and_its_targets_are_one_ahead():
    split = split_of([30, 200, 7] * 10)
    windows, tokens = Sampler.named("windows").build(split, 50, 64, 3), split.tokens[:].tolist()
    batch = windows(5)
    for start, ids, targets in zip(windows.places(5)[0].tolist(), batch.ids.tolist(), batch.targets.tolist()):
        assert ids + targets[-1:] == tokens[start : start + 51]
        assert ids[1:] == targets[:-1]
    assert len({tuple(ids) for ids in batch.ids.tolist()}) > 32


def test_every_start_is_possible_and_equally_likely():
    split = split_of([24])
    windows = Sampler.named("windows").build(split, 20, 1000, 0)
    counts = np.bincount(np.concatenate([windows.places(step)[0] for step in range(20)]), minlength=4)
    assert len(counts) == 4 and abs(counts - 5000).max() < 400


def test_the_draw_stays_the_same_in_every_version():
    share = [0.649420079613736, 0.8848813535936771, 0.5537339411764371, 0.9529724189339113, 0.41318058559510695]
    expected = [int(u * (5000 - 13)) for u in share]
    assert Sampler.named("windows").build(split_of([5000]), 13, 5, 42).places(7)[0].tolist() == expected


def test_a_split_shorter_than_a_window_is_refused_with_the_numbers():
    split = split_of([1000, 234])
    Sampler.named("windows").build(split, 1233, 1, 0)(0)
    with pytest.raises(DatasetError, match="has 1,234 tokens.*context_length 1,234 takes 1,235; give more text"):
        Sampler.named("windows").build(split, 1234, 1, 0)


# epochs


@given(lengths=LENGTHS, context=st.integers(1, 100), batch=st.integers(1, 7), seed=st.integers(0, 99))
def test_in_an_epoch_each_token_is_a_target_exactly_once(lengths, context, batch, seed):
    split = split_of(lengths)
    sampler = Sampler.named("epochs").build(split, context, batch, seed)
    tokens = split.tokens[:].tolist()
    expected = Counter(zip(tokens, tokens[1:]))
    n = sampler.n_windows
    rows = [row for step in range(3 * n // batch + 1) for row in rows_in(sampler(step))]
    for epoch in range(3):  # whatever the batches' borders
        found = Counter(pair for row in rows[epoch * n : (epoch + 1) * n] for pair in pairs(row))
        assert found == expected


def test_every_epoch_has_an_order_of_its_own():
    sampler = Sampler.named("epochs").build(split_of([640]), 10, 64, 5)
    first, second = (sampler(epoch).ids[:, 1].tolist() for epoch in (0, 1))
    assert sorted(first) == sorted(second) and first != second and first != sorted(first)


# packed


@given(lengths=LENGTHS, context=st.integers(1, 100), batch=st.integers(1, 7), seed=st.integers(0, 99))
def test_packed_rows_hold_every_document_once_and_no_target_crosses(lengths, context, batch, seed):
    split = split_of(lengths)
    sampler = Sampler.named("packed").build(split, context, batch, seed)
    n = sampler.n_rows
    rows = [row for step in range(2 * n // batch + 1) for row in rows_in(sampler(step))]
    for epoch in range(2):
        found = Counter(pair for row in rows[epoch * n : (epoch + 1) * n] for pair in pairs(row))
        assert found == transitions(split)
    for row in rows:
        assert row.documents is not None
        ids, targets, documents = row.ids[0], row.targets[0], row.documents[0]
        assert (documents.diff() >= 0).all()
        for number in documents.unique():
            inside = documents == number
            read, wanted = ids[inside].tolist(), targets[inside].tolist()
            if set(wanted) == {IGNORED}:  # what is left over comes last
                assert inside[-1]
                continue
            assert read[1:] == wanted[:-1]
            assert SEPARATOR not in read[1:]
            if inside.sum() < context:  # whole, or the end of a long one
                assert wanted[-1] == SEPARATOR


@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=300))
def test_rows_are_filled_nearly_as_well_as_can_be(lengths):
    """Best fit decreasing needs at most 11/9 of the best possible number of rows, and one more (Johnson, 1973)."""
    rows = Sampler.named("packed").build(split_of(lengths), 100, 1, 0).n_rows
    assert rows <= 11 / 9 * sum(lengths) / 100 + sum(length > 50 for length in lengths) * 11 / 9 + 1
    assert rows * 100 >= sum(lengths)


def test_packing_leaves_few_places_empty_and_finds_the_rows_of_every_neighbourhood():
    generator = np.random.default_rng(0)
    split = split_of(generator.integers(2, 600, 5000).tolist(), shard_tokens=2**20)
    sampler = Sampler.named("packed").build(split, 256, 8, 0)
    assert len(split) > 0.98 * 256 * sampler.n_rows
    found = Counter(an_epoch(sampler, split, -(-sampler.n_rows // 8)))
    assert not transitions(split) - found and (found - transitions(split)).total() < 8 * 256


# buckets


@given(
    lengths=LENGTHS, context=st.integers(1, 100), batch=st.integers(1, 7), seed=st.integers(0, 99),
    multiple=st.integers(1, 40),
)  # fmt: skip
def test_buckets_hold_every_document_once_an_epoch_beside_others_of_its_length(lengths, context, batch, seed, multiple):
    split = split_of(lengths)
    sampler = Sampler.named("buckets", multiple=multiple).build(split, context, batch, seed)
    for epoch in range(2):
        batches = [sampler(epoch * sampler.n_batches + i) for i in range(sampler.n_batches)]
        assert Counter(pair for batch in batches for pair in pairs(batch)) == transitions(split)
        for each in batches:
            assert each.documents is None
            width = each.ids.shape[1]
            assert width == context or width % multiple == 0
            for read, wanted in zip(each.ids.tolist(), each.targets.tolist()):
                n = sum(t != IGNORED for t in wanted)
                assert set(wanted[n:]) <= {IGNORED} and read[1:n] == wanted[: n - 1]
                assert width - multiple < n <= width
                assert n == context or wanted[n - 1] == SEPARATOR


def test_buckets_mix_documents_anew_every_epoch():
    sampler = Sampler.named("buckets", multiple=8).build(split_of([40, 9, 30, 17] * 100), 64, 4, 0)
    n = sampler.n_batches
    first, second = ({tuple(sorted(sampler(e * n + i).ids[:, 1].tolist())) for i in range(n)} for e in (0, 1))
    assert len(first & second) < n / 10


# mixtures


@pytest.mark.parametrize("name", NAMES)
def test_sources_give_their_shares_of_the_tokens_and_rows_keep_to_one(name):
    split = split_of([30, 50] * 200, sources=[0] * 40 + [1] * 200 + [2] * 100 + [1] * 60)
    owner = np.repeat(split.sources, np.diff(split.documents))
    mixture = Mixture(("a", "b", "c"), ((0.5,), (0.2, 0.4), (0.3, 0.1)), Pace.even(300))
    sampler = Sampler.named(name).build(split, 25, 8, 1, mixture)

    def shares(steps):
        counts = np.zeros(3)
        for step in steps:
            drawn = sampler(step)
            for row, wanted in zip(drawn.ids, drawn.targets):
                inside = owner[row[(row != SEPARATOR) & (wanted != IGNORED)].numpy()]
                assert len(set(inside.tolist())) <= 1
                counts += np.bincount(inside, minlength=3)
        return counts / counts.sum()

    np.testing.assert_allclose(shares(range(300)), [0.5, 0.3, 0.2], atol=0.03)
    np.testing.assert_allclose(shares(range(60)), [0.5, 0.22, 0.28], atol=0.05)
    np.testing.assert_allclose(shares(range(240, 300)), [0.5, 0.38, 0.12], atol=0.05)


@pytest.mark.parametrize("name", ["epochs", "packed", "buckets"])
def test_each_source_of_a_mixture_has_epochs_of_its_own(name):
    split = split_of([30, 50] * 20, sources=[0] * 10 + [1] * 30)
    owner = np.repeat(split.sources, np.diff(split.documents))
    mixture = Mixture(("a", "b"), ((0.5,), (0.5,)), Pace.even(400))
    sampler = Sampler.named(name).build(split, 25, 2, 1, mixture)
    seen = np.zeros(len(split), int)
    for step in range(400):
        np.add.at(seen, [id for id, _ in pairs(sampler(step)) if id != SEPARATOR], 1)
    for source in (0, 1):
        inside = (owner == source) & (seen > -1)
        inside[split.documents[:-1]] = inside[-1] = False  # nothing follows the very last
        counts = seen[inside]
        assert counts.min() >= 2 and counts.max() - counts.min() <= 1, source


@pytest.mark.parametrize("name", NAMES)
def test_a_source_without_text_is_named_unless_its_weight_is_zero(name):
    split = split_of([30, 50] * 20, sources=[0] * 40)
    with pytest.raises(DatasetError, match="source 'b'"):
        Sampler.named(name).build(split, 25, 2, 1, Mixture(("a", "b"), ((0.5,), (0.0, 0.1)), Pace.even(10)))
    sampler = Sampler.named(name).build(split, 25, 2, 1, Mixture(("a", "b"), ((0.5,), (0.0,)), Pace.even(10)))
    assert [sampler(step).ids.shape for step in range(10)]


# an array of ids


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", [list, np.array, torch.tensor, lambda ids: np.array(ids, np.uint16)])
def test_a_sampler_reads_an_array_of_ids(name, kind):
    ids = kind(list(range(3, 44)))
    batches = Sampler.named(name).build(Split.of(ids), context_length=8, batch_size=5)
    found = Counter(pair for step in range(60) for pair in pairs(batches(step)))
    assert set(found) == {(id, id + 1) for id in range(3, 43)}  # each id with the next, and nothing after the last
    assert equal(batches(7), Sampler.named(name).build(Split.of(list(range(3, 44))), 8, 5)(7))


@pytest.mark.parametrize("name", ["packed", "buckets"])
@pytest.mark.parametrize("ids", [[0, 5, 6, 0, 7, 8, 9], [5, 6, 0, 7, 8, 9]])
def test_a_separator_divides_an_array_into_documents(name, ids):
    split = Split.of(ids, separator=0)
    batches = Sampler.named(name).build(split, context_length=8, batch_size=1)
    found = {pair for step in range(10) for pair in pairs(batches(step))}
    assert split.n_documents == 2
    assert found == {(a, b) for a, b in zip(ids, [*ids[1:], 0])}


@pytest.mark.parametrize("ids", [[], [[1, 2]], [0.5, 1], [3, -1], ["a"]])
def test_what_is_no_row_of_ids_is_refused(ids):
    with pytest.raises(ValueError, match="one row of integers from 0 up"):
        Split.of(ids)

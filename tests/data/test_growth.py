"""Batches that grow: the same rows in the same order, each once, whatever the pace; and history stays."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.config import variants
from glassformer.data.growth import Growth, growing, growth, stages
from glassformer.data.mixture import Dealer, Mixture
from glassformer.data.pace import Pace
from glassformer.data.sampler import Sampler
from glassformer.errors import SettingError
from glassformer.kernels.cross_entropy import IGNORED

from .splits import split_of
from .test_sampler import equal, joined, pairs

TEXTS = ["", "0.25:0.2,0.5:0.3", "0.5:1", "0.125:0.1", "0.33:0.3,1:0.2,0.5:0.1"]


@st.composite
def paces(draw):
    """An even one, or one that decides its length anew on the way, up or down."""
    pace = Pace.even(draw(st.integers(1, 60)))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(pace.decided, pace.decided + 20))
        pace = pace.then(pace.ending(at, at + draw(st.integers(1, 60))))
    return pace


def by_the_rule(text, pace, steps):
    """(whole batch, part, parts) of each step, by definition: a batch is read as the stage says in which it begins."""
    ends, share = [], 0.0
    for parts, part in stages(text):
        ends.append((parts, share := share + part))
    found, batch = [], 0
    while len(found) < steps:
        step = len(found)
        position, known = pace.position(step), pace.known(step)
        parts = next((parts for parts, end in ends if position < round(end * known)), 1)
        found += [(batch, part, parts) for part in range(parts)]
        batch += 1
    return found[:steps]


@given(paces(), st.sampled_from(TEXTS))
def test_what_each_step_reads_follows_the_rule(pace, text):
    grows, expected = Growth(text, pace), by_the_rule(text, pace, pace.steps + 20)
    assert [grows.at(step) for step in range(pace.steps + 20)] == expected
    assert [grows.read(step) for step in range(pace.steps)] == pytest.approx(
        np.cumsum([0, *(1 / parts for _, _, parts in expected)])[: pace.steps]
    )
    first = [step for step, (_, part, _) in enumerate(expected) if part == 0]
    batches = np.arange(grows.steps)
    assert np.array_equal(grows.position(batches), [pace.position(first[b]) for b in batches])
    assert np.array_equal(grows.known(batches), [pace.known(first[b]) for b in batches])


@given(paces(), st.sampled_from(TEXTS), st.data())
def test_a_decision_changes_nothing_before_it_nor_a_batch_that_has_begun(pace, text, data):
    at = data.draw(st.integers(pace.decided, pace.decided + 30))
    later = Growth(text, pace.then(pace.ending(at, at + data.draw(st.integers(1, 100)))))
    before = Growth(text, pace)
    assert [later.at(step) for step in range(at)] == [before.at(step) for step in range(at)]
    batch, part, parts = later.at(at)
    assert part == 0 or before.at(at - 1) == (batch, part - 1, parts)


@pytest.mark.parametrize("name", variants(Sampler))
def test_the_rows_are_those_of_whole_batches_in_order_and_ranks_share_a_part(name):
    whole = Sampler.named(name).build(split_of([50, 9, 17, 3] * 20), 32, 12, 0)
    small = growing(whole, 12, growth("0.25:0.2,0.33:0.3", Pace.even(30)))
    read, steps = [], 0
    for batch in range(12):
        parts = 4 if batch < 2 else 3 if batch < 5 else 1
        pieces = [small(step) for step in range(steps, steps + parts)]
        assert equal(joined(pieces), whole(batch)) and sum(len(piece.ids) for piece in pieces) == len(whole(batch).ids)
        for step, piece in enumerate(pieces, steps):
            assert equal(joined([small(step, rank, 3) for rank in range(3)]), piece)
        read, steps = read + [pair for piece in pieces for pair in pairs(piece)], steps + parts
    assert sorted(read) == sorted(pair for batch in range(12) for pair in pairs(whole(batch)))


def test_with_epochs_every_token_comes_once_before_any_comes_twice():
    split = split_of([64] * 16)
    sampler = Sampler.named("epochs").build(split, 16, 8, 0)
    small, seen, step = growing(sampler, 8, growth("0.125:0.3,0.5:0.3", Pace.even(40))), [], 0
    while len(seen) < len(split) - 1:
        targets = small(step).targets
        seen, step = seen + targets[targets != IGNORED].tolist(), step + 1
    assert len(seen) == len(split) - 1
    assert sorted(seen) == sorted(np.asarray(split.tokens[1 : len(split)]).tolist())


def test_a_mixture_keeps_its_weights_over_whole_batches_and_follows_the_run():
    pace = Pace.even(100)
    grows = growth("0.25:0.4", pace)
    mixed = Mixture(("a", "b"), ((1.0, 0.0), (0.0, 1.0)), grows)
    weights = mixed.weights(np.arange(grows.steps))
    assert grows.steps == 70 and weights[10, 0] == pytest.approx(1 - 40 / 99) and weights[-1, 0] < 1e-9
    deal = Dealer(mixed, 8, 0)
    given = sum((deal(batch)[0] == 0).sum() for batch in range(70))
    assert abs(given - 8 * weights[:, 0].sum()) < 3


def test_the_share_ahead_is_the_mean_of_the_steps_to_come():
    pace, text = Pace.even(1000), "0.25:0.2,0.5:0.3"
    grows = growth(text, pace)
    for step in (0, 100, 300, 700, 999):
        mean = sum(grows.share(later) for later in range(step, 1000)) / (1000 - step)
        assert grows.ahead(step) == pytest.approx(mean, abs=0.01)
    assert grows.ahead(1000) == 1 and growth("", pace).ahead(5) == growth("", pace).share(5) == 1


def test_a_long_run_is_known_without_counting_its_steps():
    quarter = 2**36
    grows = growth("0.25:0.25,0.5:0.25", Pace.even(4 * quarter))
    begins = [(0, 0), (quarter, quarter // 4), (2 * quarter, 3 * quarter // 4), (4 * quarter, 11 * quarter // 4)]
    assert grows.runs == [(*begin, parts) for begin, parts in zip(begins, (4, 2, 1, 1))]


@pytest.mark.parametrize(
    "text", ["0.5", "0.5:", ":0.5", "0:0.5", "0.75:0.5", "2:0.5", "-1:0.5", "x:0.5", "0.5:0", "0.5:1.5", "nan:1"]
)
def test_what_is_no_growth_is_refused(text):
    with pytest.raises(ValueError, match="is not share-of-the-batch:share-of-the-steps"):
        stages(text)


def test_shares_above_one_and_parts_that_do_not_fit_are_refused():
    assert stages("") == [] and stages("0.25:0.5, 1:0.5") == [(4, 0.5), (1, 0.5)]
    with pytest.raises(ValueError, match="add up to more than 1"):
        stages("0.5:0.7,1:0.4")
    sampler = Sampler.named("windows").build(split_of([500]), 32, 6, 0)
    with pytest.raises(SettingError, match="a batch of 6 rows cannot be read in 4 equal parts"):
        growing(sampler, 6, growth("0.25:0.5", Pace.even(10)))
    assert growing(sampler, 6, growth("", Pace.even(10))) is sampler
    assert torch.equal(growing(sampler, 6, growth("0.5:0.5", Pace.even(10)))(0).ids, sampler(0).ids[:3])

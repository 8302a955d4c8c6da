import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.mixture import Dealer, Mixture, check, mixture, points
from glassformer.data.pace import Pace
from glassformer.errors import SettingError

CURVES = st.lists(st.floats(0.001, 1), min_size=1, max_size=4).map(tuple)


@given(
    curves=st.lists(CURVES, min_size=1, max_size=5), rows=st.integers(1, 20), steps=st.integers(1, 60),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_every_row_is_dealt_to_one_source_and_every_source_counts_its_own(curves, rows, steps, seed):
    given = Mixture(tuple("abcde"[: len(curves)]), tuple(curves), Pace.even(steps))
    deal = Dealer(given, rows, seed)
    weights = given.weights(np.arange(steps))
    np.testing.assert_allclose(weights.sum(1), 1)
    dealt = [[] for _ in curves]
    for step in range(steps):
        sources, numbers = deal(step)
        assert len(sources) == len(numbers) == rows
        for source, number in zip(sources.tolist(), numbers.tolist()):
            dealt[source].append(number)
        quota = rows * weights[step]
        counts = np.bincount(sources, minlength=len(curves))
        assert (abs(counts - quota) < 1 + 1e-9).all()  # no step strays from its shares by a whole row
    for numbers in dealt:
        assert sorted(numbers) == list(range(len(numbers)))


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_shares_even_out_over_the_steps(rows):
    weights = np.array([0.61, 0.3, 0.07, 0.02])
    deal = Dealer(Mixture(tuple("abcd"), tuple((w,) for w in weights), Pace.even(1500)), rows, 0)
    counts = np.cumsum([np.bincount(deal(step)[0], minlength=4) for step in range(1500)], 0)
    expected = weights * rows * np.arange(1, 1501)[:, None]
    assert abs(counts - expected).max() < 6


def test_the_places_of_sources_in_a_batch_are_shuffled():
    deal = Dealer(Mixture(("a", "b"), ((0.5,), (0.5,)), Pace.even(200)), 8, 0)
    share = np.mean([deal(step)[0] for step in range(200)], 0)
    assert (abs(share - 0.5) < 0.15).all()


def test_a_schedule_runs_from_its_first_weight_to_its_last():
    given = mixture({"b": "0.1>0.5>0.5", "a": "0.9>0.5"}, ["a", "b"], [0.3, 0.7], Pace.even(101))
    np.testing.assert_allclose(given.weights(np.array([0, 25, 50, 100]))[:, 1], [0.1, 0.3 / 1.1, 0.5 / 1.2, 0.5])
    assert mixture({}, ["a", "b"], [0.3, 0.7], Pace.even(10)).points == ((0.3,), (0.7,))


@pytest.mark.parametrize(
    ("schedule", "sentence"),
    [
        ({"boks": "1", "village": "1"}, "train.mixture: the dataset has no source 'boks'; did you mean 'books'?"),
        ({"village": "1"}, "train.mixture: give a weight to 'books', too"),
    ],
)
def test_a_schedule_that_does_not_fit_the_dataset_is_refused(schedule, sentence):
    with pytest.raises(SettingError, match=sentence.replace("?", r"\?")):
        mixture(schedule, ["village", "books"], [0.5, 0.5], Pace.even(10))


@pytest.mark.parametrize("text", ["", "a", "0.5>", "-1", "0.5>-0.1", "nan", "inf", "1e999", "0.5,0.5"])
def test_what_is_no_weight_is_refused(text):
    with pytest.raises(ValueError, match="is not a weight such as"):
        points(text)


def test_weights_that_are_all_zero_at_some_time_are_refused():
    check({}), check({"a": "0>1", "b": "1>0"}), check({"a": "0>1>0", "b": "1>0>1"})
    with pytest.raises(ValueError, match="after 50% of the run all weights are 0"):
        check({"a": "1>0>1", "b": "0"})
    with pytest.raises(ValueError, match="after 0% of the run"):
        check({"a": "0"})

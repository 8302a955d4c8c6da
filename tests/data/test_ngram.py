import math
from collections import Counter, defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.data.ngram import UNSEEN_DISCOUNTS, NGram, evenly, targets


class Dictionaries:
    """The formulas of Chen and Goodman, one dictionary entry at a time."""

    def __init__(self, tokens: list[int], order: int, vocab_size: int):
        self.order, self.vocab_size = order, vocab_size
        self.counts = {order: Counter(zip(*(tokens[i:] for i in range(order))))}
        for k in range(1, order):
            before = defaultdict(set)
            for gram in zip(*(tokens[i:] for i in range(k + 1))):
                before[gram[1:]].add(gram[0])
            self.counts[k] = Counter({gram: len(left) for gram, left in before.items()})
        self.discounts = {k: self._discounts(counts) for k, counts in self.counts.items()}

    def _discounts(self, counts: Counter) -> list[float]:
        n = Counter(counts.values())
        if not all(n[r] for r in (1, 2, 3, 4)):
            return [0, *UNSEEN_DISCOUNTS]
        y = n[1] / (n[1] + 2 * n[2])
        d = [0] + [r - (r + 1) * y * n[r + 1] / n[r] for r in (1, 2, 3)]
        return d if all(0 <= d[r] <= r for r in (1, 2, 3)) else [0, *UNSEEN_DISCOUNTS]

    def probability(self, history: tuple[int, ...], token: int) -> float:
        if len(history) >= self.order:
            history = history[len(history) - self.order + 1 :]
        shorter = 1 / self.vocab_size if not history else self.probability(history[1:], token)
        k = len(history) + 1
        follow = {gram[-1]: count for gram, count in self.counts[k].items() if gram[:-1] == history}
        total = sum(follow.values())
        if not total:
            return shorter
        discount = self.discounts[k]
        gamma = sum(discount[min(count, 3)] for count in follow.values()) / total
        count = follow.get(token, 0)
        return (count - discount[min(count, 3)]) / total + gamma * shorter


TOKENS = st.integers(2, 9).flatmap(
    lambda v: st.tuples(st.just(v), st.lists(st.integers(0, v - 1), min_size=1, max_size=200))
)


@settings(max_examples=60)
@given(TOKENS, st.integers(1, 5), st.data())
def test_it_equals_the_formulas_computed_with_dictionaries(drawn, order, data):
    vocab_size, tokens = drawn
    order = min(order, len(tokens))
    model, oracle = NGram.fit(np.array(tokens), order, vocab_size), Dictionaries(tokens, order, vocab_size)
    test = data.draw(st.lists(st.integers(0, vocab_size - 1), min_size=1, max_size=30)) + tokens[:20]
    expected = [-math.log(oracle.probability(tuple(test[:i]), token)) for i, token in enumerate(test)]
    np.testing.assert_allclose(model.nats(np.array(test, np.uint16)), expected, rtol=1e-9)


@settings(max_examples=30)
@given(TOKENS, st.integers(1, 5))
def test_all_orders_come_out_of_one_count(drawn, order):
    vocab_size, tokens = drawn
    test = np.array([*range(vocab_size), *tokens[-30:], *tokens[:30]])
    found = list(NGram.fit(np.array(tokens), order, vocab_size).nats_of_orders(test))
    for k, nats in enumerate(found, start=1):
        np.testing.assert_array_equal(nats, NGram.fit(np.array(tokens), k, vocab_size).nats(test))
    assert len(found) == min(order, len(tokens))


@given(st.integers(1, 300), st.integers(1, 20), st.integers(0, 6), st.data())
def test_targets_are_those_of_the_windows_with_what_stands_before(n, length, before, data):
    tokens = np.random.default_rng(n).integers(0, 1000, n + 1)
    starts = sorted(data.draw(st.sets(st.integers(0, n - 1), min_size=1, max_size=9)))
    ids, places = targets(tokens, [(start, min(start + length, n)) for start in starts], before)
    expected = [i for start in starts for i in range(start + 1, min(start + 1 + length, n + 1))]
    assert ids[places].tolist() == tokens[expected].tolist()
    for place, i in zip(places.tolist(), expected):
        have = min(before, i)
        assert ids[place - have : place].tolist() == tokens[i - have : i].tolist()


@given(st.integers(1, 5_000), st.integers(64, 4_000))
def test_a_sample_is_spread_evenly_and_never_larger_than_asked(n, most):
    tokens = np.arange(n)
    sample = evenly(tokens, most)
    assert len(sample) <= max(n if n <= most else most, 1) and sample[0] == 0 and sample[-1] == n - 1
    assert len(sample) == n or (len(sample) > most - 64 and len(set(sample.tolist())) == len(sample))


def zipf(n: int, vocab_size: int, seed: int) -> np.ndarray:
    """A stream in which a token depends on the one before, and rare ones are rare."""
    rng = np.random.default_rng(seed)
    steps = np.minimum(rng.zipf(1.5, n), vocab_size) - 1
    return (np.cumsum(steps * (rng.random(n) < 0.5)) + steps) % vocab_size


def test_probabilities_sum_to_one_in_any_context():
    tokens = zipf(20_000, 300, seed=1)
    model, rng = NGram.fit(tokens, 5, 320), np.random.default_rng(0)
    contexts = [[], [319], [319] * 4, [tokens[0].item()], [319, 1, 2, 3]]
    contexts += [tokens[i : i + 4].tolist() for i in rng.integers(0, 19_000, 30)] + rng.integers(
        0, 320, (30, 4)
    ).tolist()
    for context in contexts:
        p = model.distribution(context)
        assert p.min() > 0 and abs(p.sum() - 1) < 1e-12
        for token in (*rng.integers(0, 320, 5).tolist(), 319):
            nats = model.nats(np.array([*context, token]))[-1]
            assert math.isclose(nats, -math.log(p[token]), rel_tol=1e-9)


def test_without_context_it_is_the_empirical_distribution_but_for_what_is_discounted():
    tokens = zipf(50_000, 50, seed=2)
    p, counts = NGram.fit(tokens, 1, 60).distribution([]), np.bincount(tokens, minlength=60)
    np.testing.assert_allclose(p, counts / counts.sum(), atol=60 * 3 / 50_000)
    assert (p[50:] > 0).all()


def test_more_context_predicts_better_and_noise_stays_noise():
    train, test = zipf(100_000, 200, seed=3), zipf(5_000, 200, seed=4)
    losses = [NGram.fit(train, order, 200).nats(test).mean() for order in (1, 2, 3)]
    assert losses[0] > losses[1] + 0.5 and losses[2] < losses[1] + 0.02
    noise = np.random.default_rng(0).integers(0, 64, 60_000)
    assert abs(NGram.fit(noise[:50_000], 5, 64).nats(noise[50_000:]).mean() - math.log(64)) < 0.3


def test_bits_per_byte_counts_all_tokens_but_the_first():
    tokens = np.array([0, 1, 2, 1, 2, 0, 1])
    model = NGram.fit(tokens, 2, 3)
    expected = model.nats(tokens)[1:].sum() / math.log(2) / (3 * 1 + 2 * 2)
    assert math.isclose(model.bits_per_byte(tokens, [b"", b"a", b"bc"]), expected)


def test_samples_follow_the_distribution_and_the_seed():
    tokens = zipf(5_000, 20, seed=5)
    model = NGram.fit(tokens, 3, 20)
    drawn = model.sample(np.random.default_rng(7), [1, 2], 400)
    assert (
        drawn
        == model.sample(np.random.default_rng(7), [1, 2], 400)
        != model.sample(np.random.default_rng(8), [1, 2], 400)
    )
    rng = np.random.default_rng(9)
    firsts = np.bincount([model.sample(rng, [1, 2], 1)[0] for _ in range(4000)], minlength=20) / 4000
    assert abs(firsts - model.distribution([1, 2])).max() < 0.04


@pytest.mark.parametrize("tokens", [[0], [3, 3], [1, 2, 1]])
def test_the_shortest_texts_give_a_model(tokens):
    model = NGram.fit(np.array(tokens), 5, 4)
    assert np.isfinite(model.nats(np.array([0, 1, 2, 3, 3]))).all()
    assert len(model.sample(np.random.default_rng(0), [], 5)) == 5
    assert len(model.nats(np.array([], np.int64))) == 0

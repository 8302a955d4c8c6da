import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.shuffle import shuffled


@given(
    n=st.integers(1, 3000), seed=st.integers(-(2**40), 2**64 - 1), epoch=st.integers(0, 2**30),
    stream=st.integers(0, 999),
)  # fmt: skip
def test_every_epoch_holds_everything_once(n, seed, epoch, stream):
    order = shuffled(epoch * n + np.arange(n), n, seed, stream)
    assert sorted(order.tolist()) == list(range(n))
    assert shuffled(np.array([epoch * n + n // 2]), n, seed, stream)[0] == order[n // 2]  # one at a time, the same


@pytest.mark.parametrize("n", [2, 3, 4, 5])
@pytest.mark.parametrize("seeds", [range(1), range(400)], ids=["epochs", "seeds"])
def test_every_order_is_equally_likely(n, seeds):
    """Pearson's chi-square over all n! orders, below its mean plus six standard deviations."""
    epochs = 4000 // len(seeds)
    orders = np.concatenate([shuffled(np.arange(epochs * n), n, seed).reshape(-1, n) for seed in seeds])
    counts, expected = Counter(map(tuple, orders.tolist())), len(orders) / math.factorial(n)
    kinds = math.factorial(n)
    chi = sum((c - expected) ** 2 / expected for c in counts.values()) + (kinds - len(counts)) * expected
    assert chi < kinds - 1 + 6 * math.sqrt(2 * (kinds - 1))


def test_neighbours_part_and_streams_differ():
    n = 10_007
    order = shuffled(np.arange(n), n, seed=5)
    assert abs(np.corrcoef(order[:-1], order[1:])[0, 1]) < 0.05
    assert (order == np.arange(n)).sum() < 10
    for other in (shuffled(np.arange(n), n, 5, stream=1), shuffled(np.arange(n), n, 6), shuffled(n + np.arange(n), n, 5)):
        assert (order == other).sum() < 10


def test_the_shuffle_stays_the_same_in_every_version():
    assert shuffled(np.arange(6), 3, seed=1).tolist() == [2, 0, 1, 0, 1, 2]
    assert shuffled(np.array([0, 10**12, 10**15]), 10**9 + 7, seed=42).tolist() == PINNED


PINNED = [174093901, 236559951, 99871071]

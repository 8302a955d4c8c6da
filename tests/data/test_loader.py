"""Reading ahead changes nothing but the time at which a batch is built."""

import threading
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.data.batches import Batch
from glassformer.data.loader import AHEAD, Loader
from glassformer.errors import DatasetError


def numbered(step: int) -> Batch:
    return Batch(torch.tensor([[step]]), torch.tensor([[step + 1]]))


def threads() -> int:
    return sum(thread.name.startswith("batches") for thread in threading.enumerate())


def wait_until(true):
    end = time.monotonic() + 10
    while not true() and time.monotonic() < end:
        time.sleep(0.002)
    assert true()


@given(asked=st.lists(st.integers(0, 12), max_size=20), steps=st.integers(0, 12))
def test_any_order_gives_what_the_sampler_gives(asked, steps):
    with Loader(numbered, steps) as batches:
        for step in asked:
            assert batches(step).ids.item() == step
    assert threads() == 0


def test_the_next_batches_are_built_before_they_are_asked_for_and_none_twice_or_beyond_the_last():
    built = []
    with Loader(lambda step: (built.append(step), numbered(step))[1], steps=8) as batches:
        batches(2)
        wait_until(lambda: len(built) == 1 + AHEAD)
        for step in range(3, 8):
            batches(step)
    assert built == [2, 3, 4, 5, 6, 7]


def test_a_batch_is_built_while_the_caller_is_busy():
    """The caller waits for the first of ten batches only, though each takes 20 ms to build and 40 ms to use."""

    def slow(step):
        time.sleep(0.02)
        return numbered(step)

    waited = []
    with Loader(slow, steps=10) as batches:
        for step in range(10):
            start = time.perf_counter()
            batches(step)
            waited.append(time.perf_counter() - start)
            time.sleep(0.04)
    assert waited[0] >= 0.02 and sorted(waited)[5] < 0.01


def test_what_went_wrong_in_the_thread_is_raised_where_its_batch_is_asked_for():
    def breaks(step):
        if step == 5:
            raise DatasetError("id 7 is outside the vocabulary; prepare it again")
        return numbered(step)

    with Loader(breaks, steps=100) as batches:
        for step in range(5):
            assert batches(step).ids.item() == step
        with pytest.raises(DatasetError, match="prepare it again"):
            batches(5)
        assert batches(6).ids.item() == 6
    assert threads() == 0


def test_the_thread_ends_when_training_does_not_end_well():
    with pytest.raises(KeyboardInterrupt), Loader(numbered, steps=100) as batches:
        batches(0)
        raise KeyboardInterrupt
    assert threads() == 0

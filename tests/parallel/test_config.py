"""The layout that `parallel.*` gives for a number of processes, and the sentence for one that does not fit."""

import pytest

from glassformer.errors import SettingError
from glassformer.parallel.config import Layout, Parallel


@pytest.mark.parametrize(
    ("settings", "world", "layout"),
    [
        ({}, 1, Layout()),
        ({}, 6, Layout(replicate=6)),
        ({"shard": True}, 4, Layout(shard=4)),
        ({"shard": True, "replicate": 2}, 8, Layout(replicate=2, shard=4)),
        ({"tensor": 2}, 2, Layout(tensor=2)),
        ({"tensor": 2, "context": 3, "pipeline": 2}, 24, Layout(replicate=2, tensor=2, context=3, pipeline=2)),
        ({"data": 4, "shard": True, "tensor": 2}, 8, Layout(shard=4, tensor=2)),
    ],
)
def test_what_is_left_reads_other_rows(settings, world, layout):
    found = Parallel(**settings).layout(world)
    assert found == layout
    assert found.world == world


@pytest.mark.parametrize(
    ("settings", "world", "said"),
    [
        ({"tensor": 2}, 1, "layout for 2 processes .* and one is running; start 2 with"),
        ({"tensor": 2}, 3, "layout for 2 processes .* and 3 are running"),
        ({"data": 2}, 4, "product is 4"),
        ({"replicate": 2}, 4, "parallel.shard is false"),
        ({"shard": True, "replicate": 3}, 4, "does not divide the 4 processes"),
    ],
)
def test_what_does_not_fit_is_one_sentence(settings, world, said):
    with pytest.raises(SettingError, match=said):
        Parallel(**settings).layout(world)

import pytest
import torch

from glassformer.config import variants
from glassformer.data.curriculum import lengthening, stages
from glassformer.data.pace import Pace
from glassformer.data.sampler import Sampler
from glassformer.errors import SettingError
from glassformer.kernels.cross_entropy import IGNORED

from .splits import split_of
from .test_sampler import equal, joined, pairs


@pytest.mark.parametrize("name", variants(Sampler))
def test_lengths_change_how_far_a_token_sees_and_not_which_are_read(name):
    whole = Sampler.named(name).build(split_of([50, 9, 17, 3] * 20), 32, 4, 0)
    short = lengthening(whole, "4:0.2, 16:0.3", 32, Pace.even(20))
    for step in range(22):
        batch, length = short(step), 4 if step < 4 else 16 if step < 10 else 32
        assert batch.ids.shape[1] == min(length, whole(step).ids.shape[1])
        assert pairs(batch) == pairs(whole(step))
        assert (batch.targets != IGNORED).any(1).all() or length == 32
        assert equal(joined([short(step, rank, 4) for rank in range(4)]), batch)


def test_windows_at_every_length_have_the_same_number_of_tokens():
    short = lengthening(Sampler.named("windows").build(split_of([500]), 32, 4, 0), "8:0.5", 32, Pace.even(10))
    assert [tuple(short(step).ids.shape) for step in (0, 4, 5, 9)] == [(16, 8), (16, 8), (4, 32), (4, 32)]
    assert torch.equal(short(0).ids[:4].flatten(), lengthening(short, "", 32, Pace.even(10))(0).ids.flatten()[:32])


@pytest.mark.parametrize("text", ["64", "64:", ":0.5", "64:0", "64:1.5", "0:0.5", "x:0.5", "64:x", "64:nan", "-8:0.5"])
def test_what_is_no_schedule_is_refused(text):
    with pytest.raises(ValueError, match="is not length:share-of-the-steps"):
        stages(text)


def test_shares_above_one_and_lengths_that_do_not_fit_are_refused():
    assert stages("") == [] and stages("8:0.5,16:0.5") == [(8, 0.5), (16, 0.5)]
    with pytest.raises(ValueError, match="add up to more than 1"):
        stages("8:0.7,16:0.4")
    with pytest.raises(SettingError, match="rows of 32 tokens cannot be cut into pieces of 12"):
        lengthening(Sampler.named("windows").build(split_of([500]), 32, 4, 0), "12:0.5", 32, Pace.even(10))

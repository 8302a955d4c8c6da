"""Sampling stages against transformers' processors, and generator that land where the probabilities say."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from glassformer.errors import SettingError
from glassformer.generate import sampling
from glassformer.generate.sampling import SamplingConfig, choose, greedy, pick, pipeline

OUT = float("-inf")


def some_logits(seed: int, rows: int = 3, vocabulary: int = 300) -> torch.Tensor:
    return torch.randn(rows, vocabulary, generator=torch.Generator().manual_seed(seed)) * 3


def numbers(*u: float) -> torch.Tensor:
    return torch.tensor(u, dtype=torch.float64)


def seen_of(ids: torch.Tensor, vocabulary: int) -> torch.Tensor:
    return torch.zeros(ids.shape[0], vocabulary, dtype=torch.bool).scatter_(1, ids, True)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    vocabulary=st.integers(2, 3000),
    temperature=st.floats(0.1, 5),
    k=st.integers(1, 400),
    p=st.floats(0.01, 0.99),
    floor=st.floats(0.001, 0.999),
    penalty=st.floats(0.5, 2),
)
def test_each_stage_equals_transformers(seed, vocabulary, temperature, k, p, floor, penalty):
    z = some_logits(seed, vocabulary=vocabulary).double()
    ids = torch.randint(vocabulary, (3, 7), generator=torch.Generator().manual_seed(seed))
    seen = seen_of(ids, vocabulary)
    pairs = [
        (sampling.repetition_penalty(z, seen, penalty), RepetitionPenaltyLogitsProcessor(penalty)),
        (sampling.temperature(z, temperature), TemperatureLogitsWarper(temperature)),
        (sampling.top_k(z, k), TopKLogitsWarper(k)),
        (sampling.top_p(z, p), TopPLogitsWarper(p)),
        (sampling.min_p(z, floor), MinPLogitsWarper(floor)),
    ]
    for ours, theirs in pairs:
        expected = theirs(ids, z.clone())
        assert torch.equal(ours == OUT, expected == OUT)
        torch.testing.assert_close(ours.softmax(-1), expected.softmax(-1), rtol=1e-12, atol=1e-14)


def test_the_whole_pipeline_equals_transformers():
    z, ids = some_logits(1).double(), torch.randint(300, (3, 9), generator=torch.Generator().manual_seed(1))
    config = SamplingConfig(temperature=0.7, top_k=40, top_p=0.9, min_p=0.05, repetition_penalty=1.3)
    stages = pipeline(config)
    assert [stage.name for stage in stages] == ["repetition_penalty", "temperature", "top_k", "top_p", "min_p"]
    expected = z
    for theirs in [
        RepetitionPenaltyLogitsProcessor(1.3),
        TemperatureLogitsWarper(0.7),
        TopKLogitsWarper(40),
        TopPLogitsWarper(0.9),
        MinPLogitsWarper(0.05),
    ]:
        expected = theirs(ids, expected)
    for stage in stages:
        z = stage.apply(z, seen_of(ids, 300))
    torch.testing.assert_close(z.softmax(-1), expected.softmax(-1))


def test_neutral_settings_have_no_stages():
    assert pipeline(SamplingConfig()) == []
    assert pipeline(SamplingConfig(temperature=0, top_k=5, top_p=0.5, min_p=0.1)) == []


def test_worked_examples():
    third = torch.tensor([[2 / 3, 1 / 3]]).log()
    torch.testing.assert_close(sampling.temperature(third, 0.5).softmax(-1), torch.tensor([[0.8, 0.2]]))
    assert sampling.top_k(torch.tensor([[3.0, 1.0, 2.0]]), 2).tolist() == [[3, OUT, 2]]
    assert (sampling.top_p(torch.tensor([[0.5, 0.3, 0.2]]).log(), 0.7) > OUT).tolist() == [[True, True, False]]
    assert (sampling.min_p(torch.tensor([[0.6, 0.3, 0.1]]).log(), 0.5) > OUT).tolist() == [[True, True, False]]
    both_seen = torch.tensor([[True, True]])
    assert sampling.repetition_penalty(torch.tensor([[2.0, -1.0]]), both_seen, 2).tolist() == [[1, -2]]
    thirds = torch.tensor([[0.2, 0.5, 0.3]]).double().expand(3, 3)
    assert pick(thirds, numbers(0.1, 0.2, 0.9)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("stage", ["temperature", "top_k", "top_p", "min_p"])
def test_one_possible_token_stays_the_one(stage):
    z = torch.full((1, 50), OUT)
    z[0, 31] = -4.0
    argument = {"temperature": 1e-30, "top_k": 7, "top_p": 0.01, "min_p": 1.0}[stage]
    out = getattr(sampling, stage)(z, argument)
    assert (out > OUT).nonzero().tolist() == [[0, 31]]
    for u in (0.0, 0.5, math.nextafter(1, 0)):
        assert pick(out.softmax(-1), numbers(u)).item() == 31


def test_top_p_of_a_flat_distribution_keeps_what_ties():
    z = torch.zeros(2, 5000)
    assert (sampling.top_p(z, 0.3) > OUT).all()


def test_temperature_near_zero_is_greedy():
    z = some_logits(2)
    cold = choose(z, pipeline(SamplingConfig(temperature=1e-20)), None, numbers(0.999, 0.999, 0.999))
    assert torch.equal(cold, greedy(z))


@pytest.mark.parametrize("t", [1e-46, 5e-324, 1e-38, 1e39, 1.7e308])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16, torch.float64])
def test_fault_16_a_temperature_that_no_float32_holds_is_the_nearest_one(t, dtype):
    z = some_logits(2).to(dtype)
    z[:, 7] = OUT  # a token that was ruled out before
    ids = choose(z, pipeline(SamplingConfig(temperature=t)), None, numbers(0.01, 0.5, 0.99))
    if t < 1:
        assert torch.equal(ids, greedy(z))
    else:
        assert ids.tolist() == [2, 150, 297] and sampling.temperature(z, t).softmax(-1)[:, 7].max() == 0  # all are alike


@pytest.mark.parametrize("penalty", [1e-40, 0.9e-9, 1.1e9, 1e40])
def test_fault_16_a_penalty_that_overflows_is_refused(penalty):
    with pytest.raises(SettingError, match="repetition_penalty"):
        SamplingConfig().override(f"repetition_penalty={penalty}")


@pytest.mark.parametrize("penalty", [1e-9, 1e9])
def test_fault_16_the_largest_penalties_leave_scores_that_can_be_sampled(penalty):
    z, seen = some_logits(2) * 100, torch.rand(3, 300, generator=torch.Generator().manual_seed(1)) < 0.5
    ids = choose(z, pipeline(SamplingConfig(repetition_penalty=penalty)), seen, numbers(0.3, 0.5, 0.7))
    best = sampling.repetition_penalty(z.double(), seen, penalty).argmax(-1)
    assert torch.equal(ids, best)


def test_top_k_of_one_is_greedy():
    z = some_logits(3)
    for u in (0.0, 0.3, 0.999999):
        chosen = choose(z, pipeline(SamplingConfig(top_k=1)), None, numbers(u, u, u))
        assert torch.equal(chosen, greedy(z))


def test_pick_never_picks_the_impossible():
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.75, 0.0]]).expand(4, 5)
    uniform = numbers(0.0, 0.25, 0.2499999999, math.nextafter(1, 0))
    assert pick(probabilities, uniform).tolist() == [1, 3, 1, 3]


def test_pick_lands_as_often_as_the_probabilities_say():
    probabilities = torch.tensor([0.4, 0.3, 0.0, 0.2, 0.07, 0.03]).double()
    n = 40_000
    uniform = torch.rand(n, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    counts = pick(probabilities.expand(n, 6), uniform).bincount(minlength=6)
    possible = probabilities > 0
    expected = probabilities[possible] * n
    chi_square = ((counts[possible] - expected) ** 2 / expected).sum().item()
    assert counts[2] == 0
    assert chi_square < 18.5  # 4 degrees of freedom: exceeded once in a thousand


@pytest.mark.parametrize(
    ("field", "value"),
    [("temperature", -1), ("top_p", 0), ("top_p", 1.1), ("min_p", 2), ("repetition_penalty", 0), ("stop", [""])],
)
def test_impossible_settings_are_refused_by_name(field, value):
    with pytest.raises(SettingError, match=field if field != "stop" else "stop text"):
        SamplingConfig.parse({field: value})


def test_settings_survive_json():
    config = SamplingConfig(temperature=0.7, stop=("\n\n", "END"))
    assert SamplingConfig.from_json(config.to_json()) == config

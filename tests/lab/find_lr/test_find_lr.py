"""The finder on problems whose answer is known: quadratics, flat curves, curves that only rise; and on a model."""

import math

import numpy as np
import pytest

from glassformer.lab.find_lr import FEWEST, Findings, noise, ramp, rates_between, smoothed
from glassformer.lab.find_lr.page import curve, write_page
from glassformer.lab.find_lr.reading import proposal, remarks, rounded

from ...page import Page


def descent(curvature, noisy=0.0, low=1e-5, high=1e3, steps=300):
    """Gradient descent on loss = curvature w^2 / 2 + 1 from w = 1, which diverges above a rate of 2 / curvature."""
    w, random = 1.0, np.random.default_rng(0)

    def step(rate):
        nonlocal w
        loss = curvature * w * w / 2 + 1
        w -= rate * curvature * w
        return loss + noisy * curvature * random.standard_normal()

    return ramp(step, rates_between(low / curvature, high / curvature, steps))


@pytest.mark.parametrize("curvature", [0.01, 1.0, 300.0])
@pytest.mark.parametrize("noisy", [0.0, 0.02])
def test_on_a_quadratic_the_rate_is_below_where_it_diverges_and_scales_with_the_curvature(curvature, noisy):
    found = descent(curvature, noisy)
    assert found.diverged and found.falls and found.rates[-1] < 200 / curvature
    assert 0.003 < found.steepest * curvature < 1, "2 / curvature diverges, and below 0.003 nothing moves"
    assert found.tenth * curvature < 0.5
    # The sum s of all rates up to r is r / ln(growth of the rate), the loss is exp(-2 curvature s), and its derivative by
    # log r is the most negative where 2 curvature s = 1.
    growth = math.log(found.rates[1] / found.rates[0])
    assert found.steepest * curvature == pytest.approx(0.5 * growth, rel=0.5)
    assert f"train.learning_rate={rounded(found.steepest)}" in proposal(found)
    assert any("order of magnitude and no more" in line for line in remarks(found))


def test_it_does_not_depend_on_the_scale_of_the_loss():
    one, other = descent(1.0), descent(300.0)
    assert other.steepest * 300 == pytest.approx(one.steepest, rel=0.2)


@pytest.mark.parametrize("noisy", [0.0, 0.3])
def test_on_a_flat_curve_it_loses_and_says_so(noisy):
    for seed in range(20):
        random = np.random.default_rng(seed)
        found = ramp(lambda rate, random=random: 5 + noisy * random.standard_normal(), rates_between(1e-6, 1, 200))
        assert not found.falls and found.steepest is None and found.tenth is None, seed
        assert "There is no rate to propose" in proposal(found) and "--steps" in remarks(found)[0]


def test_a_curve_that_only_rises_has_none_either():
    found = ramp(lambda rate: 5 + rate, rates_between(1e-3, 1e3, 200))
    assert found.diverged and found.steepest is None and "it only rises" in proposal(found)
    assert remarks(found) == ["Begin lower: --low 1.0e-6."]


def test_a_loss_that_is_no_number_ends_the_ramp_and_one_that_still_falls_is_told():
    broken = ramp(lambda rate: math.inf if rate > 0.1 else 5 - rate, rates_between(1e-3, 1e3, 200))
    assert broken.diverged and broken.rates[-1] <= 0.1 and len(broken.rates) == len(broken.losses)
    falling = ramp(lambda rate: 5 - math.log10(rate), rates_between(1e-3, 1e3, 200))
    assert not falling.diverged and any("still falling at the end" in line for line in remarks(falling))
    short = ramp(lambda rate: math.inf if rate > 0.1 else 5 - rate, rates_between(1e-2, 1, FEWEST - 5))
    assert not short.falls


def test_smoothing_keeps_lines_and_takes_noise_away_as_it_says():
    line = (2 - 0.01 * np.arange(300)).tolist()
    assert smoothed(line)[50:250] == pytest.approx(line[50:250])
    draws = [np.random.default_rng(seed).standard_normal(300) for seed in range(50)]
    measured = np.std([smoothed(draw.tolist())[150] for draw in draws])
    assert np.mean([noise(draw.tolist()) for draw in draws]) == pytest.approx(measured, rel=0.3)


def test_the_page_is_whole_and_marks_the_rate(tmp_path):
    found = descent(1.0)
    text = Page(write_page(tmp_path, found, "glass find-lr village").read_text()).text
    assert proposal(found) in text and "glass find-lr village" in text
    names = [line["name"] for line in curve(found)["lines"]]
    assert names == ["each step", "smoothed", "proposed"]
    flat = Findings([0.1, 1.0], [5.0, 5.0], False)
    assert [line["name"] for line in curve(flat)["lines"]] == ["each step", "smoothed"]


SETTINGS = [
    "corpus.megabytes=0.2", "corpus.validation_fraction=0.5", "corpus.workers=1", "tokenizer.vocab_size=300",
    "model.n_layer=1", "model.n_embd=32", "model.n_head=2", "model.context_length=16", "train.micro_batch_size=4",
    "train.grad_accumulation=1", "train.precision=fp32", "train.optimizer=adamw",
]  # fmt: skip


@pytest.mark.slow
def test_the_verb_finds_a_rate_for_a_model_and_refuses_a_ramp_that_is_none(glass, tmp_path):
    code, out, _ = glass("find-lr", "village", *SETTINGS, "--low", "1e-5", "--high", "10", "--steps", "120")
    assert code == 0 and "falls fastest" in out and "Next:" in out
    rate = float(out.split("train.learning_rate=")[1].split(":")[0])
    assert 1e-4 < rate < 1, "AdamW with a model as small as this"
    assert (tmp_path / "runs" / "find-lr" / "find-lr.html").is_file()
    assert not list((tmp_path / "runs").glob("*/run.json"))
    code, _, err = glass("find-lr", "village", *SETTINGS, "--low", "1", "--high", "2")
    assert code == 2 and "over ten times the first" in err

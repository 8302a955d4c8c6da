"""Statistics against tables, and against chance: equal models are called equal, different ones different."""

import math

import numpy as np
import pytest

from glassformer.lab.compare.statistics import ALPHA, cdf, holm, paired, quantile, verdict

# Student's t at 0.975 from the printed tables (Fisher and Yates, 1938); 1.95996 is the normal's.
TABLE = {1: 12.7062, 2: 4.3027, 3: 3.1824, 4: 2.7764, 5: 2.5706, 9: 2.2622, 10: 2.2281, 30: 2.0423, 120: 1.9799}


@pytest.mark.parametrize(("freedom", "t"), TABLE.items())
def test_quantiles_are_those_of_the_printed_table(freedom, t):
    assert quantile(0.975, freedom) == pytest.approx(t, abs=6e-5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 8, 25])
def test_the_distribution_is_the_integral_of_its_density(freedom):
    scale = math.gamma((freedom + 1) / 2) / math.gamma(freedom / 2) / math.sqrt(freedom * math.pi)
    x = np.linspace(0, 1.7, 20_001)
    area = np.trapezoid(scale * (1 + x * x / freedom) ** (-(freedom + 1) / 2), x)
    assert cdf(1.7, freedom) == pytest.approx(0.5 + area, abs=1e-8)
    assert cdf(-1.7, freedom) == pytest.approx(0.5 - area, abs=1e-8)


def simulated(rng, shift: float, seeds: int = 5) -> tuple[list[float], list[float]]:
    """Bits per byte of two models: each seed has its luck, which both share, and each run noise of its own."""
    luck = rng.normal(2.0, 0.02, seeds)
    return list(luck + rng.normal(0, 0.01, seeds)), list(luck + rng.normal(0, 0.01, seeds) + shift)


def test_two_hundred_comparisons_of_a_model_with_itself_show_no_difference():
    """49 of 50 in the long run; here in each of 40 sets of 200 at least 190 say so (LOG.md has the numbers)."""
    rng, alarms = np.random.default_rng(5), 0
    for _ in range(40):
        said = []
        for _ in range(200):
            found = paired(*simulated(rng, 0.0))
            said.append(verdict("B", found, holm([found.p])[0], 1))
        quiet = sum("no difference shown at 5 seeds" in words for words in said)
        assert quiet >= 190
        alarms += 200 - quiet
    assert alarms == pytest.approx(ALPHA * 8000, abs=10)


def test_the_share_of_false_alarms_is_the_stated_one():
    rng = np.random.default_rng(6)
    alarms = sum(paired(*simulated(rng, 0.0)).p <= ALPHA for _ in range(4000))
    assert abs(alarms - 80) < 4 * math.sqrt(4000 * 0.02 * 0.98)


def test_several_variants_together_raise_no_more_alarms_than_one():
    rng = np.random.default_rng(7)
    families = [any(holm([paired(*simulated(rng, 0.0)).p for _ in range(4)])) for _ in range(1000)]
    assert sum(families) < 20 + 4 * math.sqrt(1000 * 0.02 * 0.98)


def test_a_difference_of_three_standard_deviations_is_found():
    rng = np.random.default_rng(8)
    sigma = 0.01 * math.sqrt(2)  # of a difference
    found = [paired(*simulated(rng, -3 * sigma)) for _ in range(200)]
    assert sum(d.p <= ALPHA and d.mean < 0 for d in found) > 190


def test_the_interval_covers_the_truth_in_49_of_50():
    rng, shift = np.random.default_rng(9), 0.03
    covered = 0
    for _ in range(2000):
        baseline, variant = simulated(rng, shift)
        found, mean = paired(baseline, variant), float(np.mean(baseline))
        covered += found.low * mean <= shift <= found.high * mean
    assert abs(covered - 1960) < 4 * math.sqrt(2000 * 0.02 * 0.98)


def test_pairing_sees_what_the_luck_of_seeds_would_hide():
    baseline = [2.0, 2.2, 1.8, 2.4, 1.6]
    variant = [value - 0.02 - noise for value, noise in zip(baseline, (0.001, -0.001, 0.0, 0.002, -0.002))]
    assert paired(baseline, variant).p < 0.001


def test_holm_by_hand():
    assert holm([0.004, 0.016, 0.012]) == [True, False, False]  # 0.004 <= 0.02/3, 0.012 > 0.02/2: stop
    assert holm([0.004, 0.016, 0.008]) == [True, True, True]
    assert holm([0.03]) == [False] and holm([]) == []


def test_equal_to_the_last_bit_is_no_difference():
    same = paired([2.0, 2.1], [2.0, 2.1])
    assert same.p == 1 and same.low == same.mean == same.high == 0
    assert paired([2.0, 2.5], [1.75, 2.25]).p == 0


def test_verdicts_are_plain_words():
    better = paired([2.0, 2.1, 1.9], [1.9, 1.99, 1.81])
    assert verdict("B", better, True, 1).startswith("B needs 5.0 % fewer bits (98 % interval ")
    assert "3 seeds" in verdict("B", better, True, 1)
    assert "no difference shown at 3 seeds" in verdict("B", better, False, 9) and "Holm" in verdict(
        "B", better, False, 9
    )
    assert "one seed cannot tell" in verdict("B", paired([2.0], [1.0]), False, 1)

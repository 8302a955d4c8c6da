"""Whether one model is better than another, from a few seeds: the paired t-test (Student, 1908), with Holm's
correction.

With the same seed both models read the same batches in the same order, so a lucky batch helps both, and the differences
d_1 .. d_n vary less than the results themselves:

    mean(d) +- t(0.99, n - 1) s / sqrt(n)        s is the standard deviation of the differences

Several variants against one baseline give chance several opportunities. Holm (1979): sort the p-values, compare the
smallest with 0.02 / k, the next with 0.02 / (k - 1), and stop at the first that fails. Then the probability of any
false alarm among all k tests is at most 0.02.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

ALPHA = 0.02
"""The probability of calling two equal models different. With the usual 0.05, 200 comparisons of equal models would
give more than 10 false alarms half of the time."""


@dataclass(frozen=True)
class Difference:
    """Variant minus baseline over the same seeds, as a share of the baseline's mean. Negative: the variant needs fewer
    bits."""

    mean: float
    low: float
    high: float
    p: float
    seeds: int

    @property
    def identical(self) -> bool:
        """Whether the two results were equal to the last bit at every seed."""
        return self.mean == 0 and (self.seeds == 1 or self.low == self.high)


def paired(baseline: Sequence[float], variant: Sequence[float]) -> Difference:
    """The difference with its 98 % confidence interval. With one seed the interval is infinite."""
    n, scale = len(baseline), statistics.fmean(baseline)
    differences = [b - a for a, b in zip(baseline, variant, strict=True)]
    mean = statistics.fmean(differences)
    if n < 2:
        return Difference(mean / scale, -math.inf, math.inf, 1.0, n)
    error = statistics.stdev(differences) / math.sqrt(n)
    reach = quantile(1 - ALPHA / 2, n - 1) * error
    if error == 0:  # equal at every seed, or shifted by the same amount at every seed
        p = 1.0 if mean == 0 else 0.0
    else:
        p = 2 * (1 - cdf(abs(mean) / error, n - 1))
    return Difference(mean / scale, (mean - reach) / scale, (mean + reach) / scale, p, n)


def holm(p_values: Sequence[float]) -> list[bool]:
    """For each p-value, whether it shows a difference when all of them are tested together."""
    found = [False] * len(p_values)
    for rank, i in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[i] > ALPHA / (len(p_values) - rank):
            break
        found[i] = True
    return found


def cdf(t: float, freedom: int) -> float:
    """P(T <= t) for Student's t with `freedom` degrees of freedom, by the finite sums of Abramowitz and Stegun, 26.7.3
    and 26.7.4."""
    angle = math.atan2(t, math.sqrt(freedom))
    cosine, even = math.cos(angle), freedom % 2 == 0
    term = 1.0 if even else cosine
    total = term if freedom > 1 else 0.0
    for k in range(2 if even else 3, freedom - 1, 2):
        term *= (k - 1) / k * cosine * cosine
        total += term
    area = math.sin(angle) * total if even else 2 / math.pi * (angle + math.sin(angle) * total)
    return 0.5 + area / 2


def quantile(share: float, freedom: int) -> float:
    """The t for which P(T <= t) = share, found by bisection; the share must be 0.5 or more."""
    low, high = 0.0, 1.0
    while cdf(high, freedom) < share:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if cdf(middle, freedom) < share else (low, middle)
    return high


def verdict(name: str, found: Difference, counts: bool, together: int) -> str:
    """The result in one sentence. `counts` is `holm`'s answer; `together` is how many variants were tested."""
    seeds = f"{found.seeds} {'seed' if found.seeds == 1 else 'seeds'}"
    if found.identical:
        return f"{name}: identical to the last bit at {seeds}: the setting had no effect"
    needs = f"{percent(abs(found.mean))} % {'fewer' if found.mean < 0 else 'more'} bits"
    if found.seeds < 2:
        return f"{name}: {needs}, and one seed cannot tell whether that is chance; use --seeds 5"
    if counts:
        low, high = sorted((abs(found.low), abs(found.high)))
        return f"{name} needs {needs} (98 % interval {percent(low)} to {percent(high)}, {seeds})"
    interval = f"98 % interval {percent(found.low, '+')} to {percent(found.high, '+')} %"
    if found.p <= ALPHA:
        interval += f"; tested alone it would count, but among {together} variants it may be chance (Holm)"
    return f"{name}: no difference shown at {seeds} ({interval})"


def percent(share: float, sign: str = "") -> str:
    """A share in percent, with one decimal, or with two significant digits if it is small. `sign` "+" also writes a
    plus.

    >>> percent(0.0123), percent(0.000123, "+")
    ('1.2', '+0.012')
    """
    value = 100 * share
    return f"{value:{sign}.1f}" if value == 0 or abs(value) >= 0.1 else f"{value:{sign}.2g}"

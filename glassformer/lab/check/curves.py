"""What the page of a check draws: histograms and curves, worked out from what the checks measured."""

from typing import NamedTuple

import numpy as np

from glassformer.lab.check.oddities import Measures
from glassformer.lab.check.statistics import Statistics
from glassformer.pages.chart import Point

RANKS = 300  # points of the curve of frequencies
WIDTHS = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)  # of a bar
MOST_BARS = 40


class Histogram(NamedTuple):
    """How many values of each split lie between neighbouring edges."""

    edges: list[float]
    """n + 1 edges of n bins."""
    counts: dict[str, list[int]]
    """By split: n counts. The last edge belongs to the last bin."""


def lengths(statistics: Statistics) -> Histogram:
    """The lengths of documents, in bins each twice as wide as the one before."""
    longest = max(int(each.max(initial=1)) for each in statistics.lengths.values())
    edges = [2.0**power for power in range(longest.bit_length() + 1)]
    return _histogram({name: np.maximum(each, 1) for name, each in statistics.lengths.items()}, edges)


def shares(shares: np.ndarray) -> Histogram:
    """The shares in common of the sections of validation (0 to 1), in percent, in bins of 5."""
    return _histogram({"validation": 100 * shares}, [float(edge) for edge in range(0, 105, 5)])


def measured(measures: dict[str, Measures], name: str) -> Histogram | None:
    """The measure `name` ("bytes", "surprise", "repetition") of the documents; None if no document was measured."""
    values = {split: getattr(each, name) for split, each in measures.items()}
    everything = np.concatenate(list(values.values()))
    if not len(everything):
        return None
    width = next((each for each in WIDTHS if np.ptp(everything) / each <= MOST_BARS), WIDTHS[-1])
    low, high = np.floor(everything.min() / width), np.ceil(everything.max() / width) + 1
    return _histogram(values, [round(width * i, 6) for i in range(int(low), int(high) + 1)])


def frequencies(counts: np.ndarray) -> list[Point]:
    """How often tokens occur, by rank, the most frequent first; at most RANKS points, evenly spread on a log scale."""
    used = np.sort(counts[counts > 0])[::-1]
    ranks = np.unique(np.geomspace(1, len(used), RANKS).round().astype(int))
    return [Point(rank, int(used[rank - 1])) for rank in ranks.tolist()]


def _histogram(values: dict[str, np.ndarray], edges: list[float]) -> Histogram:
    return Histogram(edges, {name: np.histogram(each, edges)[0].tolist() for name, each in values.items()})

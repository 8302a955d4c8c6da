"""How much of each source a model sees. The weights may change over a run, and they are kept exactly.

A dataset holds all documents of all its sources (corpora/mixture.py); how often each is read is decided here, step by
step. The source of a row is not drawn at random: a source of weight w is due w * batch_size rows in each step. It gets
the whole part of that number, and the fractions are rounded so that they even out over the steps (systematic sampling,
Madow and Madow, 1944, with an offset that moves by the golden ratio). So after any number of steps, a source of weight w
has given a share w of the rows, give or take a few. How many rows it has given before step s is known without looking at
them, so each source is read in an order of its own, as if it were alone.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from glassformer.config import suggestion
from glassformer.data.batches import uniform
from glassformer.data.growth import Growth
from glassformer.data.pace import Pace
from glassformer.data.shards import Split
from glassformer.data.shuffle import shuffled
from glassformer.errors import DatasetError, SettingError

GOLDEN_RATIO = (5**0.5 - 1) / 2


class Mixture(NamedTuple):
    """The names of a dataset's sources, and their weights from the first to the last step of a run."""

    names: tuple[str, ...]
    points: tuple[tuple[float, ...], ...]
    """For each source its weights at evenly spaced moments of the run; between them the weight changes linearly."""
    pace: Pace | Growth
    """Of whole batches, which several steps may share (data/growth.py)."""

    def weights(self, steps: np.ndarray) -> np.ndarray:
        """steps (n,) -> (n, K): the share of each source in these batches; every row sums to 1."""
        progress = self.pace.position(steps) / np.maximum(1, self.pace.known(steps) - 1)
        weights = np.stack([_at(curve, progress) for curve in self.points], 1)
        return weights / weights.sum(1, keepdims=True)


def mixture(schedule: dict[str, str], names: Sequence[str], weights: Sequence[float], pace: Pace | Growth) -> Mixture:
    """The weights of `train.mixture`, or the dataset's own `weights` where that is empty. Raises SettingError."""
    if not schedule:
        return Mixture(tuple(names), tuple((weight,) for weight in weights), pace)
    for name in schedule:
        if name not in names:
            raise SettingError(f"train.mixture: the dataset has no source '{name}'; {suggestion(name, list(names))}")
    if missing := [name for name in names if name not in schedule]:
        raise SettingError(f"train.mixture: give a weight to '{missing[0]}', too (0 leaves it out)")
    return Mixture(tuple(names), tuple(points(schedule[name]) for name in names), pace)


def check(schedule: dict[str, str]) -> None:
    """Raises ValueError with a sentence if at any time all weights of `schedule` are 0."""
    curves = [points(text) for text in schedule.values()]
    moments = sorted({i / max(1, len(curve) - 1) for curve in curves for i in range(len(curve))})
    for moment in moments if curves else ():
        if not any(_at(curve, moment) for curve in curves):
            raise ValueError(f"after {moment:.0%} of the run all weights are 0; keep one above 0")


def points(text: str) -> tuple[float, ...]:
    """What "0.9>0.5" means: the weights at the start and the end of the run; more than two are evenly spaced.

    Raises ValueError with a sentence.
    """
    try:
        found = tuple(float(part) for part in text.split(">"))
    except ValueError:
        found = (-1.0,)
    if not all(0 <= weight < float("inf") for weight in found):
        raise ValueError(f"'{text}' is not a weight such as 0.5, or weights over the run such as 0.9>0.5")
    return found


class Dealer:
    """Assigns a source to every row of every step, and counts the rows of each source."""

    def __init__(self, mixture: Mixture | None, n_rows: int, seed: int) -> None:
        """`n_rows` rows per step. Without a mixture everything is one source."""
        self.n_rows, self.seed, self.n_sources = n_rows, seed, len(mixture.names) if mixture else 1
        if mixture is None or self.n_sources == 1:
            return
        steps = np.arange(mixture.pace.steps)
        upto = np.cumsum(mixture.weights(steps), 1) * n_rows
        upto[:, -1] = n_rows  # exactly, however the sum was rounded
        offset = (steps + 0.5) * GOLDEN_RATIO % 1
        upto = np.floor(np.concatenate([0 * upto[:, :1], upto], 1) - offset[:, None])
        self._quotas = np.diff(upto).astype(np.int64)  # (steps, K), each row sums to n_rows
        self._before = np.cumsum(self._quotas, 0) - self._quotas

    def __call__(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """(n_rows,) int64 twice: the source of each row, and how many rows that source has given before it."""
        if self.n_sources == 1:
            return np.zeros(self.n_rows, np.int64), step * self.n_rows + np.arange(self.n_rows)
        quotas = self._quotas[step]
        drawn = uniform(self.seed, step, 2 * self.n_rows)[self.n_rows :]  # `windows` uses the first half
        place = np.argsort(drawn, kind="stable")
        source = np.repeat(np.arange(self.n_sources), quotas)[place]
        return source, place - (np.cumsum(quotas) - quotas)[source] + self._before[step][source]


class Units:
    """Windows, rows or pieces of several sources, numbered source by source; each place in the text holds a few."""

    def __init__(self, counts: list[np.ndarray], split: Split, mixture: Mixture | None, needed: str) -> None:
        """`counts`: for each source, how many units each of its places holds. Raises DatasetError if a source with a
        weight above 0 has none; `needed` then says what is missing.
        """
        self.totals = [int(each.sum()) for each in counts]
        self._before = np.concatenate([[0], np.cumsum(np.concatenate(counts))])
        self._base = self._before[np.cumsum([0, *map(len, counts)])[:-1]]
        for source, total in enumerate(self.totals):
            if total == 0 and (mixture is None or max(mixture.points[source]) > 0):
                raise DatasetError(_too_short(split, mixture, source, needed))

    def __len__(self) -> int:
        return int(self._before[-1])

    def find(self, source: np.ndarray, number: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) and (n,) -> the place of each unit, counted through all sources, and the unit's number there."""
        unit = self._base[source] + number
        place = np.searchsorted(self._before, unit, side="right") - 1
        return place, unit - self._before[place]

    def shuffled(self, source: np.ndarray, number: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of the units that come at `number` when those of each source are shuffled anew in every epoch."""
        units = np.empty_like(number)
        for each in np.unique(source).tolist():
            chosen = source == each
            units[chosen] = shuffled(number[chosen], self.totals[each], seed, stream=each)
        return self.find(source, units)


def stretches(split: Split, mixture: Mixture | None) -> list[np.ndarray]:
    """For each source (n, 2) int64: its runs of consecutive documents, from and to."""
    n = len(split.documents) - 1
    if mixture is None or len(mixture.names) == 1:
        return [np.array([[0, n]])]
    borders = np.concatenate([[0], np.flatnonzero(np.diff(split.sources)) + 1, [n]])
    owner = split.sources[borders[:-1]]
    runs = np.stack([borders[:-1], borders[1:]], 1)
    return [runs[owner == source] for source in range(len(mixture.names))]


def texts_of(split: Split, mixture: Mixture | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """For each source (n,) and (n,) int64: the first token of each of its runs of documents, and where the run ends, one
    token after its last document, so that the separator there can be predicted."""
    documents, last = np.asarray(split.documents), len(split)
    return [(documents[run[:, 0]], np.minimum(documents[run[:, 1]] + 1, last)) for run in stretches(split, mixture)]


def neighbourhoods(split: Split, mixture: Mixture | None, size: int) -> list[np.ndarray]:
    """For each source (n, 2) int64: its documents, from and to, in stretches of at most `size`."""
    parts = []
    for runs in stretches(split, mixture):
        starts = [np.arange(first, last, size) for first, last in runs.tolist()]
        stops = [np.minimum(start + size, last) for start, last in zip(starts, runs[:, 1].tolist())]
        empty = np.empty(0, np.int64)
        parts.append(np.stack([np.concatenate([empty, *starts]), np.concatenate([empty, *stops])], 1))
    return parts


def _at(curve: tuple[float, ...], progress: Any) -> Any:
    """The height of a curve through evenly spaced points, at progress 0 to 1."""
    return np.interp(progress, np.linspace(0, 1, len(curve)), curve)


def _too_short(split: Split, mixture: Mixture | None, source: int, needed: str) -> str:
    if mixture is None or len(mixture.names) == 1:
        return f"{split.where} has {len(split):,} tokens, and {needed}"
    return (
        f"source '{mixture.names[source]}' of {split.where} has no text long enough: {needed}"
    )

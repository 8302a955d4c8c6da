"""`<dataset>.check.html`: what a check found and counted, on one page that opens offline, in the run report's style."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from glassformer.data.shards import Dataset
from glassformer.lab.check.look import Checked, Looked
from glassformer.lab.check.oddities import Measures
from glassformer.lab.check.terminal import clean, limits
from glassformer.pages.chart import Axis, Line, Point, chart, histogram, short
from glassformer.pages.dataset import sections
from glassformer.pages.frame import environment
from glassformer.system.files import write_atomic

Row = dict[str, Any]
LISTED = 24
RANKS = 300  # points of the Zipf curve
_VISIBLE = str.maketrans({" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"})


def write(checked: Checked, path: Path) -> None:
    """Raises GlassError if it cannot be written."""
    looked, index = checked.looked, checked.index
    values: Row = {
        "name": checked.folder.resolve().name,
        "verdict": _verdict(checked),
        "findings": checked.findings,
        "clean": clean(checked),
        "limits": limits(checked),
        "tiles": _tiles(checked),
        "charts": _charts(looked, checked.config.n) if looked else [],
        "dataset": sections(index.model_dump(mode="json")),
        "scripts": list(looked.statistics.scripts.items()) if looked else [],
        "tokens": _tokens(looked) if looked else [],
        "settings": checked.config.model_dump(),
    }
    write_atomic(path, environment(Path(__file__).parent).get_template("check.html").render(**values))


def _verdict(checked: Checked) -> Row:
    counts = {each: sum(finding.severity == each for finding in checked.findings) for each in ("error", "warning", "note")}
    words = [f"{n} {each}{'s' * (n > 1)}" for each, n in counts.items() if n]
    mood = "bad" if counts["error"] else "" if counts["warning"] else "good"
    return {"word": ", ".join(words) or "nothing wrong", "mood": mood}


def _tiles(checked: Checked) -> list[Row]:
    index = checked.index
    tiles = [
        {"label": "tokens to learn from", "value": short(index.train.tokens), "note": f"{index.train.tokens:,}"},
        {"label": "held out", "value": short(index.validation.tokens), "note": f"{index.validation.tokens:,} tokens"},
        {"label": "documents", "value": short(index.train.documents), "note": f"{index.train.documents:,} in train"},
        {"label": "bytes per token", "value": f"{index.train.bytes / index.train.tokens:.2f}", "note": "in train"},
    ]
    if looked := checked.looked:
        unused = len(looked.statistics.unused())
        tiles.append({"label": "unused ids", "value": f"{unused:,}", "note": f"of {index.vocab_size:,}"})
        if looked.statistics.yardsticks:
            best = min(looked.statistics.yardsticks)
            tiles.append({"label": "best n-gram", "value": f"{best:.3f}", "note": "bits per byte of validation"})
    return tiles


def _charts(looked: Looked, n: int) -> list[Row]:
    lengths, statistics = looked.statistics.lengths, looked.statistics
    longest = max(int(each.max(initial=1)) for each in lengths.values())
    edges = [2.0**power for power in range(longest.bit_length() + 1)]
    counts = np.sort(statistics.counts)[::-1]
    counts = counts[counts > 0]
    ranks = np.unique(np.geomspace(1, len(counts), RANKS).round().astype(int))
    zipf = [Point(rank, int(counts[rank - 1])) for rank in ranks.tolist()]
    orders = [Point(k, bpb) for k, bpb in enumerate(statistics.yardsticks, start=1)]
    charts = [
        histogram(
            "Length of documents", "In tokens, each bar twice as long as the one before. Normal: one hill, the same for "
            "both splits. Documents longer than the model's context are seen in parts.", "tokens", edges,
            {name: _counts(np.maximum(each, 1), edges) for name, each in lengths.items()}, log=True,
        ),
        histogram(
            "Validation text that train has too", f"For each section of validation, the share of its {n}-token sequences "
            "that occur in train, phrases included. Normal: a hill on the left (templated text: in the middle). Bars at "
            "the right end are leaks.", "percent", _edges(0, 100, 5),
            {"validation": _counts(100 * looked.overlap.shares, _edges(0, 100, 5))},
        ),
        chart(
            "Bits per byte by counting", "How well n-grams predict validation: each guesses a token from the n - 1 before "
            "it. The yardstick of every model trained on this: below the 5-gram it has understood something.",
            [Line("", "plain", orders, dots=True)], 5, zero=True, x=Axis(1, 5), x_name="n",
        ),
        chart(
            "Frequency of tokens", "By rank, the most frequent first. Normal: nearly a straight line, falling about as "
            "1 / rank (Zipf's law), with a drop at the end: ids that are hardly used learn nothing.",
            [Line("", "plain", zipf)], 1, log=True, x=Axis(1, max(2, len(counts)), log=True), x_name="rank",
        ),
        _measured("Surprise of documents", "Bits per byte of each document for a bigram model of the others. Normal: one "
                  "hill. Far to the right is noise, encoded data, or another language.", "bits per byte", looked.measures,
                  lambda measures: measures.surprise),
        _measured("Bytes of documents", "Entropy of each document's bytes. English has 4.1 to 4.4 bits, source code 4.3 to "
                  "5, base64 6, compressed data 8; “aaaa” has 0.", "bits", looked.measures,
                  lambda measures: measures.bytes),
    ]  # fmt: skip
    return [drawn for drawn in charts if drawn]


def _measured(
    title: str, meaning: str, x_name: str, measures: dict[str, Measures], of: Callable[[Measures], np.ndarray]
) -> Row | None:
    values = {name: of(each) for name, each in measures.items()}
    everything = np.concatenate(list(values.values()))
    if not len(everything):
        return None
    width = next(each for each in (0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if np.ptp(everything) / each <= 40 or each == 1.0)
    low, high = np.floor(everything.min() / width), np.ceil(everything.max() / width) + 1
    edges = [round(width * i, 6) for i in range(int(low), int(high) + 1)]
    return histogram(title, meaning, x_name, edges, {name: _counts(each, edges) for name, each in values.items()})


def _edges(low: int, high: int, width: int) -> list[float]:
    return [float(edge) for edge in range(low, high + width, width)]


def _counts(values: np.ndarray, edges: list[float]) -> list[int]:
    """How many values lie from each edge to the next; the last edge belongs to the last bin."""
    return np.histogram(values, edges)[0].tolist()


def _tokens(looked: Looked) -> list[Row]:
    """The most and the least frequent tokens of train, and some of those it does not have."""
    data, counts = looked.data, looked.statistics.counts
    order = np.argsort(-counts, kind="stable")
    used = order[: int((counts > 0).sum())]
    unused = looked.statistics.unused()
    return [
        {"title": "Most frequent tokens", "tokens": _listed(data, used[:LISTED], counts)},
        {"title": "Least frequent tokens that occur", "tokens": _listed(data, used[::-1][:LISTED], counts)},
        {"title": f"Never used: {len(unused):,}", "tokens": _listed(data, unused[:LISTED], counts)},
    ]


def _listed(data: Dataset, ids: np.ndarray, counts: np.ndarray) -> list[Row]:
    names = {id: name for name, id in data.tokenizer.special.items()}
    return [
        {"text": names.get(id) or data.tokenizer.token_bytes[id].decode(errors="backslashreplace").translate(_VISIBLE),
         "id": id, "count": f"{counts[id]:,}"}
        for id in ids.tolist()
    ]  # fmt: skip

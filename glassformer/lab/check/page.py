"""`<dataset>.check.html`: what a check found and counted, on one page that opens offline, in the run report's style."""

from pathlib import Path
from typing import Any

from glassformer.data.shards import Dataset
from glassformer.lab.check import counted, curves
from glassformer.lab.check.look import Checked, Looked
from glassformer.lab.check.oddities import Measures
from glassformer.lab.check.statistics import Statistics
from glassformer.pages.chart import Axis, Line, Point, chart, histogram, short
from glassformer.pages.dataset import sections
from glassformer.pages.frame import environment
from glassformer.system.files import write_atomic

Row = dict[str, Any]
LISTED = 24  # tokens
_VISIBLE = str.maketrans({" ": "·", "\n": "⏎", "\r": "␍", "\t": "⇥"})


def write_page(checked: Checked, path: Path) -> None:
    """Write the page of a check. Raises GlassError if it cannot be written."""
    looked, index = checked.looked, checked.index
    values: Row = {
        "name": checked.folder.resolve().name,
        "verdict": _verdict(checked),
        "findings": checked.findings,
        "clean": checked.clean,
        "limits": checked.limits,
        "tiles": _tiles(checked),
        "charts": _charts(looked, checked.config.n) if looked else [],
        "dataset": sections(index.model_dump(mode="json")),
        "scripts": list(looked.statistics.scripts.items()) if looked else [],
        "tokens": _tokens(looked) if looked else [],
        "settings": checked.config.model_dump(),
    }
    write_atomic(path, environment(Path(__file__).parent).get_template("check.html").render(**values))


def _verdict(checked: Checked) -> Row:
    counts = checked.counts
    words = [counted(n, each) for each, n in counts.items() if n]
    mood = "bad" if counts["error"] else "" if counts["warning"] else "good"
    return {"word": ", ".join(words) or "nothing wrong", "mood": mood}


def _tiles(checked: Checked) -> list[Row]:
    index = checked.index
    tiles = [
        {"label": "tokens to learn from", "value": short(index.train.tokens), "note": f"{index.train.tokens:,}"},
        {"label": "held out", "value": short(index.validation.tokens), "note": f"{index.validation.tokens:,} tokens"},
        {"label": "documents", "value": short(index.train.documents), "note": f"{index.train.documents:,} in train"},
        {"label": "bytes per token", "value": f"{index.train.bytes_per_token:.2f}", "note": "in train"},
    ]
    if looked := checked.looked:
        unused = len(looked.statistics.unused())
        tiles.append({"label": "unused ids", "value": f"{unused:,}", "note": f"of {index.vocab_size:,}"})
        if looked.statistics.yardsticks:
            best = min(looked.statistics.yardsticks)
            tiles.append({"label": "best n-gram", "value": f"{best:.3f}", "note": "bits per byte of validation"})
    return tiles


def _charts(looked: Looked, n: int) -> list[Row]:
    statistics = looked.statistics
    ranked = curves.frequencies(statistics.counts)
    orders = [Point(k, bpb) for k, bpb in enumerate(statistics.yardsticks, start=1)]
    charts = [
        histogram(
            "Length of documents", "In tokens; each bar stands for twice the length of the one before. Normal: one hill, "
            "the same for both splits. A document longer than the model's context is read in parts.", "tokens",
            *curves.lengths(statistics), log=True,
        ),
        histogram(
            "Validation text that train has too", f"For each section of validation, the share of its {n}-token sequences "
            "that also occur in train. Normal: a hill on the left (for text made from templates, in the middle). Bars at "
            "the right end are leaks.", "percent", *curves.shares(looked.overlap.shares),
        ),
        chart(
            "Bits per byte by counting", "How well n-grams predict validation: each guesses a token from the n - 1 tokens "
            "before it. Compare your model with them: a model that needs fewer bits than the 5-gram has learned something "
            "that counting cannot.",
            [Line("", "plain", orders, dots=True)], 5, zero=True, x=Axis(1, 5), x_name="n",
        ),
        chart(
            "Frequency of tokens", "How often each token occurs in train, the most frequent first. Normal: nearly a "
            "straight line, which falls about as 1 / rank (Zipf's law), and drops at the end. A model learns little about "
            "the tokens there.", [Line("", "plain", ranked)], 1, log=True,
            x=Axis(1, max(2, ranked[-1].step), log=True), x_name="rank",
        ),
        _measured("Surprise of documents", "Bits per byte of each document under a bigram model of the other documents. "
                  "Normal: one hill. Far to the right lies noise, encoded data, or another language.", "bits per byte",
                  looked.measures, "surprise"),
        _measured("Bytes of documents", "Entropy of each document's bytes. English has 4.1 to 4.4 bits per byte, source "
                  "code 4.3 to 5, base64 6, compressed data 8, and “aaaa” 0.", "bits", looked.measures, "bytes"),
    ]  # fmt: skip
    return [drawn for drawn in charts if drawn]


def _measured(title: str, meaning: str, x_name: str, measures: dict[str, Measures], name: str) -> Row | None:
    found = curves.measured(measures, name)
    return histogram(title, meaning, x_name, *found) if found else None


def _tokens(looked: Looked) -> list[Row]:
    """The most and the least frequent tokens of train, and some of those that do not occur."""
    used, unused = looked.statistics.frequent(), looked.statistics.unused()
    return [
        {"title": "Most frequent tokens", "tokens": _listed(looked.data, used, looked.statistics)},
        {"title": "Least frequent tokens that occur", "tokens": _listed(looked.data, used[::-1], looked.statistics)},
        {"title": f"Never used: {len(unused):,}", "tokens": _listed(looked.data, unused, looked.statistics)},
    ]


def _listed(data: Dataset, ids: list[int], statistics: Statistics) -> list[Row]:
    names = {id: name for name, id in data.tokenizer.special.items()}
    return [
        {"text": names.get(id) or data.tokenizer.token_bytes[id].decode(errors="backslashreplace").translate(_VISIBLE),
         "id": id, "count": f"{statistics.counts[id]:,}"}
        for id in ids[:LISTED]
    ]  # fmt: skip

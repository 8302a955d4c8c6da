"""Documents unlike all others: pages of one letter, base64, binary data, the same paragraph again and again.

Three measures of each document, all cheap to compute. Each finds what the other two cannot see:

- *bytes*: the entropy of its bytes, H = -sum p log2 p. English has 4.1 to 4.4 bits per byte, source code 4.3 to 5,
  base64 6.0, random bytes 8, "aaaa" 0.
- *surprise*: bits per byte under a bigram model of the OTHER half of the documents. (Documents with odd numbers judge
  those with even numbers, and the reverse, since a model that has counted a document finds its noise familiar.) High
  for noise and for another language.
- *repetition*: the share of its 8-token sequences that occurred earlier in the same document.

A document is odd if it is far from the median by the robust z-score, z = (x - median) / (1.4826 MAD), where MAD is the
median absolute deviation; outliers hardly change it. Iglewicz and Hoaglin (1993) call 3.5 an outlier; real text has
long tails, so the default here is 8. In a mixture each source is judged by itself, since code is odd among stories but
wanted. Documents of less than 200 bytes are too short to measure, and only the first 65,536 tokens of a document are
measured.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from glassformer.data.ngram import NGram
from glassformer.data.shards import Dataset, DatasetSplit
from glassformer.lab.check import EXCERPT, MOST_PLACES, CheckConfig, Finding, Place, excerpt
from glassformer.lab.check.hashes import documents, ngram_hashes, values

MOST_READ = 1 << 16  # tokens that are measured of one document
SHORTEST = 200  # bytes of a document that is measured
SHORT = 10  # bytes; a shorter document is reported as nearly empty
FEWEST = 50  # documents; with fewer a median means little
GROUP = 1 << 20  # tokens that are measured at a time
MOST_COUNTED = 1 << 21  # tokens of each half that the bigram models count
REPEATED = 8  # tokens in a row


class Measures(NamedTuple):
    """The measures of those documents that are long enough, in the order of their numbers."""

    documents: np.ndarray  # (m,) int64, their numbers
    bytes: np.ndarray  # (m,) float64, bits
    surprise: np.ndarray  # (m,) float64, bits per byte
    repetition: np.ndarray  # (m,) float64, 0 to 1
    judged: dict[str, np.ndarray]
    """For each source that has at least FEWEST of these documents: their places in the arrays above."""


KINDS = (
    ("bytes", -1, "consist of few different characters", "{:.2f} bits of entropy per byte (median: {:.2f})"),
    ("bytes", 1, "have bytes as even as noise", "{:.2f} bits of entropy per byte (median: {:.2f})"),
    ("surprise", 1, "are unlike the rest (noise, encoded data, another language)",
     "{:.2f} bits per byte under a model of the other documents (median: {:.2f})"),
    ("repetition", 1, "repeat themselves", "{:.0%} of its text occurred in it before (median: {:.0%})"),
)  # fmt: skip
"""Each kind of oddity: the measure, whether high (1) or low (-1) is odd, what that means, and how the values are
reported."""
FLOORS = {"bytes": 0.05, "surprise": 0.1, "repetition": 0.02}
"""The smallest spread assumed for each measure: if all documents are alike, a small difference is not odd."""


def measure(data: Dataset, split: DatasetSplit) -> Measures:
    """Measure all documents of at least SHORTEST bytes."""
    lengths = np.array([len(piece) for piece in data.tokenizer.token_bytes])
    models = [_bigrams(data, split, parity) for parity in (0, 1)]
    found = [_group(data, numbers, ids, lengths, models) for numbers, ids in _groups(split)]
    numbers, entropy, surprise, repetition = (np.concatenate(column) for column in zip(*found))
    of_source = [np.flatnonzero(split.sources[numbers] == i) for i in range(len(data.index.sources))]
    judged = {name: among for name, among in zip(data.index.sources, of_source) if len(among) >= FEWEST}
    return Measures(numbers, entropy, surprise, repetition, judged)


def _groups(split: DatasetSplit) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """(numbers, ids) of groups of documents: about GROUP tokens and at most a few thousand documents each."""
    numbers, texts, total = [], [], 0
    for number, ids in documents(split):
        numbers.append(number)
        texts.append(ids[:MOST_READ])
        total += len(texts[-1])
        if total >= GROUP or len(numbers) == 4096:
            yield np.array(numbers), texts
            numbers, texts, total = [], [], 0
    if numbers:
        yield np.array(numbers), texts


def _group(
    data: Dataset, numbers: np.ndarray, texts: list[np.ndarray], lengths: np.ndarray, models: list[NGram]
) -> tuple[np.ndarray, ...]:
    """The first four fields of `Measures` for these documents."""
    n_bytes = np.array([lengths[ids].sum() for ids in texts])
    keep = np.flatnonzero(n_bytes >= SHORTEST)
    if not len(keep):
        return keep, np.zeros(0), np.zeros(0), np.zeros(0)
    numbers, texts, n_bytes = numbers[keep], [texts[i] for i in keep], n_bytes[keep]
    surprise = np.empty(len(texts))
    end = data.tokenizer.require_end_of_text()
    for parity in (0, 1):
        judged = np.flatnonzero(numbers % 2 == parity)
        if len(judged):
            surprise[judged] = _nats(models[1 - parity], [texts[i] for i in judged], end)
    surprise /= np.log(2) * n_bytes
    return numbers, _byte_entropy(data, texts), surprise, _repetition(data.index.vocab_size, texts)


def _bigrams(data: Dataset, split: DatasetSplit, parity: int) -> NGram:
    """A bigram model of the documents with even (0) or odd (1) numbers, of at most about MOST_COUNTED tokens of
    them."""
    starts, stops = np.asarray(split.documents[:-1])[parity::2], np.asarray(split.documents[1:])[parity::2]
    stops = np.minimum(stops, starts + MOST_READ)
    chosen = np.arange(len(starts))[:: max(1, -(-int((stops - starts).sum()) // MOST_COUNTED))]
    pieces = [split.tokens[int(starts[i]) : int(stops[i])] for i in chosen]
    pieces = pieces or [np.array([data.tokenizer.end_of_text])]
    return NGram.fit(np.concatenate(pieces), order=2, vocab_size=data.index.vocab_size)


def _nats(model: NGram, texts: list[np.ndarray], end_of_text: int) -> np.ndarray:
    """(len(texts),) float64: the nats of each text, read after a separator."""
    ids = np.concatenate([np.append(end_of_text, text) for text in texts])
    sizes = np.array([len(text) + 1 for text in texts])
    begins = np.cumsum(sizes) - sizes
    nats = model.nats(ids)
    nats[begins] = 0
    return np.add.reduceat(nats, begins)


def _byte_entropy(data: Dataset, texts: list[np.ndarray]) -> np.ndarray:
    """(len(texts),) float64: the entropy of each text's bytes, in bits per byte."""
    pieces = data.tokenizer.token_bytes
    alphabet, lengths = np.frombuffer(b"".join(pieces), np.uint8), np.array([len(piece) for piece in pieces])
    begins = np.cumsum(lengths) - lengths  # of each token's bytes in `alphabet`
    ids = np.concatenate(texts)
    text_of = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    ends = np.cumsum(lengths[ids])
    places = np.arange(ends[-1]) + np.repeat(begins[ids] - (ends - lengths[ids]), lengths[ids])
    cells = 256 * np.repeat(text_of, lengths[ids]) + alphabet[places]
    counts = np.bincount(cells, minlength=256 * len(texts)).reshape(len(texts), 256)
    p = counts / counts.sum(axis=1, keepdims=True)
    return -(p * np.log2(np.where(p > 0, p, 1))).sum(axis=1)


def _repetition(vocab_size: int, texts: list[np.ndarray]) -> np.ndarray:
    value_of = values(vocab_size)
    shares = np.zeros(len(texts))
    for i, ids in enumerate(texts):
        hashes = ngram_hashes(ids, REPEATED, value_of)
        if len(hashes):
            shares[i] = 1 - len(np.unique(hashes)) / len(hashes)
    return shares


def robust_z(values: np.ndarray, floor: float) -> tuple[np.ndarray, float]:
    """The robust z-scores and the median of `values` (n,). The spread is taken to be at least `floor`."""
    median = float(np.median(values))
    spread = max(1.4826 * float(np.median(np.abs(values - median))), floor)
    return (values - median) / spread, median


def findings(data: Dataset, split: DatasetSplit, measures: Measures, config: CheckConfig) -> list[Finding]:
    """The outliers of each measure, and the documents that are empty or nearly empty."""
    found = _short(data, split)
    for source, among in measures.judged.items():
        of = split.name if len(data.index.sources) == 1 else f"{split.name} from {source}"
        for name, sign, what, told in KINDS:
            values = getattr(measures, name)[among]
            z, median = robust_z(values, FLOORS[name])
            odd = np.flatnonzero(sign * z > config.odd)
            worst = odd[np.argsort(-sign * z[odd], kind="stable")][:MOST_PLACES]
            places = [_place(data, split, int(measures.documents[among[i]]), told.format(values[i], median)) for i in worst]
            if places:
                remedy = "Read them. If a model should not learn from them, remove them from the source and prepare again."
                found.append(_finding(len(odd), len(among), f"documents of {of} {what}", remedy, places))
    return found


def _short(data: Dataset, split: DatasetSplit) -> list[Finding]:
    lengths = np.array([len(piece) for piece in data.tokenizer.token_bytes])
    short = [(int(lengths[ids].sum()), number) for number, ids in documents(split) if len(ids) < SHORT
             and lengths[ids].sum() < SHORT]  # fmt: skip
    if not short:
        return []
    places = [_place(data, split, number, f"{n_bytes} bytes") for n_bytes, number in sorted(short)[:MOST_PLACES]]
    what = f"documents of {split.name} are empty or have less than {SHORT} bytes"
    remedy = (
        f"Find out why the source has them, or drop them: add length to data.clean.steps and set "
        f"data.clean.min_characters={SHORT}."
    )
    return [_finding(len(short), split.n_documents, what, remedy, places)]


def _place(data: Dataset, split: DatasetSplit, document: int, told: str) -> Place:
    start, stop = split.documents[document : document + 2].tolist()
    return Place(f"{split.name} document {document:,}: {told}", excerpt(data, split, start, min(stop, start + EXCERPT)))


def _finding(n: int, of: int, what: str, remedy: str, places: list[Place]) -> Finding:
    return Finding("warning" if n >= 0.01 * of else "note", "oddities", f"{n:,} of {of:,} {what}", remedy, tuple(places))

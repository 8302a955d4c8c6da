"""A quality model: you give it examples of good and bad text, and it gives the probability that a text is good.

It is a logistic regression on words and pairs of words, each hashed to one of 2^18 places (Weinberger et al. 2009),
like the filter that selected GPT-3's training text (Brown et al. 2020, appendix A):

    x_j = log(1 + occurrences in the text of what is hashed to j), scaled to |x| = 1
    p(good | x) = 1 / (1 + exp(-(w x + b)))

w and b minimise -log p of the examples, where both classes have equal weight, by AdaGrad (Duchi, Hazan, Singer 2011) on
one example at a time, always in the same order. A tenth of each class is held out to measure how good the model is.
"""

import hashlib
import json
import math
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from glassformer.config import Config
from glassformer.errors import DatasetError
from glassformer.system.command import typed
from glassformer.system.files import write_atomic

FORMAT = "glassformer quality 1"
N_PLACES = 2**18
MOST_CHARACTERS = 20_000
"""Only this many characters of a text are read: the beginning of a book shows what the rest is like."""
FEWEST_EXAMPLES = 10
PASSES, LEARNING_RATE = 10, 1.0
_TOKEN = re.compile(r"\w+|[^\w\s]")


class QualityReport(Config):
    """How well a quality model tells good text from bad."""

    good: int
    """How many different examples of good text there are."""
    bad: int
    """How many different examples of bad text there are."""
    held_out: int
    """How many examples were not trained on; the shares below are measured on these."""
    accuracy: float
    """The mean of the two shares below."""
    good_kept: float
    """The share of held-out good examples with a probability of 0.5 or more."""
    bad_dropped: float
    """The share of held-out bad examples with a probability below 0.5."""


class Quality:
    """A trained quality model: (N_PLACES,) float32 weights and a bias."""

    def __init__(self, weights: np.ndarray, bias: float) -> None:
        self._weights, self._bias = weights, bias

    def score(self, text: str) -> float:
        """The probability that a text is good."""
        places, values = features(text)
        return _sigmoid(np.dot(self._weights[places], values) + self._bias)

    def save(self, path: str | Path, report: QualityReport) -> None:
        """Write one safetensors file, the report included. Raises GlassError if it cannot be written."""
        told = {"about": json.dumps({"format": FORMAT, **report.model_dump()})}
        write_atomic(Path(path), save({"weights": self._weights, "bias": np.array([self._bias], np.float32)}, told))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a model. Raises DatasetError if the file is missing or is not what `save` wrote."""
        if not Path(path).is_file():
            raise DatasetError(f"there is no quality model {path}; train one with `{typed('data', 'quality')}`")
        try:
            with safe_open(path, "np") as file:
                about = json.loads((file.metadata() or {}).get("about", "{}"))
                sound = about.get("format") == FORMAT and sorted(file.keys()) == ["bias", "weights"]
                shapes = [tuple(file.get_slice(name).get_shape()) for name in ("weights", "bias")] if sound else []
                if shapes != [(N_PLACES,), (1,)]:
                    raise ValueError("it holds other tensors")
                weights, bias = file.get_tensor("weights"), file.get_tensor("bias")
        except (SafetensorError, ValueError, OSError, AttributeError) as error:
            raise DatasetError(
                f"{path} is not a quality model ({error}); train one with `{typed('data', 'quality')}`"
            ) from None
        if weights.dtype != np.float32 or not (np.isfinite(weights).all() and np.isfinite(bias).all()):
            raise DatasetError(
                f"{path} is not a quality model (its numbers are not finite float32); "
                f"train one with `{typed('data', 'quality')}`"
            )
        return cls(weights, float(bias[0]))


def train_quality(good: Iterable[str], bad: Iterable[str], path: str | Path) -> QualityReport:
    """Train a model on good and bad texts and write it to `path`. The report is measured on a tenth that is held out.

    The same examples give the same file, whatever their order. Raises DatasetError if there are fewer than ten
    different examples of either kind, and GlassError if the file cannot be written.
    """
    trained_on, held_out = [], []
    for label, texts, name in ((1.0, good, "good"), (0.0, bad, "bad")):
        examples = sorted(set(texts), key=_hash)
        if len(examples) < FEWEST_EXAMPLES:
            raise DatasetError(
                f"there are {len(examples)} different examples of {name} text, but a quality model needs at least "
                f"{FEWEST_EXAMPLES} of each kind (a thousand is better); give more, as files or as lines of a jsonl file"
            )
        tenth = -(-len(examples) // 10)
        held_out += [(text, label) for text in examples[:tenth]]
        trained_on += [(text, label) for text in examples[tenth:]]
    model = _trained(sorted(trained_on, key=lambda example: _hash(example[0])))
    right = {label: [(model.score(text) >= 0.5) == label for text, of in held_out if of == label] for label in (1, 0)}
    kept, dropped = float(np.mean(right[1])), float(np.mean(right[0]))
    n_good = sum(label == 1 for _, label in trained_on + held_out)
    report = QualityReport(
        good=n_good, bad=len(trained_on) + len(held_out) - n_good, held_out=len(held_out),
        accuracy=(kept + dropped) / 2, good_kept=kept, bad_dropped=dropped,
    )  # fmt: skip
    model.save(path, report)
    return report


def features(text: str) -> tuple[np.ndarray, np.ndarray]:
    """The entries of x that are not zero: (k,) int64 distinct places and (k,) float32 values, a vector of length 1."""
    tokens = [token.encode(errors="replace") for token in _TOKEN.findall(text[:MOST_CHARACTERS].lower())]
    words = [zlib.crc32(token) for token in tokens]
    pairs = [zlib.crc32(b" " + token, before) for before, token in zip(words, tokens[1:])]
    places, counts = np.unique(np.array(words + pairs, np.int64) % N_PLACES, return_counts=True)
    values = np.log1p(counts)
    return places, (values / max(1e-9, np.linalg.norm(values))).astype(np.float32)


def _trained(examples: list[tuple[str, float]]) -> Quality:
    """Logistic regression by AdaGrad, one example per step. The order of `examples` must not depend on their labels."""
    weights, squares, bias, bias_square = np.zeros(N_PLACES), np.full(N_PLACES, 1e-8), 0.0, 1e-8
    seen = [(*features(text), label) for text, label in examples]
    n_good = sum(label for _, label in examples)
    share = {1.0: len(examples) / (2 * n_good), 0.0: len(examples) / (2 * (len(examples) - n_good))}
    for _ in range(PASSES):
        for places, values, label in seen:
            slope = (_sigmoid(np.dot(weights[places], values) + bias) - label) * share[label]
            gradient = slope * values
            squares[places] += gradient**2
            weights[places] -= LEARNING_RATE * gradient / np.sqrt(squares[places])
            bias_square += slope**2
            bias -= LEARNING_RATE * slope / bias_square**0.5
    return Quality(weights.astype(np.float32), float(np.float32(bias)))


def _sigmoid(x: np.floating | float) -> float:
    return 1 / (1 + math.exp(-min(max(float(x), -50.0), 50.0)))


def _hash(text: str) -> bytes:
    return hashlib.blake2b(text.encode(errors="replace"), digest_size=8).digest()

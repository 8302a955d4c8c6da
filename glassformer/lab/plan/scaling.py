"""What loss to expect: the scaling law of compute-optimal training (Hoffmann et al., 2022, eq. 10).

    L(N, D) = E + A / N^alpha + B / D^beta        nats per token, N parameters, D tokens

It was fitted on web text in tokens of a vocabulary of 32,000, with models of 70M to 16B parameters. There are two fits
of the same runs, the paper's and the correction by Besiroglu et al. (2024); the band spans both. Tokens that are read
again count less (Muennighoff et al., 2023, eq. 5):

    D = U + U R* (1 - exp(-R / R*))               U different tokens, each read R times more, R* = 15.4

The law holds for web text only. Village stories are far easier to predict and code is easier; for these no such law is
known.
"""

import math
from dataclasses import dataclass

FITS = {  # E, A, B, alpha, beta
    "Hoffmann et al. 2022": (1.69, 406.4, 410.7, 0.34, 0.28),
    "Besiroglu et al. 2024": (1.8172, 482.01, 2085.43, 0.3478, 0.3658),
}
MARGIN = 0.03
"""Nats added on either side of the band, for the differences between seeds, tokenizers and data mixes."""
VOCABULARY, BYTES_PER_TOKEN = 32_000, 4.2
"""The vocabulary of the tokenizer that the law was fitted with, and its average bytes per token on English web text."""
SMALLEST, LARGEST = 70e6, 16e9
OPTIMAL = 20
"""Tokens per parameter at which a given compute is spent best (Hoffmann et al., 2022)."""
REREAD = 15.39


@dataclass(frozen=True)
class Band:
    """The range of losses to expect on web text after the run."""

    low: float
    """Nats per token, in tokens of the law's vocabulary of 32,000."""
    high: float
    source: str
    remark: str

    @property
    def bits_per_byte(self) -> tuple[float, float]:
        """The same band in bits per byte, which does not depend on the tokenizer."""
        return tuple(nats / math.log(2) / BYTES_PER_TOKEN for nats in (self.low, self.high))  # type: ignore


def effective_tokens(tokens: float, different: float | None) -> float:
    """How many different tokens would help as much as reading `tokens` tokens of which only so many are different."""
    if not different or tokens <= different:
        return tokens
    again = tokens / different - 1
    return different * (1 + REREAD * (1 - math.exp(-again / REREAD)))


def band(parameters: float, tokens: float) -> Band | None:
    """The band for so many parameters and (effective) tokens; None if the band reaches what a uniform guess costs, where
    the law has nothing to say any more."""
    values = [E + A / parameters**a + B / tokens**b for E, A, B, a, b in FITS.values()]
    if max(values) + MARGIN >= math.log(VOCABULARY):
        return None
    remark = "" if SMALLEST <= parameters <= LARGEST else "outside the 70M to 16B parameters that were measured"
    return Band(min(values) - MARGIN, max(values) + MARGIN, " and ".join(FITS), remark)

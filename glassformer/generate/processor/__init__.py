"""Processor: what is done to the scores of the next token before one is chosen, besides temperature, top-k and top-p.

It comes after the repetition penalty and before the temperature, also where the most likely token is always taken. A
processor that rules out a token gives it -inf; at least one token of each row must stay.
"""

import abc
from typing import ClassVar

from torch import Tensor

from glassformer.config import Variant


class Processor(Variant):
    """Changes scores."""

    ACTS: ClassVar[bool] = True
    """Whether it changes anything: one that does not is left out."""

    @abc.abstractmethod
    def process(self, z: Tensor, seen: Tensor) -> Tensor:
        """logits (B, V), seen (B, V) true for the tokens that each text already has -> logits (B, V).

        Each row is a text of its own. It draws no random numbers and leaves z as it is.
        """

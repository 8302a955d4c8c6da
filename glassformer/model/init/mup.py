"""muP, the maximal update parametrisation (Yang et al., 2022, "Tensor Programs V", table 8, for Adam).

With m = n_embd / base_width, how many times wider a model is than the one that was tuned:

    matrices that add up what grows with m      ~ N(0, 0.02^2 / m)    learning rate / m
    embeddings, biases, norms, what scores      ~ N(0, 0.02^2)        learning rate
    logits                                      stream / m before the head

The first are those of the blocks, and of a head those that do not score: with `multi_token`, its views of the stream. Then
the changes that a step makes to every activation have the same size at every width (the coordinate check,
tests/model/test_mup.py), and the learning rate tuned on a narrow model is right for a wide one. Widen by adding heads: the
theory divides scores by D instead of sqrt(D), which is the same once D stays.
"""

import torch
from pydantic import PositiveInt

from glassformer.model.init import STD, Init, depth_scaled, writes
from glassformer.model.shapes import Shapes


class MuP(Init):
    """Hyperparameters that survive widening."""

    base_width: PositiveInt = 128
    """n_embd of the model that the learning rate was tuned on."""

    def std(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """0.02 at the base width, narrower by the root of the width where what grows is added up."""
        if not hidden(name, weight, shapes):
            return STD
        return STD * (self.base_width / shapes.n_embd) ** 0.5 * (depth_scaled(shapes) if writes(name) else 1.0)

    def logit_scale(self, shapes: Shapes) -> float:
        """1 / m."""
        return self.base_width / shapes.n_embd

    def rate(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """1 / m for matrices that add up what grows."""
        return self.base_width / shapes.n_embd if weight.ndim == 2 and hidden(name, weight, shapes) else 1.0


def hidden(name: str, weight: torch.Tensor, shapes: Shapes) -> bool:
    """Whether a weight stands between parts of the model, and neither at the tokens that enter nor at their scores.

    What scores has a row for each token; should V be C, so has any matrix of the stream, and only `lm_head` scores.
    """
    slot, _, path = name.partition(".")
    V, C = shapes.vocab_size, shapes.n_embd
    scores = weight.shape[0] == V and (V != C or "lm_head" in path.split("."))
    return slot == "blocks" or (slot == "head" and not scores)

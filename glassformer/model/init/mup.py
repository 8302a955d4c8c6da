"""muP, the maximal update parametrisation (Yang et al., 2022, "Tensor Programs V", table 8, for Adam).

With m = n_embd / base_width, how many times wider a model is than the one whose learning rate was tuned:

    matrices and writes, which sum over n_in ~ m      N(0, 0.02^2 / m)    learning rate / m
    embeddings, the head, biases and gains            N(0, 0.02^2)        learning rate
    logits                                            stream / m before the head

Then the change that a step makes to every activation has the same size at every width (the coordinate check,
tests/model/test_mup.py), and the learning rate tuned on a narrow model is right for a wide one. Widen by adding heads: the
theory divides scores by D instead of sqrt(D), which is the same while D stays.
"""

from pydantic import PositiveInt
from torch import Tensor

from glassformer.model.init import Init, depth_scaled
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class MuP(Init):
    """Hyperparameters that stay right when the model is widened."""

    base_width: PositiveInt = 128
    """n_embd of the model that the learning rate was tuned on."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """0.02 at the base width, and 0.02 / sqrt(m) for matrices and writes."""
        if role not in ("matrix", "write"):
            return STD
        return STD * (self.base_width / shapes.n_embd) ** 0.5 * (depth_scaled(shapes) if role == "write" else 1.0)

    def logit_scale(self, shapes: Shapes) -> float:
        """1 / m."""
        return self.base_width / shapes.n_embd

    def lr_scale(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """1 / m for matrices and writes."""
        return self.base_width / shapes.n_embd if role in ("matrix", "write") else 1.0

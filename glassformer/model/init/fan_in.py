"""Initialisation by width: a matrix that adds up n_in numbers is drawn with variance 1 / n_in (LeCun et al., 1998).

Its output is then about as large as its input. Projections that write into the stream are scaled by depth as in GPT-2.
"""

import math

from torch import Tensor

from glassformer.model.init import Init, depth_scaled
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class FanIn(Init):
    """Projections keep the size of their input; embeddings and the head start small."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """1 / sqrt(n_in) for matrices and writes, 0.02 for embeddings and the head."""
        if role not in ("matrix", "write"):
            return STD
        return (depth_scaled(shapes) if role == "write" else 1.0) / math.sqrt(weight.shape[1])

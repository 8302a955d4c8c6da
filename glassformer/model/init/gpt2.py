"""GPT-2's initialisation (Radford et al., 2019, section 2.3).

    every matrix                                  N(0, 0.02^2)
    projections that write into the stream        N(0, 0.02^2 / (2 n_layer))      two per block

A sum of 2 n_layer independent writes then has the variance of one. All logits are small, so the loss starts near ln V.
"""

from torch import Tensor

from glassformer.model.init import Init, depth_scaled
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class GPT2(Init):
    """The same standard deviation for all weights but the writes, which get a smaller one."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """0.02, over sqrt(2 n_layer) for writes."""
        return STD * depth_scaled(shapes) if role == "write" else STD

"""GPT-2's initialisation (Radford et al., 2019, section 2.3).

    every matrix                      ~ N(0, 0.02^2)
    what writes into the stream       ~ N(0, 0.02^2 / (2 n_layer))      o_proj and down_proj, two per block

A sum of 2 n_layer independent writes then has the variance of one. The loss starts near ln V, because all logits are
small.
"""

import torch

from glassformer.model.init import STD, Init, depth_scaled, writes
from glassformer.model.shapes import Shapes


class GPT2(Init):
    """One spread for all, less for what is summed."""

    def std(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """0.02, over sqrt(2 n_layer) for writes."""
        return STD * depth_scaled(shapes) if writes(name) else STD

"""Spread by width: a matrix that adds up n_in numbers is drawn with variance 1 / n_in (LeCun et al., 1998), so that what
comes out is as large as what went in. Writes into the stream are scaled by depth as in GPT-2."""

import math

import torch

from glassformer.model.init import STD, Init, depth_scaled, writes
from glassformer.model.shapes import Shapes


class FanIn(Init):
    """Linear layers keep the size of their input; embeddings and the head start small."""

    def std(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """1 / sqrt(n_in) inside the blocks, 0.02 outside them."""
        if not name.startswith("blocks."):
            return STD
        return (depth_scaled(shapes) if writes(name) else 1.0) / math.sqrt(weight.shape[1])

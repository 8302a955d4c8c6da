"""ALiBi (Press, Smith and Lewis, 2022): the further back a key is, the lower its score. Nothing is learned or rotated.

    bias_ts = -m_h (t - s),   m_h = 2^(-8 h / H) for head h = 1 .. H

Each head forgets at its own pace. A model trained on short texts can read longer ones, because a distance that was never
seen only means "further". If H is not a power of two, the slopes of the next lower power come first, and then every other
one of the next higher power, as in the authors' code.
"""

import torch
from torch import Tensor

from glassformer.kernels import Kernels
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class Config(Position):
    """A penalty for distance."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """No parameters."""
        return ALiBi(slopes(shapes.n_head))


class ALiBi(Scheme):
    """Computes the penalties it needs; defined at any index."""

    def __init__(self, slopes: list[float]):
        super().__init__()
        self.slopes = slopes

    def bias(self, q_index: Tensor, k_index: Tensor) -> Tensor:
        """q_index (..., T), k_index (..., S) -> (..., H, T, S) in float32."""
        slope = torch.tensor(self.slopes, device=q_index.device)[:, None, None]
        return slope * (k_index[..., None, None, :] - q_index[..., None, :, None])


def slopes(n_head: int) -> list[float]:
    """m_h of every head.

    >>> slopes(4), slopes(3)
    ([0.25, 0.0625, 0.015625, 0.00390625], [0.0625, 0.00390625, 0.25])
    """
    power = 2 ** (n_head.bit_length() - 1)  # the largest power of two that is no larger
    first = [2 ** (-8 * h / power) for h in range(1, power + 1)]
    between = [2 ** (-4 * h / power) for h in range(1, 2 * power + 1, 2)]
    return (first + between)[:n_head]

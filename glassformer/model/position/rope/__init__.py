"""Rotary positions (Su et al., 2021): turn queries and keys so that their product knows the distance between them."""

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from glassformer.config import slot
from glassformer.errors import SettingError
from glassformer.kernels import Kernels
from glassformer.model.position import Position, Scheme
from glassformer.model.position.rope.scaling import Scaling
from glassformer.model.shapes import Shapes


class RoPE(Position):
    """The formula is in kernels/rope.py."""

    base: float = Field(default=10_000.0, gt=1)
    """The slowest pair turns once in about 2 pi base tokens; longer contexts use a larger base."""
    rotary_fraction: PositiveFloat = Field(default=1.0, le=1)
    """The part of each head that is turned; the rest carries content without place (GPT-NeoX: 0.25)."""
    scaling: Scaling = slot("none")
    """How a model trained on short texts reads long ones."""

    def build(self, shapes: Shapes, kernels: Kernels) -> Scheme:
        """No parameters. Raises SettingError if there are no pairs to turn, or too few for the scaling."""
        D, width = shapes.head_dim, int(shapes.head_dim * self.rotary_fraction)
        if D == 1 or (width % 2 and self.rotary_fraction == 1):
            raise SettingError(f"rope turns pairs, so head_dim={D} must be even; change n_embd or n_head")
        if width % 2 or not width:
            even = width // 2 * 2 + 2
            share = next(s for s in (n / 10_000 for n in range(1, 10_001)) if int(D * s) == even)
            raise SettingError(
                f"rope turns pairs of numbers, and rotary_fraction={self.rotary_fraction:g} of head_dim={D} gives it "
                f"{width}; set rotary_fraction={share:g}, which is {even}"
            )
        self.scaling.frequencies(self.base, width, shapes.context_length, torch.device("cpu"))  # says now what it cannot
        return RoPEScheme(width, self, shapes.context_length, kernels)


class RoPEScheme(Scheme):
    """Computes the angles it needs; defined at any index."""

    def __init__(self, width: int, config: RoPE, context_length: int, kernels: Kernels):
        super().__init__()
        self.kernels, self.width, self.config, self.context_length = kernels, width, config, context_length

    def rotate(self, q: Tensor, k: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """q (B, H, T, D), k (B, G, T, D) -> both, their first `width` numbers turned by the angles of `index`."""
        return self.kernels.rope(q, k, self._angles(index))

    def rotate_for_softmax(self, q: Tensor, k: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and what is turned is multiplied by the scaling's temperature."""
        return self.kernels.rope(q, k, self._angles(index), self.config.scaling.temperature)

    def _angles(self, index: Tensor) -> Tensor:
        """(T, width/2), or (B, 1, T, width/2) in a ragged batch."""
        theta = self.config.scaling.frequencies(self.config.base, self.width, self.context_length, index.device)
        angle = index[..., None].float() * theta
        return angle if index.ndim == 1 else angle[:, None]

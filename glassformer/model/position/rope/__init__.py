"""Rotary positions (Su et al., 2021): rotate queries and keys, so that their product depends on their distance."""

import torch
from pydantic import Field, PositiveFloat
from torch import Tensor

from glassformer.config import slot
from glassformer.errors import SettingError
from glassformer.kernels import Kernels, fused
from glassformer.model.position import Position, Scheme
from glassformer.model.position.rope.scaling import Scaling
from glassformer.model.shapes import Shapes


class Config(Position):
    """The formula is in kernels/rope.py."""

    base: float = Field(default=10_000.0, gt=1)
    """The slowest pair rotates once in about 2 pi base tokens; longer contexts use a larger base."""
    rotary_fraction: PositiveFloat = Field(default=1.0, le=1)
    """The share of each head that is rotated; the rest carries no position (GPT-NeoX: 0.25)."""
    scaling: Scaling = slot("none")
    """How a model trained on short texts reads long ones."""

    def build(self, shapes: Shapes, kernels: Kernels | None = None) -> Scheme:
        """No parameters. Raises SettingError if there are no pairs to rotate, or too few for the scaling."""
        D, width = shapes.head_width, int(shapes.head_width * self.rotary_fraction)
        if D == 1 or (width % 2 and self.rotary_fraction == 1):
            raise SettingError(f"rope rotates pairs, so head_dim={D} must be even; change n_embd or n_head")
        if width % 2 or not width:
            even = width // 2 * 2 + 2
            share = next(s for s in (n / 10_000 for n in range(1, 10_001)) if int(D * s) == even)
            raise SettingError(
                f"rope rotates pairs of numbers, and rotary_fraction={self.rotary_fraction:g} of head_dim={D} gives it "
                f"{width}; set rotary_fraction={share:g}, which is {even}"
            )
        self.scaling.frequencies(self.base, width, shapes.context_length, torch.device("cpu"))  # raises SettingError now
        return RoPE(width, self, shapes.context_length, kernels or fused())


class RoPE(Scheme):
    """Computes the angles for each call; defined at any index."""

    def __init__(self, width: int, config: Config, context_length: int, kernels: Kernels):
        super().__init__()
        self.kernels, self.width, self.config, self.context_length = kernels, width, config, context_length

    def prepare(self, index: Tensor) -> Tensor:
        """The angles: (T, width/2), or (B, 1, T, width/2) in a ragged batch."""
        theta = self.config.scaling.frequencies(self.config.base, self.width, self.context_length, index.device)
        angle = index[..., None].float() * theta
        return angle if index.ndim == 1 else angle[:, None]

    def rotate(self, q: Tensor, k: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """The first `width` numbers of each head are rotated by the angles."""
        return self.kernels.rope(q, k, prepared)

    def rotate_for_softmax(self, q: Tensor, k: Tensor, prepared: Tensor) -> tuple[Tensor, Tensor]:
        """The same, and what is rotated is multiplied by the scaling's temperature."""
        return self.kernels.rope(q, k, prepared, self.config.scaling.temperature)

    def extra_repr(self) -> str:
        """What `print(model)` shows."""
        return f"{self.width}, base={self.config.base:g}, scaling={self.config.scaling.name}"

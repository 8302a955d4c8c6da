"""Rotary positions (Su et al., 2021): turn queries and keys so that their product knows the distance between them."""

from pydantic import PositiveFloat
from torch import Tensor

from glassformer.errors import SettingError
from glassformer.kernels import Kernels
from glassformer.kernels.rope import angles
from glassformer.model.position import Position, Scheme
from glassformer.model.shapes import Shapes


class RoPE(Position):
    """The formula is in kernels/rope.py."""

    base: PositiveFloat = 10_000.0
    """The slowest pair turns once in about 2 pi base tokens; longer contexts use a larger base."""

    def build(self, shapes: Shapes, kernels: Kernels) -> Scheme:
        """No parameters. Raises SettingError if head_dim is odd."""
        if shapes.head_dim % 2:
            raise SettingError(f"rope turns pairs, so head_dim={shapes.head_dim} must be even; change n_embd or n_head")
        return RoPEScheme(shapes.head_dim, self.base, kernels)


class RoPEScheme(Scheme):
    """Computes the angles it needs; defined at any index."""

    def __init__(self, head_dim: int, base: float, kernels: Kernels):
        super().__init__()
        self.kernels, self.head_dim, self.base = kernels, head_dim, base

    def rotate(self, q: Tensor, k: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
        """q (B, H, T, D), k (B, G, T, D) -> both, turned by the angles of `index`."""
        angle = angles(index, self.head_dim, self.base)  # (T, D/2) or (B, T, D/2)
        return self.kernels.rope(q, k, angle if index.ndim == 1 else angle[:, None])

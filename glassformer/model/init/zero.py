"""Zero residual (Goyal et al., 2017; Zhang et al., 2019, "Fixup"): the projections that write into the stream start at 0.

Every block then begins as the identity, so the model acts as if it had no depth at the first step, and depth grows from
there. With `residual=post` a block begins as its two norms.
"""

from torch import Tensor

from glassformer.model.init import Init
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class Zero(Init):
    """As GPT-2, but no block writes anything at first."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """0 for writes, 0.02 for the rest."""
        return 0.0 if role == "write" else STD

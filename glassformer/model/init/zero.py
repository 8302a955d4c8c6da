"""Zero residual (Goyal et al., 2017; Zhang et al., 2019, "Fixup"): what writes into the stream starts at 0.

With `pre` and `sandwich` every block begins as the identity, so the depth of the model does not matter at the first step,
and grows from there. With `post` what is left of a block is its two norms.
"""

from torch import Tensor

from glassformer.model.init import Init
from glassformer.model.roles import STD, Role
from glassformer.model.shapes import Shapes


class Zero(Init):
    """GPT-2's, but that no block writes anything at first."""

    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """0 for writes, 0.02 for the rest."""
        return 0.0 if role == "write" else STD

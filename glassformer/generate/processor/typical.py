"""Locally typical sampling (Meister et al., 2023): keep the tokens that are about as surprising as the model expects.

    H = -sum_i p_i ln p_i                   the expected surprise, in nats
    keep the tokens with the smallest |-ln p_i - H| that together have the probability `mass`

People rarely say the most likely word all the time, and rarely a very unlikely one. Where top-p keeps the likeliest tokens,
this may leave out the likeliest one, if it says too little.
"""

from pydantic import Field
from torch import Tensor

from glassformer.generate.processor import Processor
from glassformer.kernels.softmax import fused as softmax


class Typical(Processor):
    """The set of section 4 of the paper."""

    mass: float = Field(default=0.95, gt=0, le=1)
    """Together the tokens that are kept have at least this probability."""

    def process(self, z: Tensor, seen: Tensor) -> Tensor:
        """logits (B, V) -> (B, V), -inf for the tokens that are left out."""
        p = softmax(z)
        surprise = -p.clamp(min=1e-30).log()
        distance = (surprise - (p * surprise).sum(-1, keepdim=True)).abs()
        nearest = distance.argsort(-1)
        sorted_p = p.gather(-1, nearest)
        before = sorted_p.cumsum(-1) - sorted_p  # the probability of everything nearer
        left_out = (before >= self.mass).scatter(-1, nearest, before >= self.mass)
        return z.masked_fill(left_out, float("-inf"))

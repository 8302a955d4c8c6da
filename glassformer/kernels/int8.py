"""Weights as 8-bit whole numbers with one scale for each row ("absmax": Dettmers et al., 2022, "LLM.int8()", section 2).

    s_r = max_k |w_rk| / 127
    q_rk = round(w_rk / s_r)                       a whole number from -127 to 127
    w_rk ~ s_r q_rk                                wrong by s_r / 2 at most

A quarter of float32's memory. A large weight makes the steps of its whole row larger; the groups of `int4` are smaller.
`tiles.py` has the order in which the numbers are kept.
"""

import torch
from torch import Tensor


def quantize(w: Tensor) -> tuple[Tensor, Tensor]:
    """w (M, K) -> q (M, K) int8 and s (M,) float32.

    >>> quantize(torch.tensor([[1.0, -0.5, 0.25]]))[0]
    tensor([[127, -64,  32]], dtype=torch.int8)
    """
    w = w.float()
    s = w.abs().amax(1) / 127
    q = (w / s.where(s > 0, 1)[:, None]).round()
    return q.to(torch.int8), s


def dequantize(q: Tensor, s: Tensor) -> Tensor:
    """q (M, K), s (M,) -> (M, K) float32."""
    return q.float() * s[:, None]

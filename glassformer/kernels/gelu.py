"""Gaussian error linear unit (Hendrycks and Gimpel, 2016), in the tanh form that GPT-2 was trained with.

    y = x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))

The exact form multiplies x by the probability that a standard normal variable is below x (`gelu_exact`). This one
approximates the probability.
"""

import math

from torch import Tensor
from torch.nn import functional as F


def plain(x: Tensor) -> Tensor:
    """x (...) -> the same shape."""
    return 0.5 * x * (1 + (math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)).tanh())


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.gelu(x, approximate="tanh")

"""ELU plus one, the feature map of linear attention (Katharopoulos et al., 2020, eq. 7; ELU: Clevert et al., 2016).

    y = elu(x) + 1 = x + 1 if x > 0, else exp(x)

Smooth and always positive, so that sums of products of features can stand below a fraction line.
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels import relu


def plain(x: Tensor, *, relu: Callable[..., Tensor] = relu.plain) -> Tensor:
    """x (...) -> the same shape, positive. Exact near 0 in bfloat16, where exp(x) - 1 + 1 is not."""
    return relu(x) + x.clamp(max=0).exp()


def fused(x: Tensor) -> Tensor:
    """The twin of `plain`."""
    return F.relu(x) + x.clamp(max=0).exp()

"""How long the gradient is in each layer: whether the loss reaches the first blocks, or fades or grows on its way.

    |g|_b = sqrt(sum of the squares of the gradients of all parameters of block b)

With pre-norm and a usual initialisation the norms are alike within a few times. In a deep post-norm model those of the
first blocks differ by orders of magnitude (Xiong et al., 2020, figure 3).
"""

import torch
from torch import Tensor, nn

from glassformer.model.gpt import GPT
from glassformer.train.ranks import ALONE, Ranks


@torch.no_grad()
def norms_by_block(model: GPT, ranks: Ranks = ALONE) -> list[float]:
    """The gradient norm of each block, first to last; 0 for a block without a gradient."""
    here = dict(model.blocks.named_children())  # in a pipeline, some of them
    blocks = [here.get(str(layer), nn.Identity()) for layer in range(model.config.n_layer)]
    gradients: list[list[Tensor]] = [[p.grad for p in b.parameters() if p.grad is not None] for b in blocks]
    if ranks.mesh is not None:
        return ranks.norms(*gradients).tolist()
    norms = [torch.nn.utils.get_total_norm(some) if some else torch.zeros(()) for some in gradients]
    return torch.stack([norm.float() for norm in norms]).tolist()

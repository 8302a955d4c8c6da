"""Initialisation, in one place: GPT-2's (Radford et al., 2019, section 2.3).

    every matrix                      ~ N(0, 0.02^2)
    what writes into the stream       ~ N(0, 0.02^2 / (2 n_layer))      o_proj and down_proj, two per block
    biases 0, norm weights 1          set where they are made

A sum of 2 n_layer independent writes then has the variance of one. The loss starts near ln V, because all logits are
small.
"""

import math

import torch
from torch import nn

from glassformer.model.embedding import Embedding
from glassformer.model.linear import Linear

STD = 0.02
WRITES_TO_STREAM = ("o_proj", "down_proj")


@torch.no_grad()
def initialise(model: nn.Module, n_layer: int, seed: int) -> None:
    """Fill every Linear and Embedding below `model`; the same seed gives the same numbers on every device."""
    generator = torch.Generator().manual_seed(seed)
    for name, module in model.named_modules():
        if isinstance(module, Linear | Embedding) and not module.weight.is_meta:
            writes = name.endswith(WRITES_TO_STREAM)
            std = STD / math.sqrt(2 * n_layer) if writes else STD
            module.weight.copy_(torch.empty(module.weight.shape, device="cpu").normal_(0, std, generator=generator))

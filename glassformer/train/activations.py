"""Activation checkpointing: less memory for more work (Chen et al., 2016, "Training Deep Nets with Sublinear Memory Cost").

The backward pass needs what a block computed in the forward pass: about 30 numbers for each number of the stream. A block
that is checkpointed keeps its input alone, and computes the rest a second time when its backward pass begins. A step takes
up to a third more work; losses and gradients are the same, because dropout draws the same masks again.

The blocks know nothing of it: it is set on a model from outside, and acts only where gradients are computed.
"""

from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from glassformer.model.block import Block
from glassformer.model.gpt import GPT


def checkpoint_activations(model: GPT, every: int) -> GPT:
    """The same model; of every `every` blocks, the first keeps only its input (1: every block does, 0: none)."""
    for block in list(model.blocks)[::every] if every else []:
        assert isinstance(block, Block)
        block.forward = Checkpointed(block)  # on the object, so parameters keep their names and a copy gets its own
    return model


class Checkpointed:
    """The forward pass of a block that keeps only its input."""

    def __init__(self, block: Block):
        self.block = block

    def __call__(self, x: Any, positions: Any, cache: Any = None) -> Any:
        """As `Block.forward`."""
        forward = type(self.block).forward
        leaves_nothing = cache is None or getattr(cache, "stateless", False)
        if not leaves_nothing or not torch.is_grad_enabled():
            return forward(self.block, x, positions, cache)
        return checkpoint(forward, self.block, x, positions, cache, use_reentrant=False)

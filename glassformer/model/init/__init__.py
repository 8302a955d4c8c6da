"""Init: what the weights are before the first step, and what that asks of the learning rates.

A variant says how widely each matrix is drawn. A part whose formula asks for other numbers is `Drawn` and says so itself,
whatever the variant; and what is not random (biases 0, norm weights 1) is set where it is made.
"""

import abc
import math

import torch
from torch import nn

from glassformer.config import Variant
from glassformer.model.embedding import Embedding
from glassformer.model.linear import Linear
from glassformer.model.shapes import Shapes

STD = 0.02
WRITES_TO_STREAM = ("o_proj", "down_proj")
"""The names of what adds to the stream: two in a block."""


class Drawn(nn.Module):
    """A part that draws its own weights, from the model's seed like all others."""

    @abc.abstractmethod
    def draw(self, generator: torch.Generator) -> None:
        """Fill the weights with numbers from this generator, which is on the CPU."""


class Init(Variant):
    """Draws every Linear and Embedding from a normal distribution."""

    @abc.abstractmethod
    def std(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """The standard deviation of the matrix `name`, (n_out, n_in) or (rows, C), of a model of these shapes."""

    def logit_scale(self, shapes: Shapes) -> float:
        """What the stream is multiplied by before the head."""
        return 1.0

    def rate(self, name: str, weight: torch.Tensor, shapes: Shapes) -> float:
        """What AdamW's learning rate is multiplied by for one parameter."""
        return 1.0

    @torch.no_grad()
    def fill(self, model: nn.Module, shapes: Shapes, seed: int) -> None:
        """Fill every Linear, Embedding and Drawn below `model`; the same seed gives the same numbers on every device."""
        generator = torch.Generator().manual_seed(seed)
        for name, module in model.named_modules():
            if not isinstance(module, Linear | Embedding | Drawn) or next(module.parameters()).is_meta:
                continue
            if isinstance(module, Drawn):
                module.draw(generator)
            else:
                drawn = torch.empty(module.weight.shape, device="cpu").normal_(0, 1, generator=generator)
                module.weight.copy_(drawn * self.std(name, module.weight, shapes))


def writes(name: str) -> bool:
    """Whether the matrix of the module `name`, such as `blocks.0.mixer.o_proj`, adds to the stream."""
    return name.rpartition(".")[2] in WRITES_TO_STREAM


def depth_scaled(shapes: Shapes) -> float:
    """1 / sqrt(2 n_layer): so many independent writes add up to the variance of one."""
    return 1 / math.sqrt(2 * shapes.n_layer)

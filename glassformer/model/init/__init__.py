"""Init: the values of the weights before the first step, and the learning rates that they ask for.

A variant chooses the standard deviation of each Linear and Embedding by its role (model/roles.py). All other leaves, such
as norms, set values of their own in `reset_parameters`, whatever the variant is.
"""

import abc
import math
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from glassformer.config import Variant
from glassformer.model.embedding import Embedding
from glassformer.model.linear import Linear
from glassformer.model.roles import Leaf, Role, fill_normal, roles_of
from glassformer.model.shapes import Shapes


class Init(Variant):
    """Draws every Linear and Embedding from a normal distribution."""

    @abc.abstractmethod
    def std(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """The standard deviation of a weight, (n_out, n_in) or (rows, C), in a model of these shapes."""

    def logit_scale(self, shapes: Shapes) -> float:
        """What the stream is multiplied by before the head."""
        return 1.0

    def lr_scale(self, role: Role, weight: Tensor, shapes: Shapes) -> float:
        """What the learning rate of one parameter is multiplied by."""
        return 1.0

    def lr_scales(self, model: nn.Module, shapes: Shapes) -> dict[str, float]:
        """`lr_scale` of every parameter, by the name that `model.named_parameters()` gives it."""
        roles = roles_of(model)
        return {name: self.lr_scale(roles[name], p, shapes) for name, p in model.named_parameters()}

    def fill(self, model: nn.Module, shapes: Shapes, seed: int) -> None:
        """Initialise every leaf below `model`; the same seed gives the same numbers on every device."""
        with seeded(seed):
            for module in model.modules():
                self.fill_leaf(module, shapes)

    def fill_leaf(self, module: nn.Module, shapes: Shapes) -> None:
        """Initialise one module, if it is a leaf, from torch's CPU generator as it stands."""
        if isinstance(module, Linear | Embedding):
            fill_normal(module.weight, self.std(module.roles["weight"], module.weight, shapes))
        elif isinstance(module, Leaf):
            module.reset_parameters()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's CPU generator as if it had this seed; outside, the generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def depth_scaled(shapes: Shapes) -> float:
    """1 / sqrt(2 n_layer): that many independent writes then add up to the variance of one."""
    return 1 / math.sqrt(2 * shapes.n_layer)

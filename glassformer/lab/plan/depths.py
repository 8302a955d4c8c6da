"""How costs grow with depth: two shallow models are measured, and the cost of a deep one follows from a straight line.

Every block of the same kind costs the same, so weights, memory and work are linear in the number of layers.
"""

import math

from glassformer.recipes.presets import Recipe


def shallow_depths(recipe: Recipe) -> tuple[int, int] | None:
    """Two depths from which the costs at `model.n_layer` follow; None if the model is no deeper than they are.

    Both models have a first and a last block, and end the pattern of mixers and of checkpointed blocks where the whole
    model does.
    """
    n_layer = recipe.model.n_layer
    period = math.lcm(len(recipe.model.mixers) or 1, recipe.train.checkpoint_activations or 1)
    first = 2 + (n_layer - 2) % period
    return (first, first + period) if n_layer > first + period else None


def linear(at_first: float, at_second: float, depths: tuple[int, int], depth: int) -> float:
    """The value at `depth` of a straight line through the values at two depths.

    >>> linear(10.0, 14.0, (2, 4), 12)
    30.0
    """
    return at_first + (at_second - at_first) / (depths[1] - depths[0]) * (depth - depths[0])

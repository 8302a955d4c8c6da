"""How costs grow with depth: two shallow models are measured, and the cost of a deep one follows from a straight line.

Every block of the same kind costs the same, so weights, memory and work are linear in the number of layers.
"""

from glassformer.model.gpt import GPTConfig


def shallow_depths(config: GPTConfig) -> tuple[int, int] | None:
    """Two depths from which the costs at `config.n_layer` follow; None if the model is no deeper than they are.

    Both models have a first and a last block, and end the pattern of mixers where the whole model does.
    """
    period = len(config.mixers) or 1
    first = 2 + (config.n_layer - 2) % period
    return (first, first + period) if config.n_layer > first + period else None


def linear(at_first: float, at_second: float, depths: tuple[int, int], depth: int) -> float:
    """The value at `depth` of a straight line through the values at two depths.

    >>> linear(10.0, 14.0, (2, 4), 12)
    30.0
    """
    return at_first + (at_second - at_first) / (depths[1] - depths[0]) * (depth - depths[0])

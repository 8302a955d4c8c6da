"""Promises of a processor of scores (`sample.processor`): what it makes of a model's scores is still a distribution."""

import torch
from torch import Tensor

from glassformer.generate.processor import Processor
from glassformer.lab.contracts._alone import cases, label
from glassformer.recipes.rehearsal import scores_of

__all__ = ["BASIS", "PROMISES", "cases", "label"]

B, V = 5, 40


def scores() -> tuple[Tensor, Tensor]:
    """Scores (B, V) from flat to sharp, and which tokens each text already has (B, V)."""
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(B, V, generator=generator) * torch.tensor([0.0, 0.1, 1.0, 5.0, 50.0])[:, None]
    return z, torch.rand(B, V, generator=generator) < 0.3


def processed(processor: Processor, z: Tensor, seen: Tensor) -> Tensor:
    """`processor.process`, checked. Raises SettingError or AssertionError."""
    before = z.clone()
    found = scores_of(processor, z, seen)
    assert torch.equal(z, before), "process changes the scores that it was given; work on a copy (z = z + 1, not z += 1)"
    return found


def leaves_a_distribution(processor: Processor) -> None:
    """Scores (B, V) become scores (B, V) without NaN, of which at least one in each row is not -inf."""
    probabilities = processed(processor, *scores()).softmax(-1)
    assert (probabilities.sum(-1) - 1).abs().max() < 1e-5, "the probabilities do not add up to 1"


def reads_each_row_by_itself(processor: Processor) -> None:
    """What a text says does not depend on the texts that are written beside it."""
    z, seen = scores()
    whole = processed(processor, z, seen)
    for row in range(B):
        alone = processed(processor, z[row : row + 1], seen[row : row + 1])[0]
        assert torch.equal(alone, whole[row]), f"row {row} has other scores alone than beside the other rows"


def draws_nothing_at_random(processor: Processor) -> None:
    """The same scores give the same result: the choice itself draws from the seed of each text."""
    assert torch.equal(*(processed(processor, *scores()) for _ in range(2))), "the same scores give two results"


def heeds_differences_alone(processor: Processor) -> None:
    """All scores raised by the same number are the same distribution, so the result is the same."""
    z, seen = scores()
    z = z.double()
    one, two = (processed(processor, z + shift, seen).softmax(-1) for shift in (0, 3))
    off = (one - two).abs().max().item()
    assert off < 1e-6, f"a probability changes by {off:.3g} when 3 is added to all scores; start with z.log_softmax(-1)"


def keeps_a_certain_token(processor: Processor) -> None:
    """A token that the text does not have yet, and that the model is sure of, stays possible."""
    z = torch.zeros(V, V) + 30 * torch.eye(V)
    kept = processed(processor, z, torch.zeros(V, V, dtype=torch.bool)).diagonal().isfinite()
    assert kept.all(), f"token {int((~kept).int().argmax())} is ruled out although the model is sure of it"


BASIS = [leaves_a_distribution]
PROMISES = [reads_each_row_by_itself, draws_nothing_at_random, heeds_differences_alone, keeps_a_certain_token]

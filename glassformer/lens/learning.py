"""What training does to each part: how strong its gradient is, and how far a step moves its weights.

    gradient = |dL/dW|          update-to-weight = |W_after - W_before| / |W_before|        (Euclidean norms over a part)

Where gradients shrink on their way down, the early layers learn nothing; where they grow, training may diverge. By a rule
of thumb (Karpathy's lectures, 2022) a step moves weights by about a thousandth of their length: much more is too fast.

`over_training` asks any question of every snapshot of a run (`train.snapshots=true` keeps them; village-mini has some).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from glassformer.errors import LensError
from glassformer.lens.seam import evaluating
from glassformer.lens.trace import readable
from glassformer.model.gpt import GPT
from glassformer.runs import checkpoint, snapshots
from glassformer.system.command import typed


@dataclass(frozen=True)
class Slope:
    """The gradient of one part."""

    part: str
    """ "embed", "blocks.0.mixer", "blocks.0.mlp", "final_norm" ..."""
    gradient: float
    """The length of the gradient of its weights."""
    weight: float
    """The length of its weights."""

    @property
    def ratio(self) -> float:
        """The gradient relative to the weights."""
        return self.gradient / self.weight if self.weight else math.inf


@dataclass(frozen=True)
class Curves:
    """Answers over the steps of a training."""

    steps: list[int]
    values: dict[str, list[float]]
    """By question, one for each step."""


def part_of(name: str) -> str:
    """The part that a parameter belongs to.

    >>> part_of("blocks.3.mixer.q_proj.weight"), part_of("final_norm.weight")
    ('blocks.3.mixer', 'final_norm')
    """
    words = name.split(".")
    return ".".join(words[:3] if words[0] == "blocks" else words[:1])


def lengths(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    """The length of each part, from tensors by the names of their parameters."""
    squares: dict[str, float] = {}
    for name, tensor in tensors.items():
        part = part_of(name)
        squares[part] = squares.get(part, 0.0) + float(tensor.detach().double().square().sum())
    return {part: math.sqrt(square) for part, square in squares.items()}


def gradients(model: GPT, ids: Tensor, targets: Tensor) -> list[Slope]:
    """The gradient of the mean nats of targets (B, T), by part, in the order of the model. Gradients that the model holds
    are left as they are."""
    ids = readable(model, ids)
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    with evaluating(model), torch.enable_grad():
        nats = model(ids, targets.to(ids.device).view_as(ids))
        loss = nats.sum() / (nats != 0).sum().clamp(min=1)
        found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    slopes = {name: slope for name, slope in zip(weights, found) if slope is not None}
    size = lengths(weights)
    return [Slope(part, length, size[part]) for part, length in lengths(slopes).items()]


def updates(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> dict[str, float]:
    """The update-to-weight ratio of each part, from the weights before and after, by parameter name (`state_dict`)."""
    if before.keys() != after.keys():
        other = sorted(before.keys() ^ after.keys())[0]
        raise LensError(f"these are the weights of two different models: only one of them has {other}")
    moved = lengths({name: after[name].double() - before[name].double() for name in before})
    size = lengths(before)
    return {part: length / size[part] if size[part] else math.inf for part, length in moved.items()}


def over_training(run: Path | str, questions: Mapping[str, Callable[[GPT], float]]) -> Curves:
    """The answer of every snapshot of a run, and of its checkpoint to use, to each question. Raises LensError if the run
    kept no snapshot.

    >>> text = torch.tensor([tokenizer.encode(story)])
    >>> over_training("runs/mine", {"loss": lambda model: float(model(text, next_tokens(text)).sum() / text.shape[1])})
    """
    found = snapshots.steps(Path(run))
    if not found:
        raise LensError(
            f"{run} has no snapshots, so nothing can be asked over its training; train one that keeps them "
            f"(`{typed('train', 'train.snapshots=true')}`), or ask village-mini, which has some"
        )
    if (last := checkpoint.best(Path(run))) is not None:
        found.setdefault(int(last.name), last)
    found = dict(sorted(found.items()))
    values: dict[str, list[float]] = {question: [] for question in questions}
    for path in found.values():
        model = checkpoint.load(path).model()
        with torch.no_grad():
            for question, ask in questions.items():
                values[question].append(ask(model))
    return Curves(list(found), values)

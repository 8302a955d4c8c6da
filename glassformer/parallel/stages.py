"""Stages: a model cut into pieces of consecutive blocks, for a pipeline (Huang et al., 2019, "GPipe").

The first stage also has the embedding, the last one the final norm and the head. Parameters keep the names that they
have in the whole model, so the state dicts of all stages together are that of the whole. A tied embedding is on both
ends, and its two gradients are added (parallel/pipeline.py).
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.errors import SettingError
from glassformer.model.embed import SeesBefore
from glassformer.model.gpt import GPT
from glassformer.model.head import LooksBack
from glassformer.model.position import Scheme

V_SHAPED = ("zbvzerobubble", "dualpipev")
"""Schedules in which a process has one stage of the first half and its mirror image in the second half."""
SPLIT = ("interleavedzerobubble", *V_SHAPED)
"""Schedules that compute the gradients of the weights apart from those of the activations."""
TWO = ("interleaved1f1b", "loopedbfs", "interleavedzerobubble", *V_SHAPED)
"""Schedules in which every process has two stages."""


def stages_of(rank: int, n: int, schedule: str) -> list[int]:
    """The numbers of the stages of process `rank` of n.

    >>> stages_of(0, 4, "1f1b"), stages_of(0, 4, "interleaved1f1b"), stages_of(0, 4, "dualpipev")
    ([0], [0, 4], [0, 7])
    """
    if schedule not in TWO:
        return [rank]
    return [rank, 2 * n - 1 - rank] if schedule in V_SHAPED else [rank, rank + n]


def cut(n_layer: int, n_stages: int) -> list[range]:
    """The blocks of every stage; the first ones have one more where the division leaves a remainder.

    >>> cut(7, 3)
    [range(0, 3), range(3, 5), range(5, 7)]
    """
    bounds = [i * (n_layer // n_stages) + min(i, n_layer % n_stages) for i in range(n_stages + 1)]
    return [range(*pair) for pair in zip(bounds, bounds[1:])]


class Stretch(nn.ModuleDict):
    """Some of the blocks of a model, under their numbers."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        return iter(self._modules.values())


class Received(nn.Module):
    """In the place of the embedding: the stream comes from the stage before."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.empty(0)
        """What a head with weights of its own is handed as the embedding, and does not use."""

    def forward(self, x: Tensor) -> Tensor:
        """x (B, T, C) -> the same."""
        return x


def check(model: GPT, n_stages: int, given: str) -> None:
    """Raises SettingError, with the nearest setting that works, if the model cannot be cut into so many stages."""
    config = model.config
    if config.n_layer < n_stages:
        raise SettingError(
            f"{given} needs at least {n_stages} blocks, and model.n_layer={config.n_layer}; set model.n_layer={n_stages}, "
            "or make parallel.pipeline smaller"
        )
    if isinstance(model.head, LooksBack) or isinstance(model.embed, SeesBefore):
        what = "head=tied" if isinstance(model.head, LooksBack) else "embed=token"
        name = f"head={config.head.name}" if isinstance(model.head, LooksBack) else f"embed={config.embed.name}"
        raise SettingError(f"{given}: model.{name} reads ids that another stage has; set model.{what}")
    if any(True for _ in model.position.parameters()) and type(model.position).bias is not Scheme.bias:
        raise SettingError(
            f"{given}: model.position={config.position.name} has one table for all blocks, which are on several stages; "
            "set model.position=rope or alibi"
        )


def is_tied(model: GPT) -> bool:
    """Whether the head of a whole model computes with the embedding."""
    return not any(name.startswith("lm_head") for name, _ in model.head.named_parameters())


def keep(model: GPT, layers: list[int], first: bool, last: bool) -> GPT:
    """The same model, with these of its blocks, and of its ends what is on this process."""
    model.blocks = Stretch({str(layer): model.blocks[layer] for layer in layers})  # type: ignore[assignment]
    if not first and not (last and is_tied(model)):
        model.embed = Received()
    if not first and any(True for _ in model.position.parameters()):
        model.position = Scheme()
    if not last:
        model.final_norm, model.head = nn.Identity(), nn.Identity()
    return model


class Stage(nn.Module):
    """One stage: it shares the modules of `model`, and computes some of its blocks."""

    def __init__(self, model: GPT, layers: range, first: bool, last: bool):
        super().__init__()
        self.within: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext
        """The context of a forward pass: autocast."""
        self.inner, self.first, self.last = [model], first, last  # in a list: its modules are not all of this stage
        self.blocks = Stretch({str(layer): model.blocks[str(layer)] for layer in layers})  # type: ignore[index]
        if first:
            self.embed, self.position = model.embed, model.position
        if last:
            self.final_norm, self.head = model.final_norm, model.head
            if not first and not isinstance(model.embed, Received):
                self.embed = model.embed  # the head is tied to it

    def forward(
        self, x: Tensor, auxiliary: Tensor | None = None, *, targets: Tensor, documents: Tensor | None = None
    ) -> Any:
        """x: ids (B, T) for the first stage, the stream (B, T, C) for the others -> what the next stage receives; the last
        one returns the nats (B, T). With a mixture of experts, the sum of the auxiliary losses (1,) comes along."""
        with self.within():
            return self._forward(x, auxiliary, targets, documents)

    def _forward(self, x: Tensor, auxiliary: Tensor | None, targets: Tensor, documents: Tensor | None) -> Any:
        model = self.inner[0]
        positions = model.positions(targets, targets, None, None, documents)
        if self.first:
            x = model.embed_dropout(model.position.add(model.embed(x), positions.places))
        losses = [] if auxiliary is None else [auxiliary[0]]
        for block in self.blocks:
            x, loss = block(x, positions, None)
            losses += [] if loss is None else [loss]
        if self.last:
            return model.nats(model.final_norm(x), None, losses, targets, documents)
        return (x, torch.stack(losses).sum().view(1)) if model.routed else x

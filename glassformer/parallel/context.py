"""Context parallelism: the processes of a group divide the tokens of every row, for texts that are too long for one of
them.

Process r of n computes the tokens rT/n to (r+1)T/n. Everything but attention works on each token by itself. Attention
gathers the keys and values of all processes (Llama 3: Grattafiori et al., 2024, section 3.3.2), and its queries see
those up to their own place. That is what happens when a long prompt is read in pieces with a KV cache: here the pieces
are read at the same time, and what other processes compute takes the place of earlier calls. So every kind of attention
works as it is. A mixer with a state cannot be divided in this way, because each piece must wait for the one before it.

Later tokens see more keys, so the last process has the most work: up to twice the mean in long texts.

All processes of the group read the same rows, and each gets the nats or logits of all tokens. Gradients of the weights are
sums over the group.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh

from glassformer.errors import SettingError
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.model.head import HasAuxiliaryLoss
from glassformer.model.mixer.full import Attention
from glassformer.model.mlp import RoutedMLP
from glassformer.model.mlp.moe import MoE
from glassformer.model.position import Scheme
from glassformer.model.positions import Positions
from glassformer.parallel.collectives import gathered, whole


def divided(model: GPT, mesh: DeviceMesh) -> GPT:
    """The same model, which divides the tokens of each call over the processes of a one-dimensional mesh. `check` says
    before what cannot be divided."""
    model.forward = Chunked(model, mesh)
    for block in model.blocks:
        if isinstance(block.mlp, MoE):
            route = partial(_route, block.mlp.kernels.route, mesh)
            block.mlp.kernels = dataclasses.replace(block.mlp.kernels, route=route)
    return model


def check(model: GPT, n: int) -> None:
    """Raises SettingError, with the nearest setting that works, if n processes cannot divide the tokens of this model."""
    given, config = f"parallel.context={n}", model.config
    if config.dropout:
        raise SettingError(
            f"{given}: dropout would draw the same masks for different tokens; set model.dropout=0, or use parallel.data"
        )
    if config.context_length % n:
        below = max(d for d in range(1, n) if config.context_length % d == 0)
        raise SettingError(
            f"{given} does not divide model.context_length={config.context_length}; set parallel.context={below} or "
            f"model.context_length={-(-config.context_length // n) * n}"
        )
    for layer, block in enumerate(model.blocks):
        if not isinstance(block.mixer, Attention):
            raise SettingError(
                f"{given}: model.mixer={config.mixer_of(layer).name} carries a state from token to token, so the processes "
                "would have to wait for each other; use parallel.data, parallel.tensor or parallel.pipeline, or set "
                "model.mixer=full"
            )
        if isinstance(block.mlp, RoutedMLP) and not isinstance(block.mlp, MoE):
            raise SettingError(
                f"{given}: the balance of model.mlp={config.mlp.name} is over all tokens, and each process sees some of "
                "them; set model.mlp=moe, or use parallel.data"
            )
    if isinstance(model.head, HasAuxiliaryLoss):
        raise SettingError(
            f"{given}: model.head={config.head.name} compares tokens that other processes have; set model.head=tied, or "
            "use parallel.data"
        )


class Chunked:
    """The forward pass of a GPT that computes its own tokens and gathers the results."""

    def __init__(self, model: GPT, mesh: DeviceMesh):
        self.model, self.group, self.n, self.at = model, mesh.get_group(), mesh.size(), mesh.get_local_rank()

    def __call__(
        self, ids: Tensor, targets: Tensor | None = None, cache: Any = None, counts: list[int] | None = None,
        documents: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """See GPT.forward. A call with a cache, and one without gradients whose tokens do not divide, is computed by every
        process alike."""
        forward, T = type(self.model).forward, ids.shape[1]
        if cache is not None or (T % self.n and not torch.is_grad_enabled()):
            return forward(self.model, ids, targets, cache, counts, documents)
        if T % self.n:
            raise SettingError(
                f"parallel.context={self.n} does not divide the {T} tokens of a row; choose lengths that are multiples of "
                f"{self.n}"
            )
        real = None if counts is None else torch.tensor(counts, device=ids.device)
        if real is None and targets is not None and self.model.routed:
            real = (torch.arange(1, T + 1, device=ids.device) * (targets != IGNORED)).amax(1)  # as GPT does
        size = T // self.n
        first, end = self.at * size, (self.at + 1) * size
        there = Chunk(
            len(ids), first, None if documents is None else documents[:, :end],
            None if real is None else (real - first).clamp(0, size), self.group, len(self.model.blocks),
        )  # fmt: skip
        ours = None if targets is None else targets[:, first:end]
        return whole(forward(self.model, ids[:, first:end], ours, there), 1, self.group)  # type: ignore[arg-type]


class Chunk:
    """Stands in the place of a Cache for one call: the other processes remember the other tokens."""

    def __init__(
        self, rows: int, first: int, documents: Tensor | None, counts: Tensor | None, group: distributed.ProcessGroup,
        n_layer: int,
    ):  # fmt: skip
        """`documents` (B, end) are those of all tokens up to the last of this process, `counts` (B,) its real tokens."""
        self.batch, self.first, self.documents, self.counts = rows, first, documents, counts
        self.layers = [Elsewhere(group)] * (n_layer + 2)  # the embedding and the head may look back as well

    def advance(self, T: int, counts: Any, scheme: Scheme, device: torch.device) -> Positions:
        """Where the T tokens of this process are."""
        return Positions.of(T, self.first, scheme, device, self.documents, self.counts)


class Elsewhere:
    """The keys and values that other processes compute, in the place of those of earlier calls."""

    stateless = True
    """Nothing stays from call to call, so a checkpointed block may be computed twice (train/activations.py)."""

    def __init__(self, group: distributed.ProcessGroup):
        self.group = group

    def append(self, k: Tensor, v: Tensor, positions: Positions) -> tuple[Tensor, Tensor]:
        """k, v (B, G, T, D) of this process -> (B, G, S, D) of all tokens up to its last; S is `positions.end`."""
        if k.shape == v.shape and k.dtype == v.dtype:
            k, v = gathered(torch.stack([k, v]), 3, self.group).unbind()
        else:
            k, v = gathered(k, 2, self.group), gathered(v, 2, self.group)
        return k[:, :, : positions.end], v[:, :, : positions.end]


def _route(
    inner: Callable[..., tuple[Tensor, Tensor, Tensor]], mesh: DeviceMesh, scores: Tensor, k: int,
    counted: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """`kernels.route` for the tokens (N, E) of this process, whose balance is over those of all."""
    if not torch.is_grad_enabled():  # the balance is for training
        return inner(scores, k, counted)
    N, group = len(scores), mesh.get_group()
    everyone = None if counted is None else gathered(counted.to(torch.uint8), 0, group).bool()
    weights, chosen, balance = inner(gathered(scores, 0, group), k, everyone)
    here = slice(mesh.get_local_rank() * N, (mesh.get_local_rank() + 1) * N)
    return weights[here], chosen[here], balance

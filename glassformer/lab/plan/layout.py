"""One of many devices: what it stores and sends when a layout (`parallel.*`) divides the model among them.

Bytes of weights, gradients and optimizer state, and messages and bytes sent, are exact (parallel/cost.py; the suite
compares them with a model that is divided over 256 simulated processes, and with a count of what is sent). Activations
follow Korthikanti et al. (2022, equation 2, without the attention patterns, which our kernels do not keep): of 34
numbers that a block keeps for each number of the stream, tensor parallelism divides 24, and all 34 with
parallel.sequence. Seconds are the bytes divided by the stated bandwidths, one exchange after another and none during
the computation; nobody has measured them.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from glassformer.lab.plan.hardware import Hardware
from glassformer.model.gpt import GPT
from glassformer.parallel import check
from glassformer.parallel.config import Layout
from glassformer.parallel.cost import Traffic, Work, sharded, stored, traffic
from glassformer.recipes.presets import Recipe

if TYPE_CHECKING:
    from glassformer.lab.plan import Memory

MACHINE = 8
"""Devices in one machine; those next to each other are numbered one after the other, and `tensor` is the innermost
dimension."""
INWARDS = ("tensor", "context", "shard", "replicate", "pipeline")
"""The dimensions of the grid from the innermost one outwards."""
NETWORK = 50e9
"""Bytes per second between two machines, for each device: 400 Gbit/s, one network card per device (DGX H100)."""


@dataclass(frozen=True)
class Divided:
    """The device with the most parameters."""

    layout: Layout
    weights: float
    gradients: float
    optimizer: float
    activations: float
    """Of all micro-batches whose backward pass has not come yet: in a pipeline, several."""
    peak: float
    share: float
    """The share of the work on its rows that one device does."""
    bubble: float
    """How long a device of a pipeline waits, as a share of the time that it computes."""
    traffic: Traffic
    """Messages and bytes that it sends in a step, by dimension."""
    seconds: float
    """Seconds of a step in which it sends."""


def whole(recipe: Recipe) -> GPT:
    """The model of a recipe on the meta device, where it takes no memory."""
    with torch.device("meta"):
        return GPT(recipe.model)


def divided(
    recipe: Recipe, local: Recipe, memory: "Memory", layout: Layout, hardware: Hardware, model: GPT | None = None
) -> Divided:  # fmt: skip
    """The busiest device of a layout. `memory` is that of a device with a whole model for the rows of `local`.

    Raises SettingError for a model that the layout cannot divide.
    """
    parallel, train = recipe.parallel, local.train
    model = model or whole(recipe)
    check(model, layout, parallel)
    total = sum(p.numel() for p in model.parameters())
    stages = range(layout.pipeline)
    shards = layout.shard * layout.context if parallel.shard else 1
    held, most = max((sharded(stored(model, layout, parallel.schedule, at), shards), -at) for at in stages)
    kept, micros = held / total, train.grad_accumulation
    work = Work(micros, train.micro_batch_size, recipe.model.context_length)
    sent = traffic(model, layout, parallel, work, -most)
    share = 1 / (layout.tensor * layout.context * layout.pipeline)
    activations = memory.activations * share * _in_flight(layout, parallel.schedule, micros)
    if layout.tensor > 1 and not parallel.sequence:
        activations *= layout.tensor * (10 + 24 / layout.tensor) / 34
    weights, gradients, optimizer = (part * kept for part in (memory.weights, memory.gradients, memory.optimizer))
    gathered = 0.0
    if shards > 1:  # two blocks at a time; a stage of a pipeline keeps all of its own for the whole step
        gathered = weights * shards * (1 if layout.pipeline > 1 else min(1, 2 / recipe.model.n_layer))
    rest = memory.peak - memory.weights - memory.gradients - memory.optimizer - memory.activations
    bubble = 0.0 if layout.pipeline == 1 else _bubble(parallel.schedule, layout.pipeline, micros)
    return Divided(
        layout, weights, gradients, optimizer, activations,
        peak=weights + gradients + optimizer + activations + gathered + rest, share=share, bubble=bubble,
        traffic=sent, seconds=sum(sent.bytes[name] / bandwidth(name, layout, hardware) for name in sent.bytes),
    )  # fmt: skip


def bandwidth(name: str, layout: Layout, hardware: Hardware) -> float:
    """Bytes per second along a dimension of the grid: that of the network as soon as it leaves a machine."""
    last = {"data": "replicate"}.get(name, name)
    reach = 1
    for dimension in INWARDS[: INWARDS.index(last) + 1]:
        reach *= getattr(layout, dimension)
    return hardware.link if reach <= MACHINE else min(NETWORK, hardware.link)


def _in_flight(layout: Layout, schedule: str, micros: int) -> int:
    """How many micro-batches a stage has read and not yet read backwards, at most."""
    if layout.pipeline == 1:
        return 1
    return micros if schedule in ("gpipe", "loopedbfs") else min(micros, layout.pipeline)


def _bubble(schedule: str, p: int, micros: int) -> float:
    """The waiting of a pipeline of p devices, as a share of the computing: (p - 1) / m; half with two stages per
    device. The zero-bubble schedules are counted like the interleaved one, which they improve on."""
    return (p - 1) / micros / (1 if schedule in ("gpipe", "1f1b") else 2)

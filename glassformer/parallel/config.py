"""The settings of training with several processes: `parallel.*` of a recipe, and the layout that they give.

The processes form a grid with up to five dimensions. Two processes that differ in one place of the grid share

    pipeline     nothing of the model: each has other blocks
    replicate    the whole model, and read other rows of the batch
    shard        one copy of the model, of which each stores a part, and read other rows of the batch
    context      the rows, of which each reads other tokens
    tensor       the rows, and each matrix of the model, of which each computes with a part

The product of the sizes is the number of processes that `torchrun` has started.
"""

from dataclasses import dataclass
from math import prod
from typing import Literal

from pydantic import NonNegativeInt, PositiveFloat, PositiveInt

from glassformer.config import Config
from glassformer.errors import SettingError

Schedule = Literal[
    "gpipe", "1f1b", "interleaved1f1b", "loopedbfs", "interleavedzerobubble", "zbvzerobubble", "dualpipev"
]  # fmt: skip


DIMENSIONS = ("pipeline", "replicate", "shard", "context", "tensor")
"""Those of the grid. Processes that differ in the last one alone have numbers side by side."""


@dataclass(frozen=True)
class Layout:
    """The size of every dimension of the grid of processes."""

    pipeline: int = 1
    replicate: int = 1
    shard: int = 1
    context: int = 1
    tensor: int = 1

    @property
    def sizes(self) -> dict[str, int]:
        """The dimensions that have more than one process."""
        return {name: getattr(self, name) for name in DIMENSIONS if getattr(self, name) > 1}

    @property
    def world(self) -> int:
        """The number of processes."""
        return prod(self.sizes.values())

    @property
    def data(self) -> int:
        """The number of processes that read different rows of the batch."""
        return self.replicate * self.shard


class Parallel(Config):
    """How the processes that `torchrun` has started divide the work."""

    data: NonNegativeInt = 0
    """Processes that read different rows of the batch; 0: as many as the other settings leave."""
    shard: bool = False
    """Divide weights, gradients and optimizer state among those processes (FSDP2); false: each has a copy (DDP)."""
    replicate: PositiveInt = 1
    """With shard: the model is divided within each of so many groups of processes (HSDP)."""
    tensor: PositiveInt = 1
    """Processes that divide the matrices of every layer."""
    sequence: bool = False
    """With tensor: between the matrices of a layer, the processes also divide the tokens, which saves activations."""
    context: PositiveInt = 1
    """Processes that divide the tokens of every row."""
    pipeline: PositiveInt = 1
    """Processes that divide the blocks, one after the other."""
    schedule: Schedule = "1f1b"
    """The order in which the stages of a pipeline compute the micro-batches."""
    timeout_minutes: PositiveFloat = 5.0
    """How long a process waits for one that does not answer; longer than the longest checkpoint or evaluation takes."""

    def layout(self, world: int) -> Layout:
        """The layout for so many processes. Raises SettingError if they do not fit."""
        others = self.tensor * self.context * self.pipeline
        data = self.data or max(1, world // others)
        if data * others != world:
            n = data * others
            raise SettingError(
                f"parallel.* is a layout for {n} processes (data {data} x tensor {self.tensor} x context {self.context} x "
                f"pipeline {self.pipeline}) and {_started(world)}; start {n} with `torchrun --nproc-per-node {n} -m "
                f"glassformer ...`, or change the sizes so that their product is {world}"
            )
        if self.replicate > 1 and not self.shard:
            raise SettingError(
                f"parallel.replicate={self.replicate} makes groups of shards, and parallel.shard is false; set "
                "parallel.shard=true, or leave out parallel.replicate to give each process a copy of the model"
            )
        if data % self.replicate:
            raise SettingError(
                f"parallel.replicate={self.replicate} does not divide the {data} processes that read different rows; "
                f"choose a divisor of {data}"
            )
        replicate = self.replicate if self.shard else data
        return Layout(self.pipeline, replicate, data // replicate, self.context, self.tensor)


def _started(world: int) -> str:
    return f"{world} are running" if world > 1 else "one is running"

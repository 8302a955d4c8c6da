"""What a training leaves on the disk: checkpoints, from which it goes on, and snapshots, which show how it learned.

With `train.async_checkpoint` the training waits only until the tensors are copied in main memory. A thread then writes,
forces to the disk and renames them while the next steps are computed. At most one checkpoint is in the making: the next
one, the end of the training and Ctrl-C wait for it.

**If the disk refuses** a checkpoint in the background (full, read only), it is written again in the foreground, from the
same copy. If that succeeds the training goes on, and its log tells. If not, the training stops with one sentence, at most
a step after the first refusal: steps that cannot be saved are lost at the next power cut, and the earlier checkpoints are
there to go on from.
"""

import contextlib
import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any, Self

import torch
from torch import Tensor

from glassformer.errors import DiskError
from glassformer.model.gpt import GPT
from glassformer.runs import optimizer_state, snapshots, writing
from glassformer.runs.manifest import Damaged
from glassformer.runs.retention import prune
from glassformer.system.folders import remove
from glassformer.system.threads import Job
from glassformer.tokenizers import Tokenizer
from glassformer.train.average import Average
from glassformer.train.config import TrainConfig
from glassformer.train.ranks import ALONE, Ranks


class Saving:
    """The files that belong to the weights of one run. Use it as a context: at its end everything is on the disk."""

    def __init__(
        self, run: Path, model: GPT, optimizer: torch.optim.Optimizer, config: TrainConfig, recipe_json: str,
        tokenizer: Tokenizer, sources: Mapping[str, bytes], average: Average, ranks: Ranks = ALONE,
        saved: Callable[[Path], None] = lambda folder: None, refused: Callable[[DiskError], None] = lambda error: None,
    ) -> None:  # fmt: skip
        """`run` is the run's folder; `sources` are the user's own files that the recipe names. One of the `ranks` writes,
        and the others send it their parts of the weights. `saved` is told of each checkpoint that is on the disk, `refused`
        of one that is tried again, both in the thread that calls."""
        self.run, self.model, self.optimizer, self.average, self.config = run, model, optimizer, average, config
        self.ranks = ranks
        self.recipe_json, self.beside = recipe_json, (recipe_json, tokenizer, sources)
        self.saved, self.refused = saved, refused
        self.copy = Copy()
        self.writing: tuple[Job[Path], writing.Contents] | None = None  # what the thread writes

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: Any) -> None:
        with contextlib.suppress(DiskError) if kind else contextlib.nullcontext():  # the first error is the one to tell
            self.settle()

    def checkpoint(self, state: dict[str, Any]) -> None:
        """Write a checkpoint, and delete those that are not kept; with `train.async_checkpoint`, begin to. It is the same
        for any number of ranks. Raises DiskError where the system refuses this one or the one before."""
        self.settle()
        held = whole(writing.contents(self.model, self.optimizer, state, self.average.tensors), self.model, self.ranks)
        if not self.ranks.writes:
            self.saved(self.run / "checkpoints" / writing.name_of(state))
            return
        if not self.config.async_checkpoint:
            self.saved(self._write(held))
            return
        held = self.copy.of(held)
        job = Job(lambda: self._write(held))
        self.writing = job, held
        with contextlib.suppress(RuntimeError):  # no thread can be started: `settle` does the job
            Thread(target=job.begin, name="checkpoint").start()

    def poll(self) -> None:
        """Tell of the checkpoint in the background if it is finished. Raises DiskError."""
        if self.writing is not None and self.writing[0].is_over():
            self.settle()

    def settle(self) -> None:
        """Wait until the checkpoint in the background is on the disk. Raises DiskError."""
        if self.writing is None:
            return
        (job, held), self.writing = self.writing, None
        try:
            folder = job.result()
        except DiskError as error:
            self.refused(error)
            folder = self._write(held)
        self.saved(folder)

    def _write(self, held: writing.Contents) -> Path:
        folder = self.run / "checkpoints"
        saved = writing.save(folder, held, *self.beside)
        try:
            prune(folder, self.config.keep_checkpoints)
        except Damaged as error:
            remove(saved)
            raise DiskError(f"{error}, although it has just been written", "check the disk it is on") from error
        return saved

    def snapshot(self, state: dict[str, Any], last: bool) -> None:
        """Write a snapshot, if the recipe has them and this is one of their steps or the `last` of the run."""
        if self.config.snapshots and (last or snapshots.is_due(state["step"])):
            weights = self.ranks.whole({**self.model.state_dict(), **self.average.tensors})
            if self.ranks.writes:
                snapshots.save(self.run, weights, state, *self.beside)


def whole(held: writing.Contents, model: GPT, ranks: Ranks) -> writing.Contents:
    """What a checkpoint holds of all ranks, as one process would have it, on the rank that writes."""
    tensors = {file: ranks.whole(named) for file, named in held.tensors.items()}
    notes = ranks.notes([held.optimizer, held.state["frozen"]])
    if len(notes) == 1:
        return replace(held, tensors=tensors)
    with torch.device("meta"):  # the stages of a pipeline have parts of this model
        order = [name for name, _ in GPT(model.config).named_parameters()]
    frozen = {name for _, names in notes for name in names}
    state = {**held.state, "frozen": [name for name in order if name in frozen]}
    return writing.Contents(state, tensors, optimizer_state.merged([tree for tree, _ in notes], order))


class Copy:
    """Main memory for one copy of what a checkpoint holds. It is taken for the first checkpoint and used for each again."""

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, str], Tensor] = {}

    def of(self, held: writing.Contents) -> writing.Contents:
        """The same contents, which no later step changes."""
        made: dict[tuple[Any, ...], Tensor] = {}  # tied weights are copied once
        tensors = {
            file: {name: self._copied((file, name), tensor, made) for name, tensor in named.items()}
            for file, named in held.tensors.items()
        }
        if any(tensor.is_cuda for named in held.tensors.values() for tensor in named.values()):
            torch.cuda.synchronize()
        return replace(held, state=copy.deepcopy(held.state), tensors=tensors)

    def _copied(self, key: tuple[str, str], tensor: Tensor, made: dict[tuple[Any, ...], Tensor]) -> Tensor:
        tensor = tensor.detach()
        same = tensor.device, tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride()
        if tensor.numel() and same in made:
            return made[same]
        buffer = self._buffers.get(key)
        if buffer is None or buffer.shape != tensor.shape or buffer.dtype != tensor.dtype:
            buffer = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=tensor.is_cuda)
            self._buffers[key] = buffer
        made[same] = buffer.copy_(tensor, non_blocking=tensor.is_cuda)
        return buffer

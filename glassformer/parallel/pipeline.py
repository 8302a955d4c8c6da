"""Pipeline parallelism: each process has some of the blocks, and micro-batches pass through the processes one after
another.

The order in which a process computes the forward and backward passes of its micro-batches is a schedule of
torch.distributed.pipelining:

    gpipe                    all forward passes, then all backward passes (Huang et al., 2019) 1f1b
    one forward, one backward: no more activations than stages (Narayanan et al., 2019) loopedbfs                gpipe
    with two stages per process (Lamy-Poirier, 2022) interleaved1f1b          1f1b with two stages per process: half of
    the waiting, twice the messages (Narayanan et al., 2021) interleavedzerobubble    the gradients of the weights are
    computed while others wait (Qi et al., 2023) zbvzerobubble            the same with stages in a V: the first and the
    last are on one process (Qi et al., 2023, section 6) dualpipev                DeepSeek-V3's schedule, in a V as well
    (DeepSeek-AI, 2024, section 3.2.1)

With p processes and m micro-batches a process of gpipe or 1f1b waits for (p - 1) / (m + p - 1) of the time, so m should
be several times p. All schedules give the gradients of one process: the loss is divided by the tokens of all
micro-batches, and nothing is scaled afterwards.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed import ProcessGroup, pipelining
from torch.distributed.pipelining import PipelineStage

from glassformer.errors import SettingError
from glassformer.model.gpt import GPT
from glassformer.parallel.config import Layout, Parallel
from glassformer.parallel.copies import sum_gradients
from glassformer.parallel.mesh import texts_of
from glassformer.parallel.shards import local
from glassformer.parallel.stages import SPLIT, TWO, Stage, check, cut, is_tied, keep, stages_of

SCHEDULES = {
    "gpipe": pipelining.ScheduleGPipe,
    "1f1b": pipelining.Schedule1F1B,
    "interleaved1f1b": pipelining.ScheduleInterleaved1F1B,
    "loopedbfs": pipelining.ScheduleLoopedBFS,
    "interleavedzerobubble": pipelining.ScheduleInterleavedZeroBubble,
    "zbvzerobubble": pipelining.ScheduleZBVZeroBubble,
    "dualpipev": pipelining.ScheduleDualPipeV,
}  # fmt: skip
SHAPES = 8
"""For how many shapes of micro-batches a schedule is kept; rows of many lengths have many."""
Micro = tuple[Tensor, Tensor, Tensor | None]
"""ids, targets and documents (B, T) of a micro-batch."""


class Pipeline(nn.Module):
    """The part of a model that this process has, and how it computes with the others."""

    def __init__(self, model: GPT, group: ProcessGroup, schedule: str):
        """Keeps of a whole `model` what this process needs. Raises SettingError for what cannot be cut into stages."""
        super().__init__()
        n = group.size()
        self.group, self.schedule, self.n_stages = group, schedule, n * (1 + (schedule in TWO))
        check(model, self.n_stages, f"parallel.pipeline={n} with parallel.schedule={schedule}")
        self.mine, self.layers = stages_of(group.rank(), n, schedule), cut(model.config.n_layer, self.n_stages)
        first, last = 0 in self.mine, self.n_stages - 1 in self.mine
        self.tied = first != last and is_tied(model)
        """Whether the embedding is on this process and on the one at the other end."""
        self.module = keep(model, [layer for i in self.mine for layer in self.layers[i]], first, last)
        self.stages: tuple[nn.Module, ...] = ()
        self.copies: ProcessGroup | None = None
        """The processes that have copies of these stages."""
        self.split = 1
        """Among how many processes the tokens between stages are divided (parallel.sequence)."""
        self._ready: dict[tuple[int, int, int], Any] = {}

    def begin(self, wrap: Callable[[Stage], nn.Module]) -> None:
        """Make the stages, once the model is divided in all other ways; `wrap` makes shards of a stage."""
        ends = [(i == 0, i == self.n_stages - 1) for i in self.mine]
        stages = (Stage(self.module, self.layers[i], *end) for i, end in zip(self.mine, ends, strict=True))
        self.stages = tuple(wrap(stage) for stage in stages)  # a tuple: the modules are already those of `module`

    @property
    def _dtypes(self) -> tuple[torch.dtype, torch.dtype]:
        """Of the stream, and of nats and auxiliary losses."""
        dtype = next(self.module.parameters()).dtype
        return dtype, torch.float64 if dtype == torch.float64 else torch.float32

    @property
    def counted_elsewhere(self) -> list[Tensor]:
        """The parameters that the first stage has as well: a norm over all processes counts them there."""
        return [self.module.embedding] if self.tied and 0 not in self.mine else []

    def passes(
        self, micros: Sequence[Micro], cost: Callable[[Tensor, int], Tensor],
        within: Callable[[], contextlib.AbstractContextManager[Any]] = contextlib.nullcontext,
    ) -> float:  # fmt: skip
        """Forward and backward passes of the micro-batches, which all have the same shape; every process gives the same.

        `cost(nats, i)` makes the loss of micro-batch i, a scalar, from its nats (B, T); `within` is the context of a
        forward pass. Returns the sum of the losses, on every process. Gradients are added to `.grad`.
        """
        for stage in self.stages:
            stage.within = within  # type: ignore[assignment]
        rows, T = micros[0][0].shape
        schedule = self._schedule(len(micros), rows, T)
        ids, targets = torch.cat([m[0] for m in micros]), torch.cat([m[1] for m in micros])
        given: dict[str, Tensor] = {"targets": targets}
        if micros[0][2] is not None:
            given["documents"] = torch.cat([m[2] for m in micros if m[2] is not None])
        numbers = torch.arange(len(micros), device=ids.device).repeat_interleave(rows)
        losses: list[Tensor] = []
        self._cost = cost
        last = self.n_stages - 1 in self.mine
        also = {"target": numbers, "losses": losses} if last else {}
        schedule.step(*([ids] if 0 in self.mine else []), **given, **also)
        if self.copies is not None:
            sum_gradients(self.module.parameters(), self.copies)
        self._add_tied()
        total = torch.stack(losses).sum().double() if last else torch.zeros((), dtype=torch.float64, device=ids.device)
        distributed.broadcast(total, group_src=self._owner(self.n_stages - 1), group=self.group)
        return total.item()

    def _schedule(self, n: int, rows: int, T: int) -> Any:
        """torch's schedule for n micro-batches of this shape."""
        key = (n, rows, T)
        if key not in self._ready:
            self._check(n)
            if len(self._ready) == SHAPES:  # the oldest one goes, with its buffers
                del self._ready[next(iter(self._ready))]
            stages = [self._stage(i, module, rows, T) for i, module in zip(self.mine, self.stages, strict=True)]
            given: Any = stages if self.schedule in TWO else stages[0]
            self._ready[key] = SCHEDULES[self.schedule](given, n, loss_fn=self._loss, scale_grads=False)
        return self._ready[key]

    def _stage(self, i: int, module: nn.Module, rows: int, T: int) -> PipelineStage:
        model, (dtype, wide) = self.module, self._dtypes
        between: tuple[Tensor, ...] = (self._example(rows, T // self.split, model.config.n_embd, dtype=dtype),)
        if model.routed:
            between = (*between, self._example(1, dtype=wide))
        first = (torch.empty(rows, T, dtype=torch.long, device="meta"),)
        last = (self._example(rows, T, dtype=wide),)
        return PipelineStage(
            module, i, self.n_stages, model.device, group=self.group, input_args=between if i else first,
            output_args=last if i == self.n_stages - 1 else between,
        )  # fmt: skip

    def _example(self, *shape: int, dtype: torch.dtype) -> Tensor:
        return torch.empty(shape, dtype=dtype, device="meta", requires_grad=True)

    def _loss(self, nats: Tensor, numbers: Tensor) -> Tensor:
        return self._cost(nats, int(numbers[0]))

    def _check(self, n: int) -> None:
        """Raises SettingError if the schedule cannot have n micro-batches."""
        p, given = self.group.size(), f"parallel.schedule={self.schedule} with parallel.pipeline={self.group.size()}"
        if self.schedule == "1f1b" and n < p:
            raise SettingError(
                f"{given} needs at least {p} micro-batches, and there are {n}; set train.grad_accumulation={p} times the "
                "number of processes that read different rows, or parallel.schedule=gpipe"
            )
        if self.schedule == "dualpipev" and n < 2 * p:
            raise SettingError(
                f"{given} needs at least {2 * p} micro-batches, and there are {n}; set train.grad_accumulation={2 * p} "
                "times the number of processes that read different rows, or parallel.schedule=interleaved1f1b"
            )
        if self.schedule.startswith("interleaved") and n % max(1, n // p):
            raise SettingError(
                f"{given} cannot order {n} micro-batches in rounds of {p}; make their number a multiple of {p} "
                "(train.grad_accumulation), or set parallel.schedule=1f1b"
            )

    def _owner(self, stage: int) -> int:
        """The process that has a stage."""
        return next(r for r in range(self.group.size()) if stage in stages_of(r, self.group.size(), self.schedule))

    @torch.no_grad()
    def _add_tied(self) -> None:
        """A tied embedding has a gradient on the first stage and another on the last: both get the sum."""
        if not self.tied:
            return
        weight = self.module.embedding
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        ours = local(weight.grad).contiguous()
        theirs, other = torch.empty_like(ours), self._owner(self.n_stages - 1 if 0 in self.mine else 0)
        there = {"group": self.group, "group_peer": other}
        for work in distributed.batch_isend_irecv(
            [distributed.P2POp(distributed.isend, ours, **there), distributed.P2POp(distributed.irecv, theirs, **there)]
        ):
            work.wait()
        local(weight.grad).copy_(ours + theirs)

    @torch.no_grad()
    def forward(self, ids: Tensor, targets: Tensor | None = None, documents: Tensor | None = None) -> Tensor:
        """ids and targets (B, T) -> the nats (B, T), on every process, for evaluation: one stage after another computes,
        and sends to all. Training goes through `passes`."""
        assert targets is not None, "a pipeline evaluates; generate with a model that is not divided into stages"
        x: Any = ids
        for i in range(self.n_stages):
            if i in self.mine:
                given = {} if documents is None else {"documents": documents}
                x = self.stages[self.mine.index(i)](*(x if isinstance(x, tuple) else (x,)), targets=targets, **given)
            x = self._told(x, i, ids)
        return x

    def _told(self, x: Any, i: int, ids: Tensor) -> Any:
        """What stage i computed, on every process."""
        model, last, (dtype, wide) = self.module, i == self.n_stages - 1, self._dtypes
        shapes: list[Any] = [(ids.shape, wide)] if last else [((*ids.shape, model.config.n_embd), dtype)]
        if model.routed and not last:
            shapes.append(((1,), wide))
        given = x if isinstance(x, tuple) else (x,)
        found = []
        for number, (shape, dtype) in enumerate(shapes):
            t = given[number].contiguous() if i in self.mine else torch.empty(shape, dtype=dtype, device=ids.device)
            distributed.broadcast(t, group_src=self._owner(i), group=self.group)
            found.append(t)
        return found[0] if last or len(found) == 1 else tuple(found)


@torch.no_grad()
def gathered(tensors: Mapping[str, Tensor], group: ProcessGroup) -> dict[str, Tensor]:
    """The whole tensors of all stages by name, on the first process of the group; on the others, {}.

    A tied embedding, which two stages have, is that of the first.
    """
    device, first = _device(group), group.rank() == 0
    known = texts_of([(name, list(t.shape), str(t.dtype)) for name, t in tensors.items()], group)
    found = dict(tensors) if first else {}
    seen = {name for name, *_ in known[0]}
    for rank in range(1, group.size()):
        for name, shape, dtype in known[rank]:
            if name in seen:
                continue
            seen.add(name)
            if group.rank() == rank:
                distributed.send(tensors[name].to(device).contiguous(), group_dst=0, group=group)
            elif first:
                room = torch.empty(shape, dtype=getattr(torch, dtype.removeprefix("torch.")), device=device)
                distributed.recv(room, group_src=rank, group=group)
                found[name] = room.cpu()
    return found


def _device(group: ProcessGroup) -> torch.device:
    return torch.device("cuda" if distributed.get_backend(group) == "nccl" else "cpu")


def refuse(model: GPT, parallel: Parallel, layout: Layout) -> None:
    """Raises SettingError for what a pipeline cannot be combined with."""
    if layout.context > 1:
        raise SettingError(
            f"parallel.pipeline={layout.pipeline} cannot be combined with parallel.context={layout.context}; set "
            f"parallel.context=1 and parallel.tensor={layout.context} with parallel.sequence=true"
        )
    if parallel.schedule not in SPLIT:
        return
    given = f"parallel.schedule={parallel.schedule} computes the gradients of weights later than those of activations"
    if parallel.shard:
        raise SettingError(
            f"{given}, and parallel.shard=true would sum them too early; set parallel.schedule=interleaved1f1b, or "
            "parallel.shard=false"
        )
    if model.routed:
        raise SettingError(
            f"{given}, and cannot do that for the auxiliary loss of model.mlp={model.config.mlp.name}; set "
            "parallel.schedule=interleaved1f1b, or model.mlp=swiglu"
        )

"""Ranks: the processes that train one model together, as the trainer sees them.

The processes have been started by `torchrun`, and the model has been divided over them (glassformer/parallel). What is left
to the trainer is arithmetic: which rows this process reads, sums over the tokens of all, and one decision for all.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.data.batches import Batch, rows_of
from glassformer.kernels import Kernels
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.parallel import shards
from glassformer.parallel.config import DIMENSIONS
from glassformer.parallel.mesh import Mesh, texts_of

ROWS = ("replicate", "shard")
"""Dimensions along which processes read other rows. Along the others they have the same rows and the same loss."""


@dataclass(frozen=True)
class Ranks:
    """This process among the others in `mesh`; without a mesh it is alone."""

    mesh: Mesh | None = None

    @property
    def rank(self) -> int:
        """Which share of every batch this process reads."""
        return self.mesh.rank if self.mesh else 0

    @property
    def count(self) -> int:
        """How many shares a batch has."""
        return self.mesh.count if self.mesh else 1

    @property
    def writes(self) -> bool:
        """Whether this process writes the run folder; only one may."""
        return self.mesh is None or self.mesh.writes

    @property
    def can_generate(self) -> bool:
        """Whether the model can write: a pipeline, whose processes have other blocks each, only evaluates."""
        return self.mesh is None or self.mesh.layout.pipeline == 1

    @property
    def has_whole_model(self) -> bool:
        """Whether a forward pass of this process needs no other process."""
        return self.mesh is None or self.mesh.layout.replicate == self.mesh.layout.world

    def sum(self, number: float, device: torch.device) -> float:
        """The sum of a number of tokens, or of a loss, over all rows. Every process must call it, as all methods below."""
        return self.mesh.sum(number, *ROWS, device=device) if self.mesh else number

    def any(self, flag: bool, device: torch.device) -> bool:
        """Whether it is true of one of the processes."""
        return self.mesh.sum(flag, *DIMENSIONS, device=device) > 0 if self.mesh else flag

    def told(self, number: int, device: torch.device) -> int:
        """The number of the process that writes; what the others give does not count."""
        return int(self.mesh.sum(number if self.writes else 0, *DIMENSIONS, device=device)) if self.mesh else number

    def passes(self, accumulation: int) -> int:
        """Forward passes of this process for a batch that one process would read in `accumulation` passes."""
        return -(-accumulation // self.count)

    def parts(self, batch: Batch, n: int) -> Iterator[Batch]:
        """The rows of this process in n parts. Alone there may be fewer; of several processes, each makes the same number
        of passes, and one that has no row left reads one without targets, since it computes with the others."""
        found = list(batch.parts(n)) if len(batch.ids) or self.mesh is None else []
        yield from found
        for _ in range(n - len(found) if self.mesh else 0):
            yield without_targets(batch)

    def share(self, batch: Batch) -> Batch:
        """The rows of a batch that this process evaluates; at least one, which may be without targets."""
        if self.count == 1:
            return batch
        mine = rows_of(self.rank, self.count, len(batch.ids))
        return batch.rows(mine) if mine.stop > mine.start else without_targets(batch)

    @contextlib.contextmanager
    def accumulating(self, model: nn.Module, last: bool) -> Iterator[None]:
        """The context of one pass: copies of a model exchange their gradients after the `last` pass only. Shards exchange
        them after each within their group, so that no process holds a whole gradient, and between groups after the last."""
        if hasattr(model, "set_requires_all_reduce"):
            model.set_requires_all_reduce(last)  # type: ignore[operator]
            model.set_is_last_backward(last)  # type: ignore[operator]
        with contextlib.nullcontext() if last or not hasattr(model, "no_sync") else model.no_sync():  # type: ignore
            yield

    def clip(
        self, parameters: list[nn.Parameter], limit: float, kernels: Kernels, elsewhere: Collection[nn.Parameter] = ()
    ) -> Tensor:
        """Clip the gradients to a global norm; returns the norm before, a scalar. `elsewhere` are parameters that another
        stage of a pipeline has as well, and counts."""
        if self.mesh is None:
            return kernels.clip(parameters, limit)
        twice = {id(p) for p in elsewhere}
        norm = self.norms([p.grad for p in parameters if p.grad is not None and id(p) not in twice])[0]
        return kernels.clip([shards.with_gradient(p) for p in parameters], limit, norm=norm)

    def norms(self, *groups: Iterable[Tensor]) -> Tensor:
        """(n,): the norm of each group of tensors, over all processes that hold parts of them."""
        assert self.mesh is not None
        return shards.norms(groups, self.mesh)

    def whole(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The whole tensors, of all stages of a pipeline, on the process that writes; on the others, {}."""
        if self.mesh is None:
            return dict(tensors)
        stages = self.mesh.group("pipeline")
        if stages is None:
            return shards.gathered(tensors, self.writes)
        from glassformer.parallel import pipeline

        found = pipeline.gathered(shards.gathered(tensors, True), stages)
        return found if self.writes else {}

    def notes(self, own: Any) -> list[Any]:
        """What each stage of a pipeline gives, made of JSON's types, first to last; alone, [own]."""
        stages = self.mesh.group("pipeline") if self.mesh else None
        return [own] if stages is None else texts_of(own, stages)

    def let_go(self, model: nn.Module) -> None:
        """Forget what was gathered of the model in a forward pass without a backward pass."""
        for whole in (model, *getattr(model, "stages", ())):
            for module in whole.modules():
                if hasattr(module, "reshard"):
                    module.reshard()  # type: ignore[operator]


def without_targets(batch: Batch) -> Batch:
    """One row like those of `batch`, of which no token counts."""
    fields: dict[str, Any] = {
        name: field[:1] if len(field) else field.new_zeros((1, *field.shape[1:]))
        for name, field in vars(batch).items()
        if field is not None
    }
    return batch.having(**{**fields, "targets": torch.full_like(fields["targets"], IGNORED)})


def padded(batch: Batch, rows: int) -> Batch:
    """A batch with rows without targets behind its own, so that it has `rows`."""
    missing, empty = rows - len(batch.ids), without_targets(batch)
    fields = {name: field for name, field in vars(batch).items() if field is not None}
    more = {name: torch.cat([field, getattr(empty, name).repeat_interleave(missing, 0)]) for name, field in fields.items()}
    return batch if missing == 0 else batch.having(**more)


ALONE = Ranks()
"""One process trains the model."""

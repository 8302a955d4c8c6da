"""Promises of a sampler of batches (`train.sampler`), tried on 3,000 ids in documents of different lengths."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glassformer.data.batches import Batch, Batches
from glassformer.data.sampler import Sampler
from glassformer.data.shards import Split
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab.contracts._alone import cases, label

__all__ = ["BASIS", "PROMISES", "cases", "label"]

VOCAB, CONTEXT, ROWS, SEPARATOR = 50, 16, 8, 0


def text() -> Split:
    """Documents of 3 to 60 tokens; each begins with the separator."""
    generator = np.random.default_rng(0)
    documents = [[SEPARATOR, *generator.integers(1, VOCAB, n)] for n in generator.integers(3, 60, 100)]
    return Split.of(np.concatenate(documents), separator=SEPARATOR)


def built(sampler: Sampler, seed: int = 0) -> Batches:
    """The batches of a run on `text`."""
    return sampler.build(text(), CONTEXT, ROWS, seed)


def tensors(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """Its fields by name."""
    return ((name, field) for name, field in vars(batch).items() if field is not None)


def gives_batches(sampler: Sampler) -> None:
    """Every step gives a Batch: ids and targets (B, T) int64 of the vocabulary; T is at most the context."""
    batches = built(sampler)
    for step in (0, 1, 2, 1000):
        batch: Any = batches(step)
        assert isinstance(batch, Batch), f"step {step} gives a {type(batch).__name__}, no Batch"
        ids, targets = batch.ids, batch.targets
        assert ids.dtype == targets.dtype == torch.int64, f"ids are {ids.dtype} and targets {targets.dtype}, not int64"
        assert ids.shape == targets.shape and ids.ndim == 2, (
            f"ids {tuple(ids.shape)} and targets {tuple(targets.shape)} differ"
        )
        assert ids.shape[1] <= CONTEXT, f"rows of {ids.shape[1]} tokens, and the context has {CONTEXT}"
        counted = targets[targets != IGNORED]
        for name, numbers in (("id", ids), ("target", counted)):
            wrong = numbers[(numbers < 0) | (numbers >= VOCAB)]
            assert not len(wrong), (
                f"step {step} has the {name} {wrong[0].item() if len(wrong) else ''}, which no token has"
            )
        assert len(counted), f"no target of step {step} counts"


def hides_the_targets(sampler: Sampler) -> None:
    """A target is the token that follows, not the one that the model reads at its place."""
    batch = built(sampler)(3)
    counts = batch.targets != IGNORED
    same = (batch.ids == batch.targets)[counts].float().mean().item()
    assert same < 0.5, f"{same:.0%} of the targets are the ids at their own place; read row[:-1] and predict row[1:]"


def depends_on_seed_and_step_alone(sampler: Sampler) -> None:
    """Asked again, in another order or in another process, each step has the same batch: a resumed run is the same run."""
    one, two = built(sampler), built(sampler)
    first = [one(step) for step in range(4)]
    for step in (3, 0, 2, 1):
        for name, field in tensors(first[step]):
            for again in (one(step), two(step)):
                other = getattr(again, name)
                same = other.shape == field.shape and torch.equal(other, field)
                assert same, f"{name} of step {step} differs when it is asked for again; draw from (seed, step) alone"


def shares_a_step_among_processes(sampler: Sampler) -> None:
    """The rows that two processes read of a step are together the rows of one."""
    batches = built(sampler)
    for step in range(3):
        whole, halves = batches(step), [batches(step, rank=rank, ranks=2) for rank in range(2)]
        n, found = int((whole.targets != IGNORED).sum()), sum(int((half.targets != IGNORED).sum()) for half in halves)
        assert n == found, f"step {step} has {n} targets in one process and {found} in two"
        lists = [sorted(batch.ids[batch.targets != IGNORED].tolist()) for batch in (whole, *halves)]
        assert lists[0] == sorted(lists[1] + lists[2]), f"two processes read other tokens of step {step} than one does"


BASIS = [gives_batches]
PROMISES = [hides_the_targets, depends_on_seed_and_step_alone, shares_a_step_among_processes]

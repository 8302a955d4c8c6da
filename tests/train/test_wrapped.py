"""Training calls the model and nothing beside it: a compiled model is compiled, and two processes are one."""

import os
import signal
import sys

import pytest
import torch
from torch import nn

from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.wrapped import unwrapped
from glassformer.runs import checkpoint
from glassformer.runs.run import Run
from glassformer.train.ranks import Ranks

from .test_trainer import assert_equal_bits, trainer, weights


class Wrapper(nn.Module):
    """What DistributedDataParallel looks like from outside."""

    def __init__(self, module):
        super().__init__()
        self.module, self.calls = module, 0

    def forward(self, *given, **named):
        self.calls += 1
        return self.module(*given, **named)


def counting(calls):
    """A torch.compile that notes each call of a compiled graph."""

    def backend(graph, inputs):
        def call(*given):
            calls.append(len(graph.graph.nodes))
            return graph(*given)

        return call

    return lambda model: torch.compile(model, backend=backend)


def test_a_compiled_model_is_compiled_in_every_update(recipe, data, tmp_path):
    torch._dynamo.reset()
    calls = []
    made, plain = (trainer(recipe, data, tmp_path / n, wrap=w) for n, w in (("a", counting(calls)), ("b", lambda m: m)))
    for step in range(3):
        before = len(calls)
        loss, norm, _ = made.update(step)
        expected = plain.update(step)
        assert len(calls) >= before + 2  # once per micro-batch
        assert (loss, norm) == (pytest.approx(expected[0], rel=1e-5), pytest.approx(expected[1], rel=1e-4))
    assert max(calls) > 100  # the whole model, not a corner of it


def test_a_wrapped_model_trains_saves_and_writes_under_the_names_of_the_model_inside(recipe, data, tmp_path):
    short = recipe.override("train.steps=4", "train.checkpoint_every=2")
    made = trainer(short, data, tmp_path / "wrapped", wrap=Wrapper)
    plain = trainer(short, data, tmp_path / "plain")
    assert made.train() == plain.train() == "done"
    assert made.model.calls == 4 * 2 + 2  # every micro-batch, and two evaluations
    assert_equal_bits(weights(tmp_path / "wrapped"), weights(tmp_path / "plain"))


def test_the_model_is_found_inside_any_wrappers():
    linear = nn.Linear(2, 2)
    assert unwrapped(linear) is linear
    assert unwrapped(Wrapper(linear)) is unwrapped(Wrapper(Wrapper(linear))) is linear
    assert unwrapped(torch.compile(Wrapper(linear))) is linear
    both = nn.ModuleDict({"module": linear, "other": linear})
    assert unwrapped(both) is both


# two processes


def ragged(batches):
    """Rows that count 1, 5, 9 ... of their targets: the halves of a batch have different numbers of tokens."""

    def of(step, rank=0, ranks=1):
        batch = batches(step)
        targets = batch.targets.clone()
        for i, row in enumerate(targets):
            row[1 + 4 * i :] = IGNORED
        whole = batch.having(targets=targets)
        return list(whole.parts(ranks))[rank]

    return of


def process(rank, ranks, folder, recipe, data, steps):
    """One of `ranks` processes: `steps` updates in float64; what it found is in `folder`/<ranks>-<rank>.pt."""
    torch.set_num_threads(1)
    alone = ranks == 1
    if not alone:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=ranks
        )
    batches = ragged(recipe.train.sampler.build(data.train, recipe.model.context_length, recipe.train.batch_size, 1))

    def wrap(model):
        model = model.double()
        return model if alone else nn.parallel.DistributedDataParallel(model)

    made = trainer(recipe, data, folder / f"run-{ranks}-{rank}", wrap=wrap, ranks=Ranks(rank, ranks),
                   batches=lambda step: batches(step, rank, ranks))  # fmt: skip
    found = []
    for step in range(steps):
        loss = made.gradients(step)
        found.append((loss, {name: p.grad.clone() for name, p in made.inner.named_parameters()}))
        made.inner.zero_grad()
        found.append((made.update(step)[:2], {name: p.detach().clone() for name, p in made.inner.named_parameters()}))
    tokens = made.tokens

    def interrupting(step):
        if step == 1 and rank == ranks - 1:  # the last rank is asked to stop, and all stop after this step
            os.kill(os.getpid(), signal.SIGTERM)
        return batches(step, rank, ranks)

    run = trainer(recipe, data, folder / f"whole-{ranks}-{rank}", wrap=wrap, ranks=Ranks(rank, ranks), batches=interrupting)
    torch.save((found, tokens, run.train(), run.done), folder / f"{ranks}-{rank}.pt")
    if not alone:
        torch.distributed.destroy_process_group()


def test_two_processes_are_one(recipe, data, tmp_path):
    """The mean is over the tokens of both, though they have 28 and 92 of them; then the optimizer takes the same step."""
    recipe = recipe.override("train.optimizer=adamw")
    process(0, 1, tmp_path, recipe, data, 2)
    torch.multiprocessing.spawn(process, (2, tmp_path, recipe, data, 2), nprocs=2)
    (alone, tokens, *_), *both = (torch.load(tmp_path / f"{name}.pt") for name in ("1-0", "2-0", "2-1"))
    for found, counted, outcome, done in both:
        assert (outcome, done) == ("interrupted", 2)
        assert counted == tokens == 4 * sum(1 + 4 * i for i in range(8))
        for (loss, tensors), (expected_loss, expected) in zip(found, alone, strict=True):
            assert loss == pytest.approx(expected_loss, rel=1e-12)
            for name in expected:
                torch.testing.assert_close(tensors[name], expected[name], rtol=1e-9, atol=1e-12)
    lines = [Run.open(tmp_path / name).metrics("train") for name in ("whole-1-0", "whole-2-0")]
    assert [line["step"] for line in lines[0]] == [line["step"] for line in lines[1]] == [1, 2]
    for line, other in zip(*lines):
        assert (line["tokens"], line["loss"]) == (other["tokens"], pytest.approx(other["loss"], rel=1e-12))
    assert not (tmp_path / "whole-2-1" / "metrics.jsonl").exists()  # one process writes
    assert checkpoint.load(tmp_path / "whole-2-0").step == 2

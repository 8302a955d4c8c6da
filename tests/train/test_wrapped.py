"""Training calls the model and nothing beside it: a compiled model is compiled, a wrapped one is called."""


import pytest
import torch
from torch import nn

from glassformer.model.wrapped import unwrapped

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

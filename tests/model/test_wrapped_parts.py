"""Parts of a model inside wrappers, parts that return more than one tensor, and calls that do not fit a cache."""

import pytest
import torch
from torch import nn

from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.wrapped import unwrapped

SHAPE = {"vocab_size": 23, "context_length": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}
IDS = torch.randint(23, (2, 9), generator=torch.Generator().manual_seed(0))


def gpt(**settings) -> GPT:
    return GPT(GPTConfig.parse({**SHAPE, **settings}), seed=1)


class Wrapper(nn.Module):
    """As adapters and activation checkpointing wrap a part."""

    def __init__(self, inner: nn.Module):
        super().__init__()
        self.inner = inner

    def forward(self, *args, **kwargs):
        return self.inner(*args, **kwargs)


@pytest.mark.parametrize("wrap", [Wrapper, lambda part: torch.compile(part, backend="eager")], ids=["wrapper", "compiled"])
@pytest.mark.parametrize("where", ["mlp", "block"])
@pytest.mark.parametrize("mlp", ["moe", "swiglu"])
def test_a_wrapped_part_changes_nothing(wrap, where, mlp):
    model, other = gpt(mlp=mlp).train(), gpt(mlp=mlp).train()
    if where == "mlp":
        other.blocks[0].mlp = wrap(other.blocks[0].mlp)
    else:
        other.blocks[0] = wrap(other.blocks[0])
    targets = IDS.roll(-1, 1)
    expected, found = model(IDS, targets), other(IDS, targets)
    assert torch.equal(found, expected)
    expected.mean().backward(), found.mean().backward()
    for p, q in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad)


def test_an_mlp_of_ones_own_may_return_an_auxiliary_loss():
    class Costly(nn.Module):
        def forward(self, x):
            return x, x.new_tensor(0.5)

    model, targets = gpt().train(), IDS.roll(-1, 1)
    model.blocks[0].mlp = Costly()
    with_loss = model(IDS, targets)
    assert torch.allclose(with_loss - 0.5, model.eval()(IDS, targets), atol=1e-6)


@pytest.mark.parametrize("mixer", ["full", {"name": "sliding", "window": 4}])
def test_a_cached_call_trains_whichever_projection_is_not_frozen(mixer):
    def gradients(cached: bool, trained: tuple[str, ...]) -> list[torch.Tensor]:
        model = gpt(mixer=mixer)
        for name, p in model.named_parameters():
            p.requires_grad_(name.startswith("blocks.0.mixer.") and name.split(".")[3] in trained)
        if cached:
            cache = model.make_cache(2, 16)
            logits = torch.cat([model(part, cache=cache) for part in IDS.split([5, 1, 3], 1)], 1)
        else:
            logits = model(IDS)
        if cached:  # no gradient flows into an earlier call, so only the first call is compared
            logits = logits[:, :5]
        logits[:, :5].square().sum().backward()
        return [p.grad for p in model.parameters() if p.requires_grad]

    for trained in (("q_proj",), ("v_proj",), ("q_proj", "v_proj"), ("k_proj",)):
        for found, expected in zip(gradients(True, trained), gradients(False, trained), strict=True):
            assert found is not None and torch.allclose(found, expected, atol=1e-5), trained


def test_a_batch_must_fit_the_slots_of_its_cache():
    model = gpt()
    with pytest.raises(AssertionError, match="rows for 4 slots"):
        model(IDS, cache=model.make_cache(4, 16))
    with pytest.raises(AssertionError, match="slot"):
        model.make_cache(4, 16).at([-1])


def test_a_module_with_parameters_of_its_own_is_no_wrapper():
    class Scaled(nn.Module):
        def __init__(self, module):
            super().__init__()
            self.module, self.scale = module, nn.Parameter(torch.ones(()))

    model = gpt()
    assert unwrapped(torch.compile(model, backend="eager")) is model
    scaled = Scaled(model)
    assert unwrapped(scaled) is scaled

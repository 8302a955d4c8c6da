"""The model's one call in training: nats of the targets, auxiliary losses returned instead of kept, checkpointing."""

import copy
from functools import partial

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.block import Block
from glassformer.model.gpt import GPT, GPTConfig

SHAPE = {"vocab_size": 37, "context_length": 16, "n_layer": 3, "n_head": 2, "n_embd": 32}


def build(**slots) -> GPT:
    return GPT(GPTConfig.parse({**SHAPE, **slots}), seed=1)


def batch(T: int = 12) -> tuple[Tensor, Tensor]:
    ids = torch.randint(37, (4, T + 1), generator=torch.Generator().manual_seed(0))
    targets = ids[:, 1:].clone()
    targets[1, 3] = targets[2, :] = IGNORED
    return ids[:, :-1], targets


@pytest.mark.parametrize("head", ["tied", "untied", "multi_token"])
@pytest.mark.parametrize("mlp", ["swiglu", "moe"])
def test_with_targets_the_call_gives_the_nats_of_each(head, mlp):
    gpt, (ids, targets) = build(head=head, mlp=mlp).eval(), batch()
    nats = gpt(ids, targets)
    expected = F.cross_entropy(gpt(ids).transpose(1, 2), targets, ignore_index=IGNORED, reduction="none")
    torch.testing.assert_close(nats, expected)
    assert nats.shape == targets.shape and nats.dtype == torch.float32 and (nats[targets == IGNORED] == 0).all()
    assert gpt.double()(ids, targets).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert gpt.float()(ids, targets).dtype == torch.float32


@pytest.mark.parametrize(
    "parts", [{"mlp": "moe"}, {"head": "multi_token"}, {"mlp": "moe", "head": "multi_token"}], ids=str
)
def test_auxiliary_losses_are_added_to_every_counted_token_and_in_training_only(parts):
    gpt, (ids, targets) = build(**parts), batch()
    plain, trained = gpt.eval()(ids, targets), gpt.train()(ids, targets)
    added = (trained - plain)[targets != IGNORED]
    assert added.min() > 0.01 and added.max() - added.min() < 1e-5
    assert (trained[targets == IGNORED] == 0).all()


def test_the_load_balancing_loss_is_the_sum_over_layers_of_weight_times_balance():
    gpt, (ids, _) = build(mlp={"name": "moe", "aux_loss_weight": 0.25}), batch()
    targets, expected = torch.randint(37, ids.shape), []
    for block in gpt.blocks:
        block.mlp.register_forward_hook(
            lambda mlp, x, y: expected.append(
                gpt.kernels.route(x[0].flatten(0, 1) @ mlp.router.weight.T, 2)[2].detach()
            )
        )
    added = gpt(ids, targets) - gpt.eval()(ids, targets)
    torch.testing.assert_close(added, torch.full_like(added, 0.25 * sum(expected[:3]).item()))


@pytest.mark.parametrize(
    "parts", [{}, {"mlp": "moe", "head": "multi_token"}, {"dropout": 0.2, "position": "relative"}], ids=str
)
def test_checkpointed_blocks_leave_losses_and_gradients_as_they_were(parts):
    gpt, (ids, targets) = build(**parts), batch()
    checkpointed = copy.deepcopy(gpt)
    for block in checkpointed.blocks:
        block.forward = partial(checkpoint, block.forward, use_reentrant=False)
    found = []
    for model in (gpt, checkpointed):
        torch.manual_seed(0)
        nats = model(ids, targets)
        nats.sum().backward()
        found.append((nats.detach(), {name: p.grad for name, p in model.named_parameters()}))
    assert torch.equal(found[0][0], found[1][0])
    for name, gradient in found[0][1].items():
        assert gradient is not None and torch.equal(gradient, found[1][1][name]), name


@pytest.mark.parametrize("residual", ["pre", "post", "sandwich"])
def test_a_block_returns_its_auxiliary_loss_and_keeps_nothing(residual):
    gpt, (ids, targets) = build(mlp="moe", residual=residual), batch()
    returned = []
    for block in gpt.blocks:
        assert isinstance(block, Block)
        block.register_forward_hook(lambda block, given, result: returned.append(result[1]))
    gpt(ids, targets)
    assert len(returned) == 3 and all(loss.shape == () and loss.requires_grad for loss in returned)
    kept = [value for module in gpt.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    assert not kept, "a tensor of the last call is kept on a module"


def test_the_device_of_a_model_is_that_of_its_weights():
    assert build().device == torch.device("cpu")
    with torch.device("meta"):
        assert build().device == torch.device("meta")


@pytest.mark.parametrize("mixer", ["full", "gated_deltanet", "mamba", "linear"])
def test_padding_does_not_count_in_the_load_balancing_loss(mixer):
    """Neither what stands in the padding nor how much of it there is; ignored targets within a text do count."""
    gpt, (ids, targets) = build(mlp="moe", mixer=mixer), batch(12)
    for row, length in enumerate((3, 12, 7, 0)):
        targets[row, length:] = IGNORED
    targets[1, 3], targets[0, 0] = IGNORED, IGNORED
    nats = gpt(ids, targets)
    other = torch.where(torch.arange(12) < torch.tensor([3, 12, 7, 0])[:, None], ids, 5)
    torch.testing.assert_close(gpt(other, targets), nats, atol=1e-6, rtol=1e-6)
    wider = F.pad(targets, (0, 4), value=IGNORED)
    torch.testing.assert_close(gpt(F.pad(ids, (0, 4)), wider)[:, :12], nats, atol=1e-6, rtol=1e-6)
    within = ids.clone()
    within[1, 3] = (within[1, 3] + 1) % 37
    assert (gpt(within, targets) != nats)[0, 1], "a token of the text counts, whether or not its target is ignored"


def test_padding_of_a_ragged_batch_is_not_routed_either():
    """The load-balancing loss of the layer alone, with and without padding."""
    layer = build(mlp="moe").blocks[0].get_submodule("mlp")
    x = torch.randn(2, 6, 32, generator=torch.Generator().manual_seed(0))
    real = torch.arange(6) < torch.tensor([6, 2])[:, None]
    _, loss = layer(x, real)
    _, expected = layer(x[real][None])
    torch.testing.assert_close(loss, expected)

"""The coordinate check (Yang et al., 2022, appendix D.1): with muP, what a step changes does not depend on the width."""

import pytest
import torch
from torch import Tensor

from glassformer.data.batches import Batch
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.head import HasAuxiliaryLoss
from glassformer.train.optimizer import Optimizer, set_learning_rate

from .combinations import SLOTS

MUP = {"name": "mup", "base_width": 32}


@torch.no_grad()
def scores(gpt: GPT, batch: Batch) -> list[Tensor]:
    """The logits of the next token, and those of the ones after it where the head looks so far."""
    x = gpt.hidden(batch.ids)
    found = [gpt.logits(x)]
    if isinstance(gpt.head, HasAuxiliaryLoss):
        gpt.head.auxiliary_loss(x, lambda seen: found.append(gpt.logits(seen)) or found[-1], batch.targets)
    return found


def changes(init: dict | str, width: int, **parts) -> list[float]:
    """How much five AdamW steps change each of the scores of a batch: root mean square."""
    shape = {"vocab_size": 64, "context_length": 16, "n_layer": 2, "n_head": width // 16, "n_embd": width, "mlp": "gelu"}
    gpt = GPT(GPTConfig.parse({**shape, "init": init, **parts}), seed=1)
    ids = torch.randint(64, (16, 17), generator=torch.Generator().manual_seed(0))
    batch = Batch(ids[:, :-1], ids[:, 1:])
    optimizer = Optimizer.named("adamw", weight_decay=0).build(gpt)
    set_learning_rate(optimizer, 1e-2)
    before = scores(gpt, batch)
    for _ in range(5):
        gpt(batch.ids, targets=batch.targets).mean().backward()
        optimizer.step()
        gpt.zero_grad()
    return [(after - first).square().mean().sqrt().item() for after, first in zip(scores(gpt, batch), before)]


@pytest.mark.parametrize("head", SLOTS["head"])
def test_mup_changes_as_much_at_every_width(head):
    narrow, wide = (changes(MUP, width, head=head) for width in (32, 256))
    assert all(0.5 < b / a < 2 for a, b in zip(narrow, wide)), (narrow, wide)
    assert len(wide) == (2 if head == "multi_token" else 1)


@pytest.mark.parametrize("head", SLOTS["head"])
def test_gpt2_s_initialisation_changes_more_the_wider_it_is(head):
    narrow, wide = (changes("gpt2", width, head=head) for width in (32, 256))
    assert all(b / a > 3 for a, b in zip(narrow, wide)), (narrow, wide)


@pytest.mark.parametrize("V", [64, 256])
@pytest.mark.parametrize("head", SLOTS["head"])
def test_mup_slows_what_adds_up_numbers_of_the_stream_and_not_what_scores(head, V):
    """Also where the vocabulary is as large as the stream is wide, V = C."""
    gpt = GPT(GPTConfig.parse({"init": MUP, "n_embd": 256, "vocab_size": V, "head": head, "position": "learned"}))
    whole = {name for name, rate in gpt.lr_scales().items() if rate == 1 and gpt.get_parameter(name).ndim == 2}
    assert whole == {"embed.weight", "position.table.weight"} | ({"head.lm_head.weight"} if head == "untied" else set())
    for name, weight in gpt.named_parameters():
        if weight.ndim == 2 and not name.endswith(("o_proj.weight", "down_proj.weight")):
            assert weight.std().item() == pytest.approx(0.02 if name in whole else 0.02 / 8**0.5, rel=0.05), name


def test_farther_tokens_are_scored_as_the_next_one_is():
    """No score of theirs grows beyond the cap either, and the stream is scaled for them too."""
    gpt = GPT(GPTConfig.parse({"head": "multi_token", "logit_softcap": 0.05, "init": MUP, "n_embd": 128}), seed=1)
    ids = torch.randint(256, (2, 9), generator=torch.Generator().manual_seed(0))
    batch = Batch(ids[:, :-1], ids[:, 1:])
    near, far = scores(gpt, batch)
    assert 0.02 < near.abs().max() <= 0.05 and 0.02 < far.abs().max() <= 0.05
    x = gpt.hidden(batch.ids)
    seen = x[:, :-1] + gpt.head.get_submodule("views.0")(x[:, :-1])
    expected = torch.nn.functional.cross_entropy(gpt.logits(seen).flatten(0, 1), batch.targets[:, 1:].flatten())
    added = gpt.train()(batch.ids, batch.targets) - gpt.eval()(batch.ids, batch.targets)
    torch.testing.assert_close(added, (0.3 * expected).expand_as(added), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("init", ["gpt2", "flat", "fan_in", "zero"])
def test_other_initialisations_ask_for_no_rates(init):
    gpt = GPT(GPTConfig.parse({"init": init, "n_layer": 1}))
    assert set(gpt.lr_scales().values()) == {1.0}


def test_mup_at_its_base_width_is_gpt2():
    wide = {"n_embd": 128, "n_layer": 1}
    mup, plain = (GPT(GPTConfig.parse({**wide, "init": init}), seed=3) for init in ("mup", "gpt2"))
    assert all(torch.equal(a, b) for a, b in zip(mup.parameters(), plain.parameters()))
    assert set(mup.lr_scales().values()) == {1.0} and mup.config.init.logit_scale(mup.config) == 1

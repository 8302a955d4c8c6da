"""The coordinate check (Yang et al., 2022, appendix D.1): with muP, what a step changes does not depend on the width."""

import pytest
import torch

from glassformer.model.gpt import GPT, GPTConfig
from glassformer.train.optimizer.adamw import AdamW


def change(init: dict | str, width: int) -> float:
    """How much five AdamW steps change the logits of a batch: root mean square."""
    shape = {"vocab_size": 64, "context_length": 16, "n_layer": 2, "n_head": width // 16, "n_embd": width, "mlp": "gelu"}
    gpt = GPT(GPTConfig.parse({**shape, "init": init}), seed=1)
    ids = torch.randint(64, (16, 17), generator=torch.Generator().manual_seed(0))
    updater = AdamW(weight_decay=0).build(gpt.named_parameters(), gpt.kernels, gpt.rates())
    with torch.no_grad():
        before = gpt(ids[:, :-1])
    for step in range(1, 6):
        gpt.kernels.cross_entropy(gpt(ids[:, :-1]).flatten(0, 1), ids[:, 1:].flatten()).mean().backward()
        updater.step(step, 1e-2)
        gpt.zero_grad()
    with torch.no_grad():
        return (gpt(ids[:, :-1]) - before).square().mean().sqrt().item()


def test_mup_changes_as_much_at_every_width():
    narrow, wide = (change({"name": "mup", "base_width": 32}, width) for width in (32, 256))
    assert 0.5 < wide / narrow < 2


def test_gpt2_s_initialisation_changes_more_the_wider_it_is():
    narrow, wide = (change("gpt2", width) for width in (32, 256))
    assert wide / narrow > 3


@pytest.mark.parametrize("init", ["gpt2", "flat", "fan_in", "zero"])
def test_other_initialisations_ask_for_no_rates(init):
    gpt = GPT(GPTConfig.parse({"init": init, "n_layer": 1}))
    assert set(gpt.rates().values()) == {1.0}


def test_mup_at_its_base_width_is_gpt2():
    wide = {"n_embd": 128, "n_layer": 1}
    mup, plain = (GPT(GPTConfig.parse({**wide, "init": init}), seed=3) for init in ("mup", "gpt2"))
    assert all(torch.equal(a, b) for a, b in zip(mup.parameters(), plain.parameters()))
    assert set(mup.rates().values()) == {1.0} and mup.config.init.readout(mup.config) == 1

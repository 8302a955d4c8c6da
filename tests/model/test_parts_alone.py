"""Every part of a model can be built and called by itself in three lines, with weights that are ready for use."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from glassformer import kernels
from glassformer.model.embed import Embed
from glassformer.model.gpt import GPTConfig
from glassformer.model.head import Head
from glassformer.model.mixer import Mixer
from glassformer.model.mlp import MLP
from glassformer.model.mlp.moe import MoE
from glassformer.model.norm import Norm
from glassformer.model.position import Position
from glassformer.model.positions import Positions
from glassformer.model.roles import Leaf
from glassformer.model.shapes import Shapes

from .combinations import CHOICES, SLOTS

SLOT = {"embed": Embed, "head": Head, "mixer": Mixer, "mlp": MLP, "norm": Norm, "position": Position}
EVERY = [(slot, name) for slot in SLOT for name in SLOTS[slot] if not name.endswith(".py")]
SHAPES = Shapes(n_embd=64, n_head=4, bias=True)


@pytest.mark.parametrize("name", [name for name in CHOICES["mixer"] if not name.endswith(".py")])
def test_a_mixer(name):
    layer = Mixer.named(name).build(Shapes(n_embd=64, n_head=4))
    x = torch.randn(2, 9, 64)
    y = layer(x, Positions.of(9))
    assert y.shape == x.shape and 0 < y.std() < 1


def test_attention_with_rotary_positions_and_a_cache():
    rope = Position.named("rope").build(SHAPES)
    layer, x = Mixer.named("full", qk_norm="rmsnorm").build(SHAPES), torch.randn(2, 9, 64)
    y, cache = layer(x, Positions.of(9, scheme=rope)), layer.make_cache(rows=2, length=9)
    parts = [layer(x[:, a:b], Positions.of(b - a, start=a, scheme=rope), cache) for a, b in ((0, 5), (5, 9))]
    torch.testing.assert_close(torch.cat(parts, 1), y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("residual", SLOTS["residual"])
def test_a_block(residual):
    block = GPTConfig.parse({"n_embd": 64, "n_head": 4, "residual": residual}).block()
    x = torch.randn(2, 9, 64)
    y, auxiliary = block(x, Positions.of(9))
    assert y.shape == x.shape and not torch.equal(y, x) and auxiliary is None


def test_a_block_with_an_auxiliary_loss():
    y, auxiliary = GPTConfig.parse({"n_embd": 64, "mlp": "moe"}).block()(torch.randn(2, 9, 64), Positions.of(9))
    assert y.shape == (2, 9, 64) and auxiliary.shape == ()


@pytest.mark.parametrize("name", SLOTS["mlp"])
def test_an_mlp(name):
    mlp = MLP.named(name, n_hidden=96).build(Shapes(n_embd=64))
    y = mlp(torch.randn(2, 9, 64))
    y = y[0] if isinstance(mlp, MoE) else y
    assert y.shape == (2, 9, 64) and y.std() > 0


@pytest.mark.parametrize("name", SLOTS["norm"])
def test_a_norm(name):
    norm = Norm.named(name).build(Shapes(n_embd=64))
    x = torch.randn(2, 9, 64)
    expected = {
        "none": x, "layernorm": F.layer_norm(x, (64,)), "rmsnorm": F.rms_norm(x, (64,), eps=1e-6),
        "rmsnorm_zero_centered": F.rms_norm(x, (64,), eps=1e-6),
    }  # fmt: skip
    torch.testing.assert_close(norm(x), expected[name])


@pytest.mark.parametrize("name", SLOTS["head"])
def test_a_head_with_an_embedding(name):
    embed, head = Embed.named("token").build(SHAPES), Head.named(name).build(SHAPES)
    logits = head(embed(torch.arange(6)[None]), embed.weight)
    assert logits.shape == (1, 6, 256) and logits.std() > 0


@pytest.mark.parametrize(("slot", "name"), EVERY)
def test_a_part_built_alone_is_initialised_and_a_seed_decides_how(slot, name):
    def build() -> nn.Module:
        torch.manual_seed(3)
        return SLOT[slot].named(name).build(SHAPES)

    part, again = build(), build()
    for (path, p), q in zip(part.named_parameters(), again.parameters(), strict=True):
        assert p.isfinite().all() and torch.equal(p, q), path
        assert p.ndim == 1 or 0.001 < p.std() < 1, path
    before = {path: p.detach().clone() for path, p in part.named_parameters()}
    with torch.no_grad():
        for p in part.parameters():
            p.fill_(7)
    for module in part.modules():
        if isinstance(module, Leaf):
            module.reset_parameters()
    assert all((p != 7).any() for p in part.parameters()), "reset_parameters sets every parameter"
    assert all(torch.equal(p, before[path]) for path, p in part.named_parameters() if p.ndim == 1)


@pytest.mark.parametrize(("slot", "name"), EVERY)
def test_on_the_meta_device_nothing_is_drawn(slot, name):
    state = torch.random.get_rng_state()
    with torch.device("meta"):
        part = SLOT[slot].named(name).build(SHAPES)
        for module in part.modules():
            if isinstance(module, Leaf):
                module.reset_parameters()
    assert all(p.is_meta for p in part.parameters()) and torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(("slot", "name"), EVERY)
def test_without_kernels_a_part_has_the_fused_ones(slot, name):
    part = SLOT[slot].named(name).build(SHAPES)
    found = [module.kernels for module in part.modules() if hasattr(module, "kernels")]
    assert all(each == kernels.fused() for each in found)
    assert found or name in ("none", "alibi", "sinusoidal")


def test_a_model_prints_as_a_paper_names_its_parts():
    text = repr(GPTConfig.parse({"n_layer": 2, "norm": "layernorm", "mixer": "gated_deltanet", "mlp": "moe"}).block())
    names = ("PreNormBlock(", "(mixer_norm): LayerNorm(128, eps=1e-05)", "(mixer): GatedDeltaNet(", "(mlp): MoE(")
    assert all(name in text for name in names), text
    assert "2 of 4 experts per token" in text and "(q_proj): Linear(128, 128)" in text


def test_a_config_prints_the_names_of_its_variants():
    assert "mixer=sliding(" in repr(GPTConfig.parse({"mixer": "sliding"}))
    assert "norm=rmsnorm(eps=1e-06)" in repr(GPTConfig())

"""Biases against loops by hand and transformers; RoPE's knobs; that bad settings are refused with a remedy."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer import kernels
from glassformer.errors import SettingError
from glassformer.kernels.rope import frequencies
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.position.alibi import slopes
from glassformer.model.position.relative import bucket
from glassformer.model.position.rope.scaling import Scaling
from glassformer.model.positions import Positions
from glassformer.model.shapes import Shapes

CPU = torch.device("cpu")
SHAPE = {"vocab_size": 11, "context_length": 64, "n_layer": 1, "n_head": 2, "n_embd": 16}


def scheme(position: dict | str, **shape):
    config = GPTConfig.parse({**SHAPE, **shape, "position": position})
    return config.position.build(config, kernels.fused())


def theta(name: str, width: int = 8, base: float = 10_000.0, context: int = 64, **knobs) -> torch.Tensor:
    return Scaling.named(name, **knobs).frequencies(base, width, context, CPU)


# ALiBi and T5's bias.


@pytest.mark.parametrize("n_head", [1, 2, 3, 4, 6, 8, 12, 16, 20, 25])
def test_slopes_are_blooms_and_mpts(n_head):
    bloom = pytest.importorskip("transformers.models.bloom.modeling_bloom")
    mpt = pytest.importorskip("transformers.models.mpt.modeling_mpt")
    theirs = bloom.build_alibi_tensor(torch.ones(1, 2), n_head, torch.float32)[:, 0, 1]  # the slope times 1
    torch.testing.assert_close(torch.tensor(slopes(n_head)), theirs)
    torch.testing.assert_close(torch.tensor(slopes(n_head)), -mpt.build_mpt_alibi_tensor(n_head, 2)[:, 0, 0])


@settings(max_examples=25)
@given(buckets=st.integers(2, 40), reach=st.integers(1, 300), seed=st.integers(0, 99))
def test_buckets_are_t5s(buckets, reach, seed):
    t5 = pytest.importorskip("transformers.models.t5.modeling_t5")
    distance = torch.randint(0, 600, (200,), generator=torch.Generator().manual_seed(seed))
    top = buckets // 2 + reach
    theirs = t5.T5Attention._relative_position_bucket(-distance, False, buckets, top)
    assert torch.equal(bucket(distance, buckets, top), theirs)
    ordered = bucket(torch.arange(2 * top), buckets, top)
    assert (ordered.diff() >= 0).all() and ordered[0] == 0 and ordered[-1] == buckets - 1


@pytest.mark.parametrize("position", ["alibi", {"name": "relative", "buckets": 6, "max_distance": 9}])
def test_a_bias_is_the_same_for_pieces_rows_and_the_whole(position):
    part = scheme(position, n_head=3, n_embd=12)
    index = torch.arange(12)
    whole = part.bias(index, index)  # (H, T, T)
    assert whole.shape == (3, 12, 12)
    torch.testing.assert_close(part.bias(index[5:7], index), whole[:, 5:7])
    torch.testing.assert_close(part.bias(index + 100, index + 100), whole)
    rows = torch.tensor([[3, 4], [9, 10]])
    torch.testing.assert_close(part.bias(rows, index), torch.stack([whole[:, r] for r in rows]))
    pieces = part.bias(index.view(3, 4), index.view(3, 4))
    torch.testing.assert_close(pieces, torch.stack([whole[:, i : i + 4, i : i + 4] for i in (0, 4, 8)]))
    ragged = Positions(rows, part).bias(index[None].expand(2, -1))
    torch.testing.assert_close(ragged, part.bias(rows, index))


def test_alibi_by_hand():
    bias = scheme("alibi", n_head=4).bias(torch.tensor([7]), torch.arange(8))
    assert bias[:, 0].tolist() == [[-(2.0 ** (-2 * h)) * (7 - s) for s in range(8)] for h in (1, 2, 3, 4)]


@pytest.mark.parametrize("mixer", ["full", {"name": "sliding", "window": 40}, {"name": "block_sparse", "block": 20}])
def test_every_bucket_that_is_met_learns(mixer):
    position = {"name": "relative", "buckets": 8, "max_distance": 30}
    gpt = GPT(GPTConfig.parse({**SHAPE, "context_length": 200, "position": position, "mixer": mixer}))
    gpt(torch.randint(11, (1, 200), generator=torch.Generator().manual_seed(0))).square().sum().backward()
    gradient = gpt.position.table.weight.grad  # pyright: ignore
    assert gradient is not None and (gradient != 0).all(), "one row per bucket, one column per head"


# RoPE.


def test_linear_divides_positions():
    torch.testing.assert_close(theta("linear", factor=4.0), frequencies(8, 10_000.0, CPU) / 4)


@pytest.mark.parametrize("factor", [1.0, 2.0, 7.5])
def test_ntk_is_that_of_transformers(factor):
    """Theirs chooses the factor by the length of the text; at `factor` times the trained length it is `factor`."""
    utils = pytest.importorskip("transformers.modeling_rope_utils")
    from transformers import LlamaConfig

    rope = {"rope_type": "dynamic", "rope_theta": 500.0, "factor": 1.0}
    config = LlamaConfig(hidden_size=32, num_attention_heads=2, max_position_embeddings=100, rope_parameters=rope)
    expected, _ = utils._compute_dynamic_ntk_parameters(config, CPU, seq_len=int(100 * factor))
    torch.testing.assert_close(theta("ntk", 16, 500.0, factor=factor), expected)
    slowest = theta("ntk", 16, 500.0, factor=factor)[-1] * factor
    torch.testing.assert_close(slowest, frequencies(16, 500.0, CPU)[-1])


@pytest.mark.parametrize("name", ["linear", "ntk", "yarn", "llama3"])
@settings(max_examples=20)
@given(
    half=st.integers(2, 64), base=st.sampled_from([50.0, 1e4, 5e5]), context=st.integers(8, 10**6),
    factor=st.floats(1, 64),
)  # fmt: skip
def test_scaling_only_slows_down_and_never_by_more_than_the_factor(name, half, base, context, factor):
    scaled, plain = theta(name, 2 * half, base, context, factor=factor), frequencies(2 * half, base, CPU)
    assert scaled.isfinite().all()
    assert (scaled <= plain * (1 + 1e-5)).all() and (scaled >= plain / factor * (1 - 1e-4)).all()
    torch.testing.assert_close(theta(name, 2 * half, base, context, factor=1.0), plain)


def test_yarn_keeps_fast_pairs_slows_slow_ones_and_warms_scores():
    plain, scaled = frequencies(64, 10_000.0, CPU), theta("yarn", 64, context=4096, factor=4.0)
    turns = 1024 * plain / (2 * math.pi)
    torch.testing.assert_close(scaled[turns > 40], plain[turns > 40])
    torch.testing.assert_close(scaled[turns < 0.7], plain[turns < 0.7] / 4)
    assert Scaling.named("yarn", factor=4.0).temperature == pytest.approx(1.138629436)
    q = torch.randn(1, 2, 3, 8)
    for maths in (kernels.plain(), kernels.fused()):
        turned, _ = maths.rope(q, q, torch.rand(3, 2), 1.5)
        torch.testing.assert_close(turned[..., :4].norm(dim=-1), 1.5 * q[..., :4].norm(dim=-1))
        assert torch.equal(turned[..., 4:], q[..., 4:]), "what is not turned is not touched"


@pytest.mark.parametrize("mixer", ["linear", "gated_deltanet", "mamba", "full", "sliding", "strided", "block_sparse"])
@torch.no_grad()
def test_a_temperature_is_for_a_softmax_and_no_other_mixer(mixer, monkeypatch):
    """Without one, keys of `gated_deltanet` would be longer than 1, and it would correct by more than what is wrong."""
    position = {"name": "rope", "scaling": {"name": "yarn", "factor": 100.0}}
    gpt = GPT(GPTConfig.parse({**SHAPE, "context_length": 400, "position": position, "mixer": mixer})).eval()
    ids = torch.randint(11, (1, 400), generator=torch.Generator().manual_seed(0))
    warm = gpt(ids)
    monkeypatch.setattr(type(Scaling.named("yarn")), "temperature", 1.0)
    cold = gpt(ids)
    assert warm.isfinite().all()
    has_softmax = mixer in ("full", "sliding", "strided", "block_sparse")
    assert torch.equal(warm, cold) != has_softmax


@given(head_dim=st.integers(1, 300), share=st.floats(0.001, 1))
def test_what_is_no_pairs_is_refused_with_a_setting_that_is(head_dim, share):
    width = int(head_dim * share)
    shape = {"n_embd": 2 * head_dim, "n_head": 2}
    if width and width % 2 == 0:
        assert scheme({"name": "rope", "rotary_fraction": share}, **shape).width == width
        return
    with pytest.raises(SettingError) as refused:
        scheme({"name": "rope", "rotary_fraction": share}, **shape)
    said = str(refused.value)
    if share == 1 or head_dim == 1:
        assert f"head_dim={head_dim} must be even; change n_embd or n_head" in said
    else:
        remedy = float(said.split("set rotary_fraction=")[1].split(",")[0])
        assert 0 < scheme({"name": "rope", "rotary_fraction": remedy}, **shape).width - width <= 2, said


def test_bad_settings_are_refused():
    with pytest.raises(SettingError, match=r"fraction=0.1 of head_dim=8 gives it 0; set rotary_fraction=0.25, which is 2$"):
        scheme({"name": "rope", "rotary_fraction": 0.1})
    with pytest.raises(SettingError, match=r"fraction=0.4 of head_dim=8 gives it 3; set rotary_fraction=0.5, which is 4$"):
        scheme({"name": "rope", "rotary_fraction": 0.4})
    for bad in ({"rotary_fraction": 0}, {"rotary_fraction": 1.5}, {"base": 1.0},
                {"scaling": {"name": "yarn", "factor": 0.5}}):
        with pytest.raises(SettingError):
            scheme({"name": "rope", **bad})
    with pytest.raises(SettingError, match="at least 4 rotated numbers per head, and there are 2; use linear"):
        scheme({"name": "rope", "scaling": "ntk", "rotary_fraction": 0.25})
    with pytest.raises(SettingError, match="above buckets / 2 = 16; raise it"):
        scheme({"name": "relative", "max_distance": 16})


@pytest.mark.parametrize("name", ["yarn", "llama3"])
@pytest.mark.parametrize(("fast", "slow"), [(2.0, 2.0), (1.0, 4.0), (0.5, None), (None, 64.0)])
def test_turns_that_are_fast_and_slow_at_once_are_refused(name, fast, slow):
    knobs = {key: value for key, value in {"fast": fast, "slow": slow}.items() if value is not None}
    with pytest.raises(SettingError, match=r"fast=.* turns must be above slow=.*; raise fast or lower slow"):
        GPTConfig.parse({**SHAPE, "position": {"name": "rope", "scaling": {"name": name, **knobs}}})


def test_settings_reach_the_scaling_by_path():
    config = GPTConfig().override("position.scaling=yarn", "position.scaling.factor=8", "position.rotary_fraction=0.5")
    assert config.position.model_dump()["scaling"]["factor"] == 8
    assert GPTConfig.from_json(config.to_json()) == config
    assert isinstance(config, Shapes)


# Positions of one call.


@pytest.mark.parametrize("start", [0, 5, [4, 0], [3, 3]])
def test_positions_are_made_in_one_line(start):
    """Start and end are those of the index, whether they were known or are read from it."""
    made = Positions.of(3, start)
    read = Positions(made.index)
    expected = [list(range(s, s + 3)) for s in (start if isinstance(start, list) else [start])]
    assert made.index.tolist() == (expected if isinstance(start, list) else expected[0])
    for positions in (made, read):
        assert positions.start == (None if isinstance(start, list) else start)
        assert positions.end == max(row[-1] for row in expected) + 1


@pytest.mark.parametrize("mixer", ["full", "sliding", "strided", "block_sparse", "linear", "gated_deltanet", "mamba"])
def test_a_mixer_is_called_with_neutral_positions(mixer):
    gpt = GPT(GPTConfig.parse({**SHAPE, "position": "none", "mixer": mixer}))
    layer, x = gpt.blocks[0].mixer, torch.randn(2, 7, 16)
    torch.testing.assert_close(layer(x, Positions.of(7)), layer(x, Positions.of(7, scheme=gpt.position)))
    q, k = torch.randn(2, 1, 2, 7, 8)
    assert Positions.of(7).rotate(q, k) == (q, k) and Positions.of(7).bias(torch.arange(7)) is None


@pytest.mark.parametrize("mixer", ["full", "sliding", "linear"])
def test_the_angles_are_computed_once_a_call_and_not_in_each_layer(mixer, monkeypatch):
    gpt = GPT(GPTConfig.parse({**SHAPE, "n_layer": 5, "mixer": mixer})).eval()
    computed, real = [], type(gpt.position).prepare
    monkeypatch.setattr(type(gpt.position), "prepare", lambda self, index: computed.append(index) or real(self, index))
    cache = gpt.make_cache(1, 8)
    for call, ids in enumerate((torch.arange(6)[None], torch.ones(1, 1, dtype=torch.long)), start=1):
        gpt(ids, cache=cache)
        assert len(computed) == call
    assert [index.tolist() for index in computed] == [[0, 1, 2, 3, 4, 5], [6]]

"""Mixers with a state: memory that does not grow, knobs, long texts, and numbers far from the comfortable."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer import kernels
from glassformer.errors import SettingError
from glassformer.model.gpt import GPT, GPTConfig

RECURRENT = ["linear", "gated_deltanet", "mamba"]
KNOBS = [
    {"name": "linear", "feature": "relu"}, {"name": "linear", "feature": "softmax"},
    {"name": "gated_deltanet", "conv_width": 0},
    {"name": "gated_deltanet", "conv_width": 2}, {"name": "gated_deltanet", "o_norm": "rmsnorm"},
    {"name": "mamba", "conv_width": 1}, {"name": "mamba", "n_state": 1, "expand": 1},
    {"name": "mamba", "expand": 3, "dt_rank": 1, "conv_width": 6},
]  # fmt: skip


def build(mixer, maths=None, **more) -> GPT:
    tree = {"vocab_size": 50, "context_length": 400, "n_layer": 2, "n_head": 4, "n_kv_head": 2, "n_embd": 32}
    return GPT(GPTConfig.parse({**tree, "mixer": mixer, **more}), maths).eval()


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(50, shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("mixer", RECURRENT)
@torch.no_grad()
def test_memory_does_not_grow_with_what_was_read(mixer):
    gpt, held = build(mixer), []
    cache = gpt.make_cache(3, 400)
    assert cache.nbytes == 0
    for part in ids(3, 300).split([1, 1, 8, 90, 200], 1):
        gpt(part, cache=cache)
        held.append(cache.nbytes)
    assert len(set(held)) == 1 and held[0] > 0, held
    one = gpt.make_cache(1, 4)
    gpt(ids(1, 4), cache=one)
    assert held[0] == 3 * one.nbytes, "bytes follow the slots and nothing else"
    numbers = {"linear": 2 * (8 * 8 + 8), "gated_deltanet": 2 * 8 * 8 + 3 * 64, "mamba": 64 * 16 + 3 * 64}[mixer]
    assert one.nbytes == 2 * numbers * 4


@pytest.mark.parametrize("mixer", RECURRENT)
def test_no_graph_is_kept_between_calls(mixer):
    gpt = build(mixer)
    cache = gpt.make_cache(1, 4)
    gpt(ids(1, 2), cache=cache)
    assert all(not t.requires_grad for layer in cache.layers for t in layer.tensors)


@pytest.mark.parametrize("mixer", RECURRENT)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)], ids=str)
def test_the_fast_form_is_the_sequence_of_steps(mixer, dtype, tolerance):
    """Over several chunks: logits, and the gradient of every parameter."""
    gradients, logits = [], []
    for maths in (kernels.plain(), kernels.fused()):
        gpt, batch = build(mixer, maths).to(dtype), ids(2, 200)
        logits.append(gpt(batch[:, :-1]))
        gpt.kernels.cross_entropy(logits[-1].flatten(0, 1), batch[:, 1:].flatten()).mean().backward()
        gradients.append({name: p.grad for name, p in gpt.named_parameters()})
    torch.testing.assert_close(logits[1], logits[0], atol=tolerance, rtol=tolerance)
    for name, slow in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], slow, atol=tolerance, rtol=tolerance, msg=lambda m: f"{name}: {m}")  # noqa: B023


@pytest.mark.parametrize("position", ["none", "rope"])
@pytest.mark.parametrize("mixer", KNOBS, ids=lambda m: "-".join(map(str, m.values())))
@torch.no_grad()
def test_every_knob_decodes_as_it_reads(mixer, position):
    gpt, batch = build(mixer, position=position), ids(2, 80)
    whole, cache = gpt(batch), gpt.make_cache(2, 80)
    parts = torch.cat([gpt(part, cache=cache) for part in batch.split([70, 1, 1, 1, 7], 1)], 1)
    torch.testing.assert_close(parts, whole, atol=1e-5, rtol=0)
    torch.testing.assert_close(build(mixer, kernels.plain(), position=position)(batch), whole, atol=1e-5, rtol=0)


@settings(max_examples=15)
@given(mixer=st.sampled_from(RECURRENT), ends=st.lists(st.integers(1, 149), max_size=6, unique=True).map(sorted))
@torch.no_grad()
def test_documents_packed_over_chunks_are_read_alone(mixer, ends):
    gpt, batch, bounds = build(mixer), ids(1, 150), [0, *ends, 150]
    documents = torch.cat([torch.full((1, b - a), i) for i, (a, b) in enumerate(zip(bounds, bounds[1:]))], 1)
    packed = gpt(batch, documents=documents)
    alone = torch.cat([gpt(batch[:, a:b]) for a, b in zip(bounds, bounds[1:])], 1)
    torch.testing.assert_close(packed, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mixer", ["gated_deltanet", "mamba"])
@pytest.mark.parametrize("rate", [1e-30, 1e-4, 10.0, 1e4])
def test_a_memory_that_never_or_at_once_forgets(mixer, rate):
    """No decay is divided by, so that none can be too small; both forms stay equal, and every gradient finite."""
    logits = []
    for maths in (kernels.plain(), kernels.fused()):
        gpt = build(mixer, maths)
        for block in gpt.blocks:
            torch.nn.init.constant_(block.mixer.A_log, torch.tensor(rate).log().item())
        logits.append(gpt(ids(1, 100)))
        logits[-1].square().mean().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in gpt.parameters())
    torch.testing.assert_close(logits[0], logits[1], atol=1e-5, rtol=0)


def test_steps_of_mamba_start_between_a_thousandth_and_a_tenth():
    mixer = build("mamba", n_embd=256).blocks[0].mixer
    dt = mixer.dt(torch.zeros(1, 1, mixer.rank)).flatten().detach()
    assert dt.min() == pytest.approx(1e-3, rel=1e-3) and dt.max() == pytest.approx(0.1, rel=1e-3)
    assert dt.log().diff().std() < 1e-3, "evenly spread in log"
    torch.testing.assert_close(mixer.A_log.detach().exp().view(512, 16), torch.arange(1, 17.0).expand(512, 16))
    taps = mixer.conv.weight.detach()
    assert taps.abs().max() <= 0.5 and taps.std() == pytest.approx(0.29, abs=0.02)


@pytest.mark.parametrize("position", ["none", "rope"])
def test_linear_attention_weighs_by_products_of_features(position):
    """The quadratic definition (eq. 4) in float64, from the module's own projections."""
    whole = build({"name": "linear"}, position=position).double()
    mixer = whole.blocks[0].mixer
    x = torch.randn(2, 90, 32, dtype=torch.float64)
    positions = whole.make_cache(2, 90).advance(90, None, whole.position, x.device)
    q, k, v = (p(x).unflatten(-1, (-1, 8)).transpose(1, 2) for p in (mixer.q_proj, mixer.k_proj, mixer.v_proj))
    q, k = torch.nn.functional.elu(q) + 1, torch.nn.functional.elu(k) + 1
    turned_q, turned_k = positions.rotate(q, k)  # eq. 19 of Su et al.: only the weights above the line
    k, turned_k, v = (t.repeat_interleave(2, 1) for t in (k, turned_k, v))
    y = (turned_q @ turned_k.mT).tril() @ v / (q @ k.mT).tril().sum(-1, keepdim=True)
    torch.testing.assert_close(mixer(x, positions), mixer.o_proj(y.transpose(1, 2).flatten(2)), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("position", ["none", "rope"])
@pytest.mark.parametrize("feature", ["elu", "relu", "softmax"])
@pytest.mark.parametrize("sharpness", [1, 10])
@pytest.mark.parametrize("seed", range(3))
@torch.no_grad()
def test_no_answer_of_linear_attention_outgrows_the_values(feature, position, sharpness, seed):
    """Without a turn it is their mean. Turned weights have other signs and sizes than those that are divided by."""
    gpt = build({"name": "linear", "feature": feature}, position=position, context_length=200)
    gpt.config.init.fill(gpt, gpt.config, seed)
    for block in gpt.blocks:
        mixer, seen = block.mixer, {}
        mixer.q_proj.weight.mul_(sharpness)
        mixer.k_proj.weight.mul_(sharpness)
        mixer.v_proj.register_forward_hook(lambda module, x, v, seen=seen: seen.update(v=v))
        mixer.o_proj.register_forward_hook(lambda module, x, y, seen=seen: seen.update(y=x[0]))
        gpt(ids(2, 200))
        assert seen["y"].abs().max() <= seen["v"].abs().max() * (1.2 if position == "rope" else 1 + 1e-5)


def test_an_unknown_feature_is_refused_in_one_sentence():
    with pytest.raises(SettingError, match="feature"):
        build({"name": "linear", "feature": "cosine"})


@pytest.mark.parametrize("rows", [1, 3])
def test_several_threads_scan_as_one_does(rows):
    """One row is shared out by channels, three by rows and channels; 300 channels are no multiple of anything."""
    torch.manual_seed(0)
    x, dt, A, D = torch.randn(rows, 300, 300), torch.rand(rows, 300, 300), -torch.rand(300, 4), torch.randn(300)
    inputs = [x, dt, A, *torch.randn(2, rows, 300, 4), D]
    found, before = [], torch.get_num_threads()
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            leaves = [t.clone().requires_grad_() for t in inputs]
            y, h = kernels.fused().selective_scan(*leaves)
            (y.square().mean() + h.square().mean()).backward()
            found.append([y, h, *(t.grad for t in leaves)])
    finally:
        torch.set_num_threads(before)
    for others in found[1:]:
        for a, b in zip(found[0], others, strict=True):
            torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)

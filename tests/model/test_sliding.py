"""Mixers that look at less, with knobs so small that they do: exactness, what is seen, caches that do not grow."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from glassformer import kernels
from glassformer.lab.contracts.model import comparing, learning, reading
from glassformer.model.cache import WindowCache
from glassformer.model.gpt import GPT
from glassformer.model.linear import Linear
from glassformer.model.positions import Positions

from .combinations import CHOICES, CONTEXT, SHAPES, VOCAB, Combination, config, model

TIGHT = {
    "window_1": {"name": "sliding", "window": 1},
    "window_3": {"name": "sliding", "window": 3},
    "strided_2_3": {"name": "strided", "window": 2, "stride": 3},
    "strided_3_2": {"name": "strided", "window": 3, "stride": 2},
    "blocks_2_0_1": {"name": "block_sparse", "block": 2, "before": 0, "first": 1},
    "blocks_3_1_0": {"name": "block_sparse", "block": 3, "before": 1, "first": 0},
    "blocks_2_1_2": {"name": "block_sparse", "block": 2, "before": 1, "first": 2},
}
EVERY = pytest.mark.parametrize("mixer", TIGHT.values(), ids=TIGHT)
PARTS = {
    "embed": "token", "mlp": "gelu", "norm": "rmsnorm", "residual": "pre", "head": "untied", "init": "gpt2",
    "shape": "many_heads",
}  # fmt: skip
POSITIONS = ["rope", "alibi", "relative", "learned"]
HELD = [
    reading.decode_equals_forward, reading.chunked_prefill_equals_whole, reading.ragged_row_equals_the_row_alone,
    reading.packed_documents_are_read_alone, learning.twins_agree, reading.rows_may_be_reordered,
    learning.works_in_bfloat16, learning.a_copy_is_equal_and_separate, learning.dropout_acts_in_training_only,
]  # fmt: skip


@EVERY
@pytest.mark.parametrize("position", POSITIONS)
def test_contracts_hold_where_the_window_is_narrow(mixer, position):
    for contract in HELD:
        contract({**PARTS, "mixer": mixer, "position": position})


@settings(max_examples=30)
@given(
    mixer=st.one_of(
        st.fixed_dictionaries({"name": st.just("sliding"), "window": st.integers(1, 20)}),
        st.fixed_dictionaries({"name": st.just("strided"), "window": st.integers(1, 9), "stride": st.integers(1, 9)}),
        st.fixed_dictionaries(
            {"name": st.just("block_sparse"), "block": st.integers(1, 9), "before": st.integers(0, 2),
             "first": st.integers(0, 2)}
        ),
    ),
    qk_norm=st.sampled_from(CHOICES["norm"]),
    position=st.sampled_from(
        [*CHOICES["position"], {"name": "rope", "rotary_fraction": 0.5}]
        + [{"name": "rope", "scaling": {"name": name, "factor": 2.0}} for name in ("linear", "ntk", "yarn", "llama3")]
    ),
    shape=st.sampled_from(["many_heads", "grouped_with_bias"]),
    contract=st.sampled_from(HELD),
)
def test_any_knobs(mixer, qk_norm, position, shape, contract):
    if isinstance(position, dict) and SHAPES[shape]["n_embd"] // SHAPES[shape]["n_head"] < 8:
        position = {**position, "rotary_fraction": 1.0}
    contract({**PARTS, "shape": shape, "position": position, "mixer": {**mixer, "qk_norm": qk_norm}})


# What is seen.


def rule(mixer: dict, t: int, s: int) -> bool:
    """In words of its own: does the token at t see the one at s?"""
    if s > t:
        return False
    if mixer["name"] == "sliding":
        return s in range(t - mixer["window"] + 1, t + 1)
    if mixer["name"] == "strided":
        return t - s < mixer["window"] or s in range(t, -1, -mixer["stride"])
    blocks = [range(i, i + mixer["block"]) for i in range(0, CONTEXT, mixer["block"])]
    own = next(i for i, block in enumerate(blocks) if t in block)
    seen = [*blocks[: mixer["first"]], *blocks[max(0, own - mixer["before"]) : own + 1]]
    return any(s in block for block in seen)


@EVERY
@pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])
def test_one_layer_depends_on_exactly_what_is_visible(mixer, maths):
    c = {**PARTS, "mixer": mixer, "position": "rope", "shape": "one_head"}
    gpt, batch = model(c, maths), comparing.ids(2, CONTEXT)
    leaf = gpt.embed(batch).detach().requires_grad_()
    hook = gpt.embed.register_forward_hook(lambda *_: leaf)
    logits = gpt(batch)
    hook.remove()
    for t in range(CONTEXT):
        (gradient,) = torch.autograd.grad(logits[1, t].square().sum(), leaf, retain_graph=True)
        assert gradient[1].any(-1).tolist() == [rule(mixer, t, s) for s in range(CONTEXT)], f"position {t}"
        assert not gradient[0].any()


@pytest.mark.parametrize("name", ["sliding", "strided", "block_sparse"])
def test_a_wide_view_is_full_attention(name):
    wide = {"sliding": {"window": CONTEXT}, "strided": {"window": 1, "stride": 1}, "block_sparse": {"block": CONTEXT}}
    c: Combination = {**PARTS, "position": "rope"}
    full, other = (model({**c, "mixer": m}) for m in ("full", {"name": name, **wide[name]}))
    other.load_state_dict(full.state_dict())
    comparing.check(other(comparing.ids(2, CONTEXT)), full(comparing.ids(2, CONTEXT)), "logits")


# Caches.


@pytest.mark.parametrize(
    ("mixer", "slots"),
    [(TIGHT["window_3"], 3), (TIGHT["blocks_3_1_0"], 6), (TIGHT["blocks_2_1_2"], 8), ({"name": "sliding"}, CONTEXT)],
)
def test_a_cache_holds_what_can_be_seen_and_no_more(mixer, slots):
    gpt = model({**PARTS, "mixer": mixer, "position": "none"})
    cache = gpt.make_cache(2, CONTEXT)
    for part in comparing.ids(2, CONTEXT).split([9, 1, 6], 1):
        gpt(part, cache=cache)
        assert cache.nbytes == 2 * gpt.config.n_layer * 2 * slots * gpt.config.n_embd * 4


@settings(max_examples=60)
@given(data=st.data(), window=st.integers(1, 8), pinned=st.integers(0, 5))
def test_a_window_cache_names_the_position_of_every_key(data, window, pinned):
    """Each key and value carries its position; whatever is fed, the last `window` and first `pinned` are there."""
    cache, lengths = WindowCache(2, 64, window, pinned), [0, 0]
    for _ in range(data.draw(st.integers(1, 8))):
        T = data.draw(st.integers(1, 7))
        counts = data.draw(st.one_of(st.none(), st.lists(st.integers(0, T), min_size=2, max_size=2)))
        together = lengths[0] == lengths[1]
        index = torch.tensor(lengths)[:, None] + torch.arange(T)  # (B, T)
        real = torch.arange(T) < torch.tensor(counts or [T, T])[:, None]
        k = torch.where(real, index, -100.0)[:, None, :, None].float()  # (B, 1, T, 1), -100 for padding
        positions = Positions.of(
            T, lengths[0] if together else lengths, counts=None if counts is None else torch.tensor(counts)
        )
        keys, values, k_index = cache.append(k, -k, positions)
        assert torch.equal(keys, -values)
        for row in range(2):
            held = (k_index if k_index.ndim == 1 else k_index[row]).tolist()
            n = (counts or [T, T])[row]
            for t in range(lengths[row], lengths[row] + n):
                needed = {*range(max(0, t - window + 1), t + 1), *range(min(pinned, t + 1))}
                found = {s for s in held if s in needed}
                assert found == needed, f"the query at {t} needs {needed} of {held}"
            for key, s in zip(keys[row, 0, :, 0].tolist(), held):
                if 0 <= s < lengths[row] + n and (s > lengths[row] - window or s < pinned):
                    assert key == s
            lengths[row] += n


def test_long_text_through_a_small_window_equals_the_whole():
    """Beyond several chunks of the fused kernel, prefilled in uneven parts and decoded."""
    c = {**PARTS, "mixer": {"name": "sliding", "window": 40}, "position": "rope"}
    gpt = GPT(config(c, context_length=700)).eval()
    batch = comparing.ids(2, 700)
    with torch.no_grad():
        whole = gpt(batch)
        cache = gpt.make_cache(2, 700)
        parts = [gpt(part, cache=cache) for part in batch.split([333, 1, 1, 200, 164, 1], 1)]
    comparing.check(torch.cat(parts, 1), whole, "logits (row, position, token)")


def count_flops(mixer: dict | str, T: int) -> int:
    """Of the attention alone, in matrix products; those of the projections do not depend on the mixer."""
    c = {**PARTS, "mixer": mixer, "position": "none", "shape": "one_head"}
    gpt = GPT(config(c, context_length=T)).eval()
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        gpt.hidden(torch.zeros(1, T, dtype=torch.long))
    projections = 2 * T * sum(m.weight.numel() for m in gpt.modules() if isinstance(m, Linear) and m.weight.ndim == 2)
    head = 2 * T * gpt.head.lm_head.weight.numel()  # not asked
    return counter.get_total_flops() - projections + head


def test_work_grows_with_the_length_and_not_its_square():
    square = count_flops("full", 1024)
    assert square == 16 * count_flops("full", 256)
    for mixer in ({"name": "sliding", "window": 32}, {"name": "block_sparse", "block": 16}):
        assert 3.5 < count_flops(mixer, 1024) / count_flops(mixer, 256) < 4.6
        assert count_flops(mixer, 1024) < square / 10
    assert count_flops({"name": "strided", "window": 16, "stride": 32}, 1024) < square / 10


@EVERY
def test_the_future_changes_nothing(mixer):
    gpt, batch = model({**PARTS, "mixer": mixer, "position": "relative"}), comparing.ids(2, CONTEXT)
    before: Tensor = gpt(batch)
    for t in range(CONTEXT - 1):
        changed = batch.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % VOCAB
        comparing.check(gpt(changed)[:, : t + 1], before[:, : t + 1], f"up to position {t}", 1e-6)


@pytest.mark.parametrize(
    ("formula", "knobs", "wider"),
    [("sliding_window", (24,), (10**9,)), ("strided", (24, 24), (10**5, 24)), ("strided", (3, 24), (3, 10**5))],
)  # fmt: skip
def test_a_knob_wider_than_the_text_costs_what_the_text_costs(formula, knobs, wider):
    q, k, v = torch.randn(3, 1, 2, 24, 8).unbind()
    fused, counted = getattr(kernels.fused(), formula), []
    for chosen in (knobs, wider):
        with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            y = fused(q, k, v, *chosen)
        counted.append((counter.get_total_flops(), y))
    assert counted[0][0] == counted[1][0] > 0
    torch.testing.assert_close(counted[0][1], counted[1][1])

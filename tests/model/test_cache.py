import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from .combinations import CHOICES, CONTEXT, SLOTS, VOCAB, label, model, pairs

BY_POSITION = [next(c for c in pairs() if c["position"] == p and c["mixer"] == "full") for p in SLOTS["position"]]


@st.composite
def histories(draw) -> tuple[int, list]:
    """Rows, and calls: ("feed", counts, width) or ("select", rows), that fit the context."""
    rows = draw(st.integers(1, 4))
    lengths, calls = [0] * rows, []
    for _ in range(draw(st.integers(1, 8))):
        if draw(st.integers(0, 4)) == 0:
            order = draw(st.lists(st.integers(0, len(lengths) - 1), min_size=1, max_size=4))
            lengths = [lengths[r] for r in order]
            calls.append(("select", order))
            continue
        room = CONTEXT - max(lengths)
        if not room:
            break
        width = draw(st.integers(1, min(room, 6)))
        counts = None if draw(st.booleans()) else [draw(st.integers(0, width)) for _ in lengths]
        lengths = [n + c for n, c in zip(lengths, counts or [width] * len(lengths))]
        calls.append(("feed", counts, width))
    return rows, calls


@settings(max_examples=40)
@given(history=histories(), c=st.fixed_dictionaries({slot: st.sampled_from(names) for slot, names in CHOICES.items()}))
def test_any_history_gives_what_each_row_alone_would_give(history, c):
    gpt, (n_rows, calls) = model(c), history
    cache, rows = gpt.make_cache(n_rows, CONTEXT), [[] for _ in range(n_rows)]
    generator = torch.Generator().manual_seed(0)
    for i, call in enumerate(calls):
        if call[0] == "select":
            cache.select(call[1])
            rows = [list(rows[r]) for r in call[1]]
            continue
        _, counts, width = call
        batch = torch.randint(VOCAB, (len(rows), width), generator=generator)
        with torch.no_grad():
            logits = gpt(batch, cache=cache, counts=counts)
            for r, n in enumerate(counts or [width] * len(rows)):
                rows[r] += batch[r, :n].tolist()
                if n:
                    off = (logits[r, :n] - gpt(torch.tensor([rows[r]]))[0, -n:]).abs().max().item()
                    assert off < 1e-5, f"{label(c)}: row {r} is off by {off:.2g} after call {i} of {calls}"
        assert cache.lengths == [len(row) for row in rows]


@pytest.mark.parametrize("c", BY_POSITION, ids=label)
def test_bytes_are_two_tensors_per_layer_and_follow_the_rows(c):
    gpt = model(c)
    cache, config = gpt.make_cache(4, 12), gpt.config
    assert cache.nbytes == 0
    gpt(torch.zeros(4, 3, dtype=torch.long), cache=cache)
    row = 2 * config.n_layer * config.key_heads * config.head_dim * 12 * 4
    assert cache.nbytes == 4 * row
    gpt(torch.zeros(4, 9, dtype=torch.long), cache=cache)
    assert cache.nbytes == 4 * row, "a cache does not grow"
    cache.select([2])
    assert cache.nbytes == row and cache.lengths == [12]


@pytest.mark.parametrize("c", BY_POSITION, ids=label)
def test_a_full_cache_refuses_and_stays_as_it_was(c):
    gpt = model(c)
    cache = gpt.make_cache(2, 5)
    gpt(torch.zeros(2, 5, dtype=torch.long), cache=cache, counts=[5, 2])
    for too_many in (1, 4):
        with pytest.raises(AssertionError, match=f"5 tokens was asked to hold {5 + too_many}"):
            gpt(torch.zeros(2, too_many, dtype=torch.long), cache=cache)
    assert cache.lengths == [5, 2]
    cache.select([1])
    gpt(torch.zeros(1, 3, dtype=torch.long), cache=cache)
    assert cache.lengths == [5]


def test_two_caches_of_one_model_are_separate():
    gpt = model(BY_POSITION[0])
    batch = torch.arange(8).view(2, 4)
    first, second = gpt.make_cache(2, 8), gpt.make_cache(2, 8)
    gpt(batch, cache=first)
    gpt(batch.flip(1), cache=second)
    torch.testing.assert_close(gpt(batch, cache=first), gpt(torch.cat([batch, batch], 1))[:, 4:], atol=1e-5, rtol=0)


@pytest.mark.parametrize("mixer", CHOICES["mixer"], ids=str)
def test_gradients_stay_within_a_call(mixer):
    gpt = copy.deepcopy(model({**BY_POSITION[0], "mixer": mixer})).requires_grad_(True)
    ids = torch.randint(VOCAB, (2, 9), generator=torch.Generator().manual_seed(0))
    calls = [(ids[:, :4], None), (ids[:, 4:5], None), (ids[:, 5:7], [2, 1]), (ids[:, 7:8], None), (ids[:, 8:], None)]

    def gradients(asked):
        gpt.zero_grad(set_to_none=True)
        cache, loss = gpt.make_cache(2, CONTEXT), torch.zeros(())
        for i, (batch, counts) in enumerate(calls):
            with torch.set_grad_enabled(i in asked):
                nats = gpt(batch, cache=cache, counts=counts).logsumexp(-1).sum()
            loss = loss + nats
        loss.backward()
        return {name: p.grad for name, p in gpt.named_parameters() if p.grad is not None}

    together, alone = gradients(range(len(calls))), [gradients([i]) for i in range(len(calls))]
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(each[name] for each in alone if name in each), atol=1e-4, rtol=1e-4)


def test_no_row_may_be_left():
    gpt = model(BY_POSITION[0])
    cache = gpt.make_cache(2, CONTEXT)
    gpt(torch.zeros(2, 3, dtype=torch.long), cache=cache)
    cache.select([])
    assert cache.lengths == [] and cache.nbytes == 0

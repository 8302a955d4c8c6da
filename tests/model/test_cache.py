"""A cache has slots: texts begin, end and share a beginning in it, and no other text is copied or changed."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.model.gpt import GPT
from glassformer.model.head.pointer import Config as Pointer
from glassformer.model.positions import Positions

from .combinations import CHOICES, CONTEXT, SLOTS, VOCAB, label, lively, model, pairs

BY_POSITION = [next(c for c in pairs() if c["position"] == p and c["mixer"] == "full") for p in SLOTS["position"]]
NARROW = [
    {"name": "sliding", "window": 3},
    {"name": "block_sparse", "block": 2, "before": 1, "first": 1},
    {"name": "gated_deltanet", "conv_width": 0},
]
MIXERS = [*CHOICES["mixer"], *NARROW]
PARTLY = ["full", "strided", SLOTS["mixer"][-1]]  # caches that can share any part of what was read
EACH = pytest.mark.parametrize("mixer", MIXERS, ids=str)


def gpt_of(mixer) -> GPT:
    return lively({**BY_POSITION[0], "mixer": mixer})


def ids(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randint(VOCAB, shape, generator=torch.Generator().manual_seed(seed))


def memory(cache) -> list[torch.Tensor]:
    """All that the layers hold, (slots, ...) each."""
    return [t for layer in cache.layers for t in getattr(layer, "tensors", None) or (layer.k, layer.v)]


def wrong(t: torch.Tensor) -> float:
    """A number that spoils whatever reads it."""
    return float("inf") if t.is_floating_point() else -7


def close(actual: torch.Tensor, expected: torch.Tensor, what: str = "") -> None:
    off, size = (actual - expected).abs().max().item(), max(1.0, expected.abs().max().item())
    assert off < 1e-8 * size, f"{what}: {off:.2g} off of {size:.2g}"


@EACH
@torch.no_grad()
def test_a_wrong_token_in_the_cache_would_show(mixer):
    """What the other tests rest on: every token that a mixer sees changes the output by far more than they allow."""
    gpt, text = gpt_of(mixer), ids(8, 7)
    for seen in (4, 5):
        other = text.clone()
        other[:, seen] = (other[:, seen] + 1) % VOCAB
        assert (gpt(other) - gpt(text))[:, 6].abs().amax(-1).min() > 1e-5


@settings(max_examples=60)
@given(
    data=st.data(),
    c=st.fixed_dictionaries({slot: st.sampled_from(names) for slot, names in {**CHOICES, "mixer": MIXERS}.items()}),
)
@torch.no_grad()
def test_any_history_gives_what_each_row_alone_would_give(data, c):
    """Texts join any slots, ragged or not, leave, move and share; every call is compared with the row by itself."""
    gpt, n = lively(c), data.draw(st.integers(1, 4), "slots")
    cache, rows, generator = gpt.make_cache(n, CONTEXT), [[] for _ in range(n)], torch.Generator().manual_seed(0)
    every = st.integers(0, n - 1)
    for i in range(data.draw(st.integers(1, 9), "calls")):
        kind = data.draw(st.sampled_from(["feed", "feed", "feed", "clear", "copy", "move"]))
        if kind == "clear":
            slot = data.draw(every)
            cache.clear(slot)
            rows[slot] = []
        elif kind == "move" and n > 1:
            source, target = data.draw(st.lists(every, min_size=2, max_size=2, unique=True))
            cache.move(source, target)
            rows[target], rows[source] = rows[source], []
        elif kind == "copy" and n > 1:
            source, target = data.draw(st.lists(every, min_size=2, max_size=2, unique=True))
            length = data.draw(st.one_of(st.none(), st.integers(0, len(rows[source]))))
            try:
                cache.copy(source, target, length)
                rows[target] = rows[source][:length]
            except ValueError:
                assert length != len(rows[source]) and c["mixer"] not in PARTLY
        elif kind == "feed":
            slots = data.draw(st.lists(every, min_size=1, unique=True))
            room = CONTEXT - max(len(rows[slot]) for slot in slots)
            if not room:
                continue
            width = data.draw(st.integers(1, min(room, 6)))
            B = len(slots)
            counts = data.draw(st.one_of(st.none(), st.lists(st.integers(0, width), min_size=B, max_size=B)))
            batch = torch.randint(VOCAB, (B, width), generator=generator)
            logits = gpt(batch, cache=cache.at(slots), counts=counts)
            for row, slot, k in zip(range(B), slots, counts or [width] * B):
                rows[slot] += batch[row, :k].tolist()
                if k:
                    alone = gpt(torch.tensor([rows[slot]]))[0, -k:]
                    close(logits[row, :k], alone, f"{c}: slot {slot} of the slots {slots} in call {i}")
        assert cache.lengths == [len(row) for row in rows]


@EACH
@torch.no_grad()
def test_rows_join_and_leave_without_copying_the_others(mixer):
    gpt = gpt_of(mixer)
    cache = gpt.make_cache(5, CONTEXT)
    gpt(ids(3, 4), cache=cache.at(range(3)))
    held = memory(cache)
    pointers = [t.data_ptr() for t in held]

    def others_stay(slots, act):
        """What `act` does with these slots changes no other one, and reads none: they are poisoned meanwhile."""
        others = [slot for slot in range(5) if slot not in slots]
        before = [t.clone() for t in held]
        poison = [float("nan") if t.is_floating_point() else -7 for t in held]
        for t, bad in zip(held, poison):
            t[others] = bad
        result = act()
        for t, was, bad in zip(held, before, poison):
            assert torch.equal(t[others], torch.full_like(t[others], bad)) or t[others].isnan().all(), "written to"
            t[others] = was[others]
        assert [t.data_ptr() for t in memory(cache)] == pointers, "memory was allocated anew"
        return result

    texts = {slot: ids(3, 4)[slot].tolist() for slot in range(3)}
    for slots, counts in (([3], [5]), ([4, 0], [2, 1]), ([0, 1, 2, 3], [1, 1, 1, 1]), ([1], [1]), ([2, 3, 4], [2, 0, 1])):
        batch = ids(len(slots), max(counts), seed=sum(slots))
        logits = others_stay(slots, lambda: gpt(batch, cache=cache.at(slots), counts=counts))  # noqa: B023
        assert logits.isfinite().all()
        for row, (slot, n) in enumerate(zip(slots, counts)):
            texts[slot] = [*texts.get(slot, []), *batch[row, :n].tolist()]
            if n:
                close(logits[row, :n], gpt(torch.tensor([texts[slot]]))[0, -n:], f"slot {slot}")
    others_stay([0], lambda: cache.clear(0))
    others_stay([0, 4], lambda: cache.move(4, 0))
    others_stay([1, 4], lambda: cache.copy(1, 4))
    texts = {0: texts[4], 1: texts[1], 4: [*texts[1]], 2: texts[2]}
    last = ids(4, 1)
    logits = others_stay([*texts], lambda: gpt(last, cache=cache.at([*texts])))
    for row, text in enumerate(texts.values()):
        close(logits[row], gpt(torch.tensor([[*text, *last[row].tolist()]]))[0, -1:], f"row {row}")


@EACH
@torch.no_grad()
def test_neighbouring_slots_are_read_where_they_are(mixer):
    """No key is copied for a batch of neighbours, wherever it begins."""
    gpt = gpt_of(mixer)
    cache, layer = gpt.make_cache(4, CONTEXT), gpt.blocks[0].mixer
    gpt(ids(4, 3), cache=cache)
    for slots in (range(4), range(2), [1, 2], [3]):
        positions = cache.at(slots).advance(1, None, gpt.position, torch.device("cpu"))
        if "tensors" in vars(cache.layers[0]):
            read = cache.layers[0].read(positions, len(slots))
        else:
            k = torch.zeros_like(cache.layers[0].k[: len(slots), :, :1])
            read = cache.layers[0].append(k, k, positions)[:2]
        for t, whole in zip(read, memory(cache)):
            assert t.data_ptr() == whole[slots[0]].data_ptr(), f"slots {slots} of {type(layer).__name__} are copied"


@EACH
@torch.no_grad()
def test_a_shared_prefix_equals_its_own_prefill(mixer):
    gpt, prefix = gpt_of(mixer), ids(1, 7)
    cache = gpt.make_cache(3, CONTEXT)
    gpt(ids(1, CONTEXT, seed=5), cache=cache.at([2]))
    for t in memory(cache):
        t[2][t[2] != 0] = wrong(t)  # what the target held before must not matter
    gpt(prefix, cache=cache.at([0]))
    cache.copy(0, 2)
    assert cache.lengths == [7, 0, 7]
    gpt(ids(1, 10), cache=cache.at([1]))  # a longer row beside it, for which more places are read
    rest = ids(3, 5, seed=1)
    expected = gpt(torch.cat([prefix.expand(2, -1), rest[:2]], 1))[:, 7:]
    parts = [gpt(part, cache=cache.at([2, 0, 1])) for part in rest.split([1, 1, 3], 1)]
    close(torch.cat(parts, 1)[:2], expected)


@EACH
@torch.no_grad()
def test_a_part_is_shared_where_it_is_still_known_and_refused_elsewhere(mixer):
    gpt, text = gpt_of(mixer), ids(1, 12)
    cache = gpt.make_cache(2, CONTEXT)
    gpt(text, cache=cache.at([0]))
    before = [t.clone() for t in memory(cache)]
    window = {"sliding": CONTEXT, "block_sparse": CONTEXT}.get(mixer if isinstance(mixer, str) else "", 0)
    if mixer in PARTLY or window:
        cache.copy(0, 1, length=8)
        close(gpt(text[:, 8:], cache=cache.at([1])), gpt(text)[:, 8:])
    else:
        with pytest.raises(ValueError, match="only all 12 tokens of slot 0 can be shared, not the first 8"):
            cache.copy(0, 1, length=8)
        assert cache.lengths == [12, 0] and all(map(torch.equal, memory(cache), before))
    with pytest.raises(ValueError, match="slot 0 holds 12 tokens, so its first 13 cannot be shared"):
        cache.copy(0, 1, length=13)


@torch.no_grad()
def test_a_window_that_padding_has_moved_on_is_not_shared_in_part():
    gpt = gpt_of({"name": "sliding", "window": 3})
    cache = gpt.make_cache(3, CONTEXT)
    gpt(ids(2, 3), cache=cache.at([0, 1]))
    gpt(ids(2, 1), cache=cache.at([0, 1]), counts=[0, 1])  # slot 0 holds 3 tokens, and a pad over the first of them
    cache.copy(0, 2)
    for source, target in ((0, 1), (2, 0)):
        with pytest.raises(ValueError, match=f"only all 3 tokens of slot {source}"):
            cache.copy(source, target, length=2)


@EACH
@torch.no_grad()
def test_a_slot_reused_after_clear_equals_a_fresh_cache(mixer):
    gpt, fresh = gpt_of(mixer), None
    for first in (None, [CONTEXT, 3], [2, 9]):  # nothing, or texts of these lengths, padding included
        cache = gpt.make_cache(2, CONTEXT)
        if first:
            gpt(ids(2, max(first), seed=9), cache=cache, counts=first)
            for t in memory(cache):
                t[1][t[1] != 0] = wrong(t)  # a text whose numbers went wrong leaves nothing behind either
            cache.clear(1)
            cache.clear(0)
            assert all((t == 0).all() for t in memory(cache)), "a cleared slot holds something"
        found = [gpt(part, cache=cache, counts=n) for part, n in ((ids(2, 4), [4, 2]), (ids(2, 1), None))]
        for again, new in zip(found, fresh := fresh or found):
            close(again, new)


def test_positions_without_rows_mean_the_first_slots():
    for mixer in SLOTS["mixer"]:
        layer = gpt_of(mixer).blocks[0].mixer
        x = torch.randn(2, 5, layer.o_proj.weight.shape[0], dtype=torch.float64)
        cache = layer.make_cache(3, 9)
        parts = [layer(x[:, :4], Positions.of(4), cache), layer(x[:, 4:], Positions.of(1, start=4), cache)]
        close(torch.cat(parts, 1), layer(x, Positions.of(5)), str(mixer))


@pytest.mark.parametrize("c", BY_POSITION, ids=label)
def test_bytes_are_two_tensors_per_layer_and_follow_the_slots(c):
    gpt = model(c)
    cache, config = gpt.make_cache(4, 12), gpt.config
    assert cache.nbytes == 0
    gpt(torch.zeros(2, 3, dtype=torch.long), cache=cache.at([0, 1]))
    slot = 2 * config.n_layer * config.key_heads * config.head_width * 12 * 4
    slot += 2 * 12 * 8 * (config.embed.name == "ngram")  # ids
    slot += (config.head.width * 4 + 8) * 12 if isinstance(config.head, Pointer) else 0  # keys and ids
    assert cache.nbytes == 4 * slot
    gpt(torch.zeros(4, 9, dtype=torch.long), cache=cache)
    assert cache.nbytes == 4 * slot, "a cache does not grow"


@pytest.mark.parametrize("c", BY_POSITION, ids=label)
def test_a_full_slot_refuses_and_stays_as_it_was(c):
    gpt = model(c)
    cache = gpt.make_cache(2, 5)
    gpt(torch.zeros(2, 5, dtype=torch.long), cache=cache, counts=[5, 2])
    for too_many in (1, 4):
        with pytest.raises(AssertionError, match=f"5 tokens was asked to hold {5 + too_many}"):
            gpt(torch.zeros(2, too_many, dtype=torch.long), cache=cache)
    assert cache.lengths == [5, 2]
    gpt(torch.zeros(1, 3, dtype=torch.long), cache=cache.at([1]))
    assert cache.lengths == [5, 5]


@EACH
def test_a_slot_filled_in_inference_mode_is_cleared_outside_of_it(mixer):
    cache = (gpt := gpt_of(mixer)).make_cache(2, 5)
    with torch.inference_mode():
        gpt(ids(2, 3), cache=cache)
    cache.move(1, 0)
    assert cache.lengths == [3, 0] and all((t[1] == 0).all() for t in memory(cache))


def test_two_rows_of_a_batch_cannot_share_a_slot():
    with pytest.raises(AssertionError, match="cannot share a slot"):
        gpt_of("full").make_cache(3, 5).at([0, 2, 0])


def test_two_caches_of_one_model_are_separate():
    gpt = model(BY_POSITION[0])
    batch = torch.arange(8).view(2, 4)
    first, second = gpt.make_cache(2, 8), gpt.make_cache(2, 8)
    gpt(batch, cache=first)
    gpt(batch.flip(1), cache=second)
    expected = gpt(torch.cat([batch, batch], 1))[:, 4:]
    torch.testing.assert_close(gpt(batch, cache=first), expected, atol=1e-5, rtol=0)


@EACH
@pytest.mark.parametrize("slots", [[0, 1], [2, 0]], ids=str)
def test_gradients_stay_within_a_call(mixer, slots):
    gpt = copy.deepcopy(gpt_of(mixer)).requires_grad_(True)
    batch = ids(2, 9)
    parts = batch.split([4, 1, 2, 1, 1], 1)

    def gradients(asked):
        gpt.zero_grad(set_to_none=True)
        cache, loss = gpt.make_cache(3, CONTEXT), torch.zeros(())
        for i, part in enumerate(parts):
            with torch.set_grad_enabled(i in asked):
                nats = gpt(part, cache=cache.at(slots), counts=[2, 1] if i == 2 else None).logsumexp(-1).sum()
            loss = loss + nats
        loss.backward()
        return {name: p.grad for name, p in gpt.named_parameters() if p.grad is not None}

    together, alone = gradients(range(len(parts))), [gradients([i]) for i in range(len(parts))]
    for name, gradient in together.items():
        torch.testing.assert_close(gradient, sum(each[name] for each in alone if name in each), atol=1e-4, rtol=1e-4)

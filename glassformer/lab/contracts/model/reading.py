"""Promises about what a token may read: nothing later, nothing of other rows or documents, and the same with a cache."""

import itertools
import random

import torch
from torch import Tensor

from glassformer.lab.contracts.model.combinations import CONTEXT, VOCAB, Combination, model
from glassformer.lab.contracts.model.comparing import B, T, both, check, ids, own
from glassformer.model.gpt import GPT
from glassformer.model.init import seeded


def causal(c: Combination) -> None:
    """No token depends on a later one or on another row; it depends on all earlier ones, or on as many as `reach` says."""
    gpt, batch = model(c), ids()
    reach, logits = reach_of(gpt), gpt(batch)
    for t, gradient in enumerate(_gradients(gpt, batch, range(T))):
        _nothing_from_elsewhere(gradient, t)
        seen, first = (gradient[1] != 0).any(-1).tolist(), 0 if reach is None else max(0, t - reach + 1)
        assert not any(seen[:first]), (
            f"position {t} depends on position {seen.index(True)}, but the mixers of this model declare that a token sees "
            f"{reach} tokens at most; correct `reach` in the mixer's Config"
        )
        assert seen[t], f"position {t} does not depend on the token that it stands at"
        assert seen[first], _looks_back_too_little(gpt, c, t, seen.index(True))
    for t in range(T - 1):
        changed = batch.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % VOCAB
        check(gpt(changed)[:, : t + 1], logits[:, : t + 1], f"up to position {t}, when later ids change", 1e-6)


def causal_while_it_trains(c: Combination) -> None:
    """In training mode, too, no token depends on a later one or on another row."""
    gpt, batch = model(c).train(), ids()
    for t, gradient in zip((0, T // 2), _gradients(gpt, batch, (0, T // 2)), strict=True):
        _nothing_from_elsewhere(
            gradient, t, "in training mode ", " (as with BatchNorm): let each token use itself alone"
        )


def reach_of(gpt: GPT) -> int | None:
    """How many tokens an output can see through all layers, as the mixers declare it; None: all before it."""
    each = [gpt.config.mixer_of(layer).reach() for layer in range(len(gpt.blocks))]
    return None if None in each else 1 + sum(reach - 1 for reach in each if reach is not None)


def _gradients(gpt: GPT, batch: Tensor, places: range | tuple[int, ...]) -> list[Tensor]:
    """For each place t the gradient (B, T, C) of the logits of row 1 at t with respect to what enters the first block."""
    with seeded(0):
        leaf, logits = _from_the_embeddings(gpt, batch)
    return [torch.autograd.grad(logits[1, t].square().sum(), leaf, retain_graph=True)[0] for t in places]


def _from_the_embeddings(gpt: GPT, batch: Tensor, documents: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """What the embedding gives (B, T, C), as a leaf of the graph, and the logits that the model computes from it."""
    leaves: list[Tensor] = []

    def leaf(module: object, given: object, x: Tensor) -> Tensor:
        leaves.append(x.detach().requires_grad_())
        return leaves[0]

    hook = gpt.embed.register_forward_hook(leaf)
    logits = gpt(batch, documents=documents)
    hook.remove()
    return leaves[0], logits


def _nothing_from_elsewhere(gradient: Tensor, t: int, when: str = "", why: str = "") -> None:
    later = (gradient[1, t + 1 :] != 0).any(-1)
    if later.any():
        first = t + 1 + int(later.int().argmax())
        raise AssertionError(f"{when}the output at position {t} depends on a later position, {first}{why}")
    others = [row for row in range(len(gradient)) if row != 1 and (gradient[row] != 0).any()]
    assert not others, f"{when}position {t} of row 1 depends on another row, {others[0]}{why}"


def _looks_back_too_little(gpt: GPT, c: Combination, t: int, nearest: int) -> str:
    told = f"the output at position {t} does not depend on token 0, only on the tokens from position {nearest} on"
    if not own(c, "mixer"):
        return told
    width = 1 + -(-(t - nearest) // len(gpt.blocks))
    return (
        f"{told}; if the mixer is meant to see only the last tokens, let its Config say so: "
        f"`def reach(self): return {width}` (the token itself included)"
    )


def decode_equals_forward(c: Combination) -> None:
    """With a cache, prefill and then one token at a time gives what one full forward gives."""
    for (gpt, tolerance), prompt in itertools.product(both(c), (1, 4, T)):
        batch, cache = ids(), gpt.make_cache(B, T)
        parts = [gpt(batch[:, :prompt], cache=cache)] + [
            gpt(batch[:, t : t + 1], cache=cache) for t in range(prompt, T)
        ]
        what = f"prefill of {prompt}, then decode{_forgotten(gpt, batch, prompt)} (row, position, token)"
        check(torch.cat(parts, 1), gpt(batch), what, tolerance)


@torch.no_grad()
def _forgotten(gpt: GPT, batch: Tensor, prompt: int) -> str:
    """Said of a model whose next call depends on nothing of an earlier one, although reading at once does."""
    other = batch.clone()
    other[:, prompt - 1] = (other[:, prompt - 1] + 1) % VOCAB

    def after(text: Tensor) -> Tensor:
        cache = gpt.make_cache(B, T)
        gpt(text[:, :prompt], cache=cache)
        return gpt(text[:, prompt : prompt + 1], cache=cache)

    if prompt == T or torch.equal(gpt(other)[:, prompt : prompt + 1], gpt(batch)[:, prompt : prompt + 1]):
        return ""
    return (
        ", which ignores what earlier calls have read into the cache" if torch.equal(after(other), after(batch)) else ""
    )


def chunked_prefill_equals_whole(c: Combination) -> None:
    """A prompt read in chunks gives what the whole prompt gives."""
    for (gpt, tolerance), chunks in itertools.product(both(c), ((1, 15), (2, 3, 4, 5, 2), (8, 8), (15, 1))):
        batch, cache = ids(B, CONTEXT), gpt.make_cache(B, CONTEXT)
        parts = [gpt(part, cache=cache) for part in batch.split(chunks, 1)]
        check(torch.cat(parts, 1), gpt(batch), f"chunks of {chunks} (row, position, token)", tolerance)


@torch.no_grad()
def padding_changes_nothing(c: Combination) -> None:
    """Where rows are padded on the right, no token, in this call or a later one, depends on the padding."""
    for gpt, tolerance in both(c):
        counts, outputs = [5, 1, 3], []
        for pad in (0, 7):
            batch = ids(B, 5)
            for row, n in enumerate(counts):
                batch[row, n:] = pad
            cache = gpt.make_cache(B, CONTEXT)
            outputs.append((gpt(batch, cache=cache, counts=counts), gpt(ids(B, 1), cache=cache)))
        (now, later), (other_now, other_later) = outputs
        for row, n in enumerate(counts):
            remedy = "; positions.real says which tokens are real"
            off, off_later = (now - other_now)[row, :n].abs().max(), (later - other_later)[row].abs().max()
            assert off <= tolerance, f"{n} real tokens depend on the {5 - n} of padding behind them{remedy}"
            assert off_later <= tolerance, (
                f"the token after {n} real ones and {5 - n} of padding depends on the padding{remedy}, and only those "
                "belong into the state"
            )


def ragged_row_equals_the_row_alone(c: Combination) -> None:
    """Rows join, share, move and leave a cache while others are written: each row against itself uncached."""
    for gpt, tolerance in both(c):
        _rows_come_and_go(gpt, tolerance)


def _rows_come_and_go(gpt: GPT, tolerance: float) -> None:
    cache = gpt.make_cache(4, CONTEXT)
    rows: list[list[int]] = [[], [], [], []]
    generator = random.Random(0)

    def feed(slots: list[int], counts: list[int]) -> None:
        width = max(counts)
        batch = torch.tensor([[generator.randrange(VOCAB) for _ in range(width)] for _ in counts])  # pads are any ids
        logits = gpt(batch, cache=cache.at(slots), counts=counts)
        for i, (slot, n) in enumerate(zip(slots, counts, strict=True)):
            rows[slot] += batch[i, :n].tolist()
            if n:
                alone = gpt(torch.tensor([rows[slot]]))[0, -n:]
                what = f"row {i}, {n} tokens ending at position {len(rows[slot]) - 1} of a batch with {counts}"
                check(logits[i, :n], alone, f"{what} in the slots {slots} of a cache (position, token)", tolerance)
        assert cache.lengths == [len(row) for row in rows], f"the cache counts {cache.lengths}"

    for counts in ([5, 1, 3], [1, 4, 2], [1, 1, 1], [1, 1, 1]):
        feed([0, 1, 2], counts)
    cache.copy(0, 3)
    rows[3] = [*rows[0]]
    cache.clear(1)
    rows[1] = []
    for slots, counts in (([3, 0], [1, 1]), ([1], [3]), ([2, 3, 1], [2, 1, 0])):
        feed(slots, counts)
    cache.move(3, 0)
    rows[0], rows[3] = rows[3], []
    for slots, counts in (([0, 1, 2], [1, 1, 1]), ([3], [2]), ([0, 1, 2, 3], [1, 1, 1, 1])):
        feed(slots, counts)


def packed_documents_are_read_alone(c: Combination) -> None:
    """Three documents in a row: each is read as if it were alone; between documents the gradient is exactly 0."""
    for gpt, tolerance in both(c):
        _documents_alone(gpt, tolerance)


def _documents_alone(gpt: GPT, tolerance: float) -> None:
    batch, ends = ids(2, CONTEXT), (5, 6, CONTEXT)
    documents = torch.tensor([[0] * 5 + [1] + [4] * (CONTEXT - 6)] * 2)
    leaf, logits = _from_the_embeddings(gpt, batch, documents=documents)
    for start, end in zip((0, *ends), ends):
        (gradient,) = torch.autograd.grad(logits[:, start:end].square().sum(), leaf, retain_graph=True)
        gradient[:, start:end] = 0
        elsewhere = (gradient != 0).any(-1).nonzero()[:, 1].tolist()
        assert not elsewhere, (
            f"the document at {start} to {end - 1} of a packed row depends on position {elsewhere[0]}, which is of another "
            "document; hide it with positions.visible, or start anew where positions.documents changes"
        )
    for start, end in zip((0, *ends), ends):
        what = f"document at {start} to {end - 1} of a packed row (row, position, token)"
        check(logits[:, start:end], gpt(batch[:, start:end]), what, tolerance)


def rows_may_be_reordered(c: Combination) -> None:
    """Each row of a batch is read by itself."""
    gpt, order = model(c), torch.tensor([2, 0, 1])
    check(gpt(ids()[order]), gpt(ids())[order], "rows in another order (row, position, token)", 1e-6)
    check(gpt(ids())[1:2], gpt(ids()[1:2]), "a row of a batch and the same row alone (row, position, token)", 2e-6)


PROMISES = [
    causal, causal_while_it_trains, decode_equals_forward, chunked_prefill_equals_whole, padding_changes_nothing,
    ragged_row_equals_the_row_alone, packed_documents_are_read_alone, rows_may_be_reordered,
]  # fmt: skip

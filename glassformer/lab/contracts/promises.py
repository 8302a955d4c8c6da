"""The promises that every combination of variants keeps.

Each promise is a function of a combination. It raises AssertionError if it is broken, and names the place (row, position,
token). The tests run all promises on every variant (tests/model/test_contracts.py); `glass check-variant` runs them on a
user's file.
"""

import copy
import itertools
import math
import random

import torch
from safetensors.torch import load, save
from torch import Tensor

from glassformer import kernels
from glassformer.lab.contracts.combinations import CONTEXT, VOCAB, Combination, lively, model
from glassformer.model.gpt import GPT
from glassformer.model.mixer.full import Attention
from glassformer.model.position import Scheme

B, T = 3, 9


def ids(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(VOCAB, shape or (B, T), generator=torch.Generator().manual_seed(seed))


def learning(gpt: GPT) -> dict[str, torch.nn.Parameter]:
    """Its parameters; without the table of a relative bias if no mixer has scores that it could be added to."""
    scores = any(isinstance(block.mixer, Attention) for block in gpt.blocks)
    idle = not scores and type(gpt.position).bias is not Scheme.bias
    return {name: p for name, p in gpt.named_parameters() if not (idle and name.startswith("position."))}


def loss_of(gpt: GPT, batch: Tensor) -> Tensor:
    """The mean nats of the next token, and the auxiliary losses, whatever the model's mode is."""
    was_training = gpt.training
    nats = gpt.train()(batch[:, :-1], batch[:, 1:]).mean()
    gpt.train(was_training)
    return nats


def check(actual: Tensor, expected: Tensor, what: str, tolerance: float = 1e-5) -> None:
    """Raises AssertionError naming the worst place; `what` may end in the names of the dimensions: (row, token)."""
    assert actual.shape == expected.shape, f"{what}: shape {tuple(actual.shape)} instead of {tuple(expected.shape)}"
    off = (actual - expected).abs()
    worst = off.argmax().item() if not off.isnan().any() else off.isnan().flatten().int().argmax().item()
    place = [int(i) for i in torch.unravel_index(torch.tensor(worst), off.shape)]
    what, _, names = what.rstrip(")").rpartition(" (") if what.endswith(")") else (what, "", "")
    named = names.split(", ") if names.count(",") + 1 == len(place) else [f"dimension {d}" for d in range(len(place))]
    where = ", ".join(f"{name} {i}" for name, i in zip(named, place))
    tolerance *= max(1.0, expected.abs().max().item()) if expected.dtype == torch.float64 else 1.0
    assert off.max() <= tolerance, f"{what}: off by {off.max():.3g} at {where} (allowed: {tolerance:g})"


def both(c: Combination) -> list[tuple[GPT, float]]:
    """What equalities are tested on, each with its tolerance: a new float32 model, and a lively one in float64.

    RoPE computes its angles in float32, which lets distances at different places differ by 1e-7.
    """
    return [(model(c), 1e-5), (lively(c), 1e-6)]


def rounding_projections() -> kernels.Kernels:
    """Kernels that round as every bfloat16 model must: inputs, weights and outputs of projections, and nothing else."""

    def rounded(t: Tensor | None) -> Tensor | None:
        return None if t is None else t.bfloat16().to(t.dtype)

    exact = kernels.fused()
    return kernels.replace(exact, linear=lambda *tensors: rounded(exact.linear(*map(rounded, tensors))))


def causal(c: Combination) -> None:
    """The future and the other rows have no influence: gradient exactly 0, and changed ids change nothing."""
    gpt, batch = model(c), ids()
    leaf = gpt.embed(batch).detach().requires_grad_()
    hook = gpt.embed.register_forward_hook(lambda *_: leaf)
    logits = gpt(batch)
    hook.remove()
    for t in range(T):
        (gradient,) = torch.autograd.grad(logits[1, t].square().sum(), leaf, retain_graph=True)
        assert (gradient[1, t + 1 :] == 0).all(), f"the output at position {t} depends on a later position"
        assert (gradient[0] == 0).all() and (gradient[2] == 0).all(), f"position {t} of row 1 depends on another row"
        assert (gradient[1, 0] != 0).any() and (gradient[1, t] != 0).any(), f"position {t} does not see 0 or itself"
    for t in range(T - 1):
        changed = batch.clone()
        changed[:, t + 1 :] = (changed[:, t + 1 :] + 1) % VOCAB
        check(gpt(changed)[:, : t + 1], logits[:, : t + 1], f"up to position {t}, when later ids change", 1e-6)


def decode_equals_forward(c: Combination) -> None:
    """With a cache, prefill and then one token at a time gives what one full forward gives."""
    for (gpt, tolerance), prompt in itertools.product(both(c), (1, 4, T)):
        batch, cache = ids(), gpt.make_cache(B, T)
        parts = [gpt(batch[:, :prompt], cache=cache)] + [gpt(batch[:, t : t + 1], cache=cache) for t in range(prompt, T)]
        what = f"prefill of {prompt}, then decode (row, position, token)"
        check(torch.cat(parts, 1), gpt(batch), what, tolerance)


def chunked_prefill_equals_whole(c: Combination) -> None:
    """A prompt read in chunks gives what the whole prompt gives."""
    for (gpt, tolerance), chunks in itertools.product(both(c), ((1, 15), (2, 3, 4, 5, 2), (8, 8), (15, 1))):
        batch, cache = ids(B, CONTEXT), gpt.make_cache(B, CONTEXT)
        parts = [gpt(part, cache=cache) for part in batch.split(chunks, 1)]
        check(torch.cat(parts, 1), gpt(batch), f"chunks of {chunks} (row, position, token)", tolerance)


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
    leaf = gpt.embed(batch).detach().requires_grad_()
    hook = gpt.embed.register_forward_hook(lambda *_: leaf)
    logits = gpt(batch, documents=documents)
    hook.remove()
    for start, end in zip((0, *ends), ends):
        what = f"document at {start} to {end - 1} of a packed row (row, position, token)"
        check(logits[:, start:end], gpt(batch[:, start:end]), what, tolerance)
        (gradient,) = torch.autograd.grad(logits[:, start:end].square().sum(), leaf, retain_graph=True)
        gradient[:, start:end] = 0
        assert (gradient == 0).all(), f"the document at {start} to {end - 1} depends on another one of its row"


def twins_agree(c: Combination) -> None:
    """Plain and fused kernels give the same logits and gradients."""
    made = [
        ("new", model, torch.float64, 1e-11), ("new", model, torch.float32, 1e-5), ("lively", lively, torch.float64, 1e-8),
    ]  # fmt: skip
    for name, make, dtype, tolerance in made:
        plain, fused = (make(c, k()).to(dtype) for k in (kernels.plain, kernels.fused))
        batch = ids()
        check(plain(batch), fused(batch), f"logits of a {name} model in {dtype} (row, position, token)", tolerance)
        for gpt in (plain, fused):
            loss_of(gpt, batch).backward()
        for (parameter, p), f in zip(learning(plain).items(), learning(fused).values(), strict=True):
            assert p.grad is not None and f.grad is not None, f"{parameter} has no gradient"
            largest = max(1.0, p.grad.abs().max().item())  # rounding is relative: a norm behind a small write magnifies
            check(p.grad, f.grad, f"gradient of {parameter} in {dtype}", tolerance * largest)


def saved_equals_loaded(c: Combination) -> None:
    """Saved and loaded, the model gives the same logits bit for bit, and its settings are the same."""
    gpt, other = model(c), model(c, seed=1)
    assert not list(gpt.buffers()), "it keeps buffers: what a model knows is in its parameters"
    saved = save(gpt.state_dict())  # refuses tensors that share memory
    other.load_state_dict(load(saved), strict=True)
    assert torch.equal(gpt(ids()), other(ids())), "a loaded model says something else than the saved one"
    assert gpt.config == type(gpt.config).from_json(gpt.config.to_json()), "its settings change when saved and read"


def starts_at_ln_v(c: Combination) -> None:
    """The loss at initialisation is that of equal probabilities, ln V."""
    gpt, batch = model(c), ids(64, CONTEXT)
    loss = gpt.kernels.cross_entropy(gpt(batch[:, :-1]).flatten(0, 1), batch[:, 1:].flatten()).mean().item()
    assert abs(loss - math.log(VOCAB)) < 0.1, f"loss {loss:.3f} at initialisation, ln V is {math.log(VOCAB):.3f}"


def one_batch_overfits(c: Combination) -> None:
    """Training on one batch brings its loss below 0.1."""
    gpt, batch = model(c, n_embd=48, n_kv_head=1).train(), ids(4, 8)
    batch[:, 0] = torch.arange(4)  # so that what follows can be known
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=5e-3, weight_decay=0, fused=True)
    for _ in range(400 if c["norm"] == "none" or c["init"] == "mup" else 60):  # both start with small logits
        optimizer.zero_grad()
        loss = loss_of(gpt, batch)
        loss.backward()
        loss = loss.detach() - (0.01 if c["mlp"] == "moe" else 0)  # what even use of the experts costs
        torch.nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
        optimizer.step()
        if loss.item() < 0.1:
            break
    assert loss.item() < 0.1, f"loss {loss.item():.3f} after all steps on one batch"


def rows_may_be_reordered(c: Combination) -> None:
    """Each row of a batch is read by itself."""
    gpt, order = model(c), torch.tensor([2, 0, 1])
    check(gpt(ids()[order]), gpt(ids())[order], "rows in another order (row, position, token)", 1e-6)
    check(gpt(ids())[1:2], gpt(ids()[1:2]), "a row of a batch and the same row alone (row, position, token)", 2e-6)


def every_parameter_learns(c: Combination) -> None:
    """Every parameter has a gradient."""
    gpt = model(c)
    loss_of(gpt, ids()).backward()
    for name, parameter in learning(gpt).items():
        assert parameter.requires_grad and parameter.grad is not None, f"{name} has no gradient"
        # a bias of keys adds the same to all scores of a query, and no token need have chosen an expert
        if not name.endswith("k_proj.bias") and ".experts." not in name:
            assert (parameter.grad != 0).any(), f"the gradient of {name} is 0 everywhere"


def works_in_bfloat16(c: Combination) -> None:
    """Under autocast and with bfloat16 weights, the logits are off by rounding only."""
    gpt, batch = model(c), ids()
    exact = gpt(batch)
    with torch.autocast("cpu", torch.bfloat16):
        logits, cache = gpt(batch), gpt.make_cache(B, T)
        cached = torch.cat([gpt(part, cache=cache) for part in batch.split([5, 1, 1, 2], 1)], 1)
        loss_of(gpt, batch).backward()
    # A norm of a write that happens to be near 0 magnifies any rounding: four times what that of projections alone does.
    moved = (model(c, rounding_projections()).double()(batch) - model(c).double()(batch)).abs().max().item()
    tolerance = max(0.15 if c["mlp"] == "moe" else 0.05, 4 * moved)  # a token near a border may pass to another expert
    check(logits.float(), exact, "logits under autocast (row, position, token)", tolerance)
    check(cached.float(), exact, "cached logits under autocast (row, position, token)", tolerance)
    for name, p in learning(gpt).items():
        fine = p.grad is not None and p.grad.dtype == torch.float32 and p.grad.isfinite().all()
        assert fine, f"the gradient of {name} under autocast is missing, narrow or not finite"
    check(gpt.bfloat16()(batch).float(), exact, "logits with bfloat16 weights (row, position, token)", tolerance)


def a_copy_is_equal_and_separate(c: Combination) -> None:
    """A deep copy gives the same logits and shares no weights."""
    gpt = model(c)
    twin, before = copy.deepcopy(gpt), gpt(ids())
    assert torch.equal(twin(ids()), before), "a copy says something else"
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert torch.equal(gpt(ids()), before), "changing a copy's weights changed the original"


def can_be_built_without_memory(c: Combination) -> None:
    """A model built on the meta device and filled later is the same model."""
    gpt = model(c)
    with torch.device("meta"):
        empty = model(c)
    assert all(p.is_meta for p in empty.parameters()), "it makes tensors on a device of its own choice"
    assert empty(ids().to("meta")).shape == (B, T, VOCAB), "on the meta device its shapes are others"
    empty.to_empty(device="cpu").load_state_dict(gpt.state_dict())
    assert torch.equal(empty(ids()), gpt(ids())), "built without memory and filled, it says something else"


def dropout_acts_in_training_only(c: Combination) -> None:
    """In evaluation mode dropout changes nothing."""
    for k in (kernels.plain(), kernels.fused()):
        gpt = model(c, k, dropout=0.5)
        assert torch.equal(gpt(ids()), gpt(ids())), "in evaluation it says two things about the same text"
        check(gpt(ids()), model(c)(ids()), "in evaluation, against a model without dropout")
        gpt.train()
        assert not torch.equal(gpt(ids()), gpt(ids())), "dropout of 0.5 changes nothing in training"
        loss_of(gpt, ids()).backward()
        for name, p in learning(gpt).items():
            assert p.grad is not None and p.grad.isfinite().all(), f"with dropout {name} has no finite gradient"


PROMISES = [
    causal, decode_equals_forward, chunked_prefill_equals_whole, ragged_row_equals_the_row_alone,
    packed_documents_are_read_alone, twins_agree,
    saved_equals_loaded, starts_at_ln_v, one_batch_overfits, rows_may_be_reordered, every_parameter_learns,
    works_in_bfloat16, a_copy_is_equal_and_separate, can_be_built_without_memory, dropout_acts_in_training_only,
]  # fmt: skip

"""Promises about learning and about the model as a thing: twins, gradients, number formats, copies and files."""

import copy
import math

import torch
from safetensors.torch import load, save
from torch import Tensor

from glassformer import kernels
from glassformer.lab.contracts.model.combinations import CONTEXT, VOCAB, Combination, lively, model
from glassformer.lab.contracts.model.comparing import (
    B,
    T,
    check,
    ids,
    learning,
    like,
    loss_of,
    rounding_projections,
)
from glassformer.lab.contracts.model.reading import reach_of

STEPS = 400
"""Steps on one batch in which any part that can learn brings the loss down; the package's parts need 20 to 60."""
DRAWS = 12
"""Training passes in which each parameter must get a gradient, for parts that drop something at random."""


def twins_agree(c: Combination) -> None:
    """Plain and fused kernels give the same logits and gradients."""
    made = [
        ("new", model, torch.float64, 1e-11), ("new", model, torch.float32, 1e-5), ("lively", lively, torch.float64, 1e-8),
    ]  # fmt: skip
    for name, make, dtype, tolerance in made:
        plain, fused = (make(c, k()).to(dtype) for k in (kernels.plain, kernels.fused))
        like(fused, plain)
        batch = ids()
        check(plain(batch), fused(batch), f"logits of a {name} model in {dtype} (row, position, token)", tolerance)
        drops = not torch.equal(loss_of(plain, batch, 0), loss_of(plain, batch, 1))  # twins may draw other numbers
        for gpt in (plain, fused):
            (gpt(batch[:, :-1], batch[:, 1:]).mean() if drops else loss_of(gpt, batch)).backward()
        for (parameter, p), f in zip(learning(plain).items(), learning(fused).values(), strict=True):
            assert p.grad is not None and f.grad is not None, f"{parameter} has no gradient"
            largest = max(1.0, p.grad.abs().max().item())  # rounding is relative: a norm behind a small write magnifies
            check(p.grad, f.grad, f"gradient of {parameter} in {dtype}", tolerance * largest)


def saved_equals_loaded(c: Combination) -> None:
    """Saved and loaded, the model gives the same logits bit for bit, and its settings are the same."""
    gpt, other = model(c), model(c, seed=1)
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
    """Training on one batch brings its loss below 0.1, in evaluation and within 400 steps."""
    gpt, batch = model(c, n_embd=48, n_kv_head=1).train(), _to_be_known(c)
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=5e-3, weight_decay=0, fused=True)
    nats = math.inf
    for step in range(STEPS):
        optimizer.zero_grad()
        loss_of(gpt, batch, draw=step).backward()
        torch.nn.utils.clip_grad_norm_(gpt.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 9:
            with torch.no_grad():
                nats = gpt.eval()(batch[:, :-1], batch[:, 1:]).mean().item()
            if nats < 0.1:
                return
            gpt.train()
    raise AssertionError(f"loss {nats:.3f} after {STEPS} steps on one batch; usual parts reach 0.1 in 20 to 100 steps")


def _to_be_known(c: Combination) -> Tensor:
    """(4, 8) ids: random rows that begin differently; where mixers see little, rows in which each id decides the next."""
    batch, reach = ids(4, 8), reach_of(model(c))
    batch[:, 0] = torch.arange(4)
    if reach is not None and reach < 8:
        for t in range(1, 8):
            batch[:, t] = (5 * batch[:, t - 1] + 3) % VOCAB
    return batch


def every_parameter_learns(c: Combination) -> None:
    """Every parameter has a gradient."""
    gpt, waiting = model(c), {}
    for draw in range(DRAWS):
        loss_of(gpt, ids(seed=draw), draw).backward()
        waiting = {name: p for name, p in learning(gpt).items() if p.grad is None or not (p.grad != 0).any()}
        # a bias of keys adds the same to all scores of a query, and no token need have chosen an expert
        waiting = {
            name: p for name, p in waiting.items() if not name.endswith("k_proj.bias") and ".experts." not in name
        }
        if not waiting:
            return
    name, p = next(iter(waiting.items()))
    assert p.requires_grad, f"{name} is frozen (requires_grad is False)"
    why = (
        "forward does not use it, or detaches what it gives" if p.grad is None else "rounding or a comparison stops it"
    )
    raise AssertionError(f"{name} has no gradient{'' if p.grad is None else ' but 0'}: {why}")


def works_in_bfloat16(c: Combination) -> None:
    """Under autocast and with bfloat16 weights, the logits are off by rounding only."""
    gpt, batch = model(c), ids()
    exact = gpt(batch)
    with torch.autocast("cpu", torch.bfloat16):
        logits, cache = gpt(batch), gpt.make_cache(B, T)
        cached = torch.cat([gpt(part, cache=cache) for part in batch.split([5, 1, 1, 2], 1)], 1)
        loss_of(gpt, batch).backward()
    gpt64 = copy.deepcopy(gpt).double()
    # A norm of a write that happens to be near 0 magnifies any rounding: four times what that of projections alone does.
    moved = (like(model(c, rounding_projections()), gpt).double()(batch) - gpt64(batch)).abs().max().item()
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
        check(gpt(ids()), like(model(c), gpt)(ids()), "in evaluation, against a model without dropout")
        gpt.train()
        assert not torch.equal(gpt(ids()), gpt(ids())), "dropout of 0.5 changes nothing in training"
        loss_of(gpt, ids()).backward()
        for name, p in learning(gpt).items():
            assert p.grad is not None and p.grad.isfinite().all(), f"with dropout {name} has no finite gradient"


PROMISES = [
    every_parameter_learns, twins_agree, saved_equals_loaded, starts_at_ln_v, one_batch_overfits, works_in_bfloat16,
    a_copy_is_equal_and_separate, can_be_built_without_memory, dropout_acts_in_training_only,
]  # fmt: skip

"""Every combination of variants keeps what it promises (glassformer/lab/contracts/model)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.lab.contracts.model import BASIS, reading
from glassformer.lab.contracts.model import PROMISES as AFTER_THE_BASIS
from glassformer.lab.contracts.model.comparing import check, ids, learning

from .combinations import CHOICES, Combination, config, label, model, pairs

PROMISES = [*BASIS, *AFTER_THE_BASIS]


def hold(contract, c: Combination) -> None:
    try:
        contract(c)
    except AssertionError as broken:
        pytest.fail(f"{label(c)} breaks {contract.__name__}: {broken}")


def rounds(n: int = 4) -> list:
    """Every pair of choices under every contract; a quarter of these (each contract, each combination) in every run."""
    return [
        pytest.param(contract, combination, id=f"{contract.__name__}-{label(combination)}",
                     marks=[pytest.mark.slow] if (i + j) % n else [])
        for i, combination in enumerate(pairs()) for j, contract in enumerate(PROMISES)
    ]  # fmt: skip


@pytest.mark.parametrize("contract, combination", rounds())
def test_any_two_variants_together(contract, combination):
    hold(contract, combination)


@settings(max_examples=25)
@given(c=st.fixed_dictionaries({slot: st.sampled_from(names) for slot, names in CHOICES.items()}), data=st.data())
def test_any_combination(c, data):
    hold(data.draw(st.sampled_from(PROMISES)), c)


@pytest.mark.slow
@pytest.mark.parametrize("combination", pairs(), ids=label)
def test_compiled_equals_eager(combination):
    torch.compiler.reset()
    gpt, batch = model(combination), ids()
    compiled = torch.compile(gpt)
    check(compiled(batch), gpt(batch), "compiled logits (row, position, token)")
    gradients = []
    for run in (gpt, compiled):
        gpt.train().zero_grad()
        run(batch[:, :-1], batch[:, 1:]).mean().backward()
        gradients.append({name: p.grad for name, p in learning(gpt).items() if p.grad is not None})
    expected, found = gradients
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        check(gradient, expected[name], f"compiled gradient of {name}")


def test_the_combinations_are_what_they_claim():
    assert len(pairs()) < 80 and all(config(c) for c in pairs())
    assert {name for c in pairs() for name in c.values()} == {name for names in CHOICES.values() for name in names}


@pytest.mark.parametrize("mixer", ["linear", "gated_deltanet", "mamba"])
def test_a_state_that_is_lost_after_the_prompt_is_found(monkeypatch, mixer):
    """The state and the tail of the convolution are zeros after the first call."""

    from glassformer.model.cache import StateCache

    honest = StateCache.store

    def forgetful(cache, positions, *tensors):
        honest(cache, positions, *(t if positions.start else t * 0 for t in tensors))

    monkeypatch.setattr(StateCache, "store", forgetful)
    usual = {"embed": "token", "position": "rope", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre", "head": "tied"}
    with pytest.raises(AssertionError, match="decode"):
        reading.decode_equals_forward({**usual, "init": "gpt2", "mixer": mixer, "shape": "many_heads"})


@pytest.mark.parametrize("mixer", ["full", "strided"])
def test_a_key_that_is_forgotten_later_is_found(monkeypatch, mixer):
    """The value of the first token is lost once three tokens have been read."""

    from glassformer.model.cache import KVCache

    honest = KVCache.append

    def forgetful(cache, k, v, positions):
        keys, values = honest(cache, k, v, positions)
        if positions.end > 3 and positions.start:
            values = values.clone()
            values[:, :, 0] = values[:, :, 1]
        return keys, values

    monkeypatch.setattr(KVCache, "append", forgetful)
    usual = {"embed": "token", "position": "rope", "mlp": "swiglu", "norm": "rmsnorm", "residual": "pre", "head": "tied"}
    with pytest.raises(AssertionError, match="decode"):
        reading.decode_equals_forward({**usual, "init": "gpt2", "mixer": mixer, "shape": "many_heads"})

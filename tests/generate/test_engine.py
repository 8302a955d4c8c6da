"""The engine: requests with settings of their own join, leave and wait, and each says what it would say alone."""

import functools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from glassformer.errors import GlassError
from glassformer.generate.engine import Engine, Request
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPT

from .test_decode import model_of, prompts_of, run

CONFIGS = [
    SamplingConfig(temperature=0, max_new_tokens=40),
    SamplingConfig(temperature=0.8, max_new_tokens=25, seed=3),
    SamplingConfig(temperature=0.8, max_new_tokens=9, seed=4),
    SamplingConfig(temperature=1.2, top_k=9, top_p=0.9, repetition_penalty=1.4, max_new_tokens=50, seed=5),
    SamplingConfig(temperature=0, repetition_penalty=1.3, max_new_tokens=3),
    SamplingConfig(min_p=0.1, max_new_tokens=1, seed=6),
]
NAMES = ["full", "linear", "mamba", "gated_deltanet"]
MIXERS = {name: name for name in NAMES} | {"window": {"name": "sliding", "window": 5}}


@functools.cache
def model_with(mixer: str, context_length: int = 32) -> GPT:
    return model_of(mixer=MIXERS[mixer], context_length=context_length)


def alone(model, prompt, config, **kwargs) -> list[int]:
    return run(model, [prompt], config, **kwargs)[0]


def finish(engine: Engine, requests: list[Request], lengths: list[int]) -> list[list[int]]:
    """Steps to the end; the continuations of these requests, whose prompts have these lengths."""
    while engine.busy:
        engine.step()
    return [request.ids[n:] for request, n in zip(requests, lengths, strict=True)]


@pytest.mark.parametrize("mixer", MIXERS)
@pytest.mark.parametrize("slots", [8, 2])
def test_requests_with_different_settings_equal_each_alone(mixer, slots):
    """Also where there are fewer slots than requests, which then wait and reuse the slots of others."""
    model, lengths = model_with(mixer), [3, 17, 8, 32, 1, 5]
    prompts = prompts_of(2, *lengths)
    engine = Engine(model, slots)
    requests = [engine.add(p, config, end_ids={5}) for p, config in zip(prompts, CONFIGS)]
    for config, prompt, ids in zip(CONFIGS, prompts, finish(engine, requests, lengths)):
        assert ids == alone(model, prompt, config, end_ids={5}), f"{config} beside others"
    assert not engine.running and not engine.waiting


@settings(max_examples=20)
@given(data=st.data(), mixer=st.sampled_from([*MIXERS]), slots=st.integers(1, 3))
def test_whoever_joins_leaves_or_is_cancelled_meanwhile_changes_nothing(data, mixer, slots):
    model = model_with(mixer, context_length=16)
    engine, requests = Engine(model, slots), {}
    for i in range(data.draw(st.integers(1, 15), "steps")):
        if data.draw(st.booleans(), "add"):
            [prompt] = prompts_of(i, data.draw(st.integers(1, 16), "length"))
            config = data.draw(st.sampled_from(CONFIGS), "config")
            requests[engine.add(prompt, config)] = (prompt, config)
        if requests and data.draw(st.integers(0, 5), "cancel") == 0:
            engine.cancel(data.draw(st.sampled_from([*requests]), "which"))
        engine.step()
    for request, (prompt, config) in requests.items():
        new = request.ids[len(prompt) :]
        assert not new or new == alone(model, prompt, config.override(f"max_new_tokens={len(new)}"))
        assert bool(request.finish) == (len(new) == config.max_new_tokens)


def test_a_request_joins_while_another_is_written():
    model, [first, second] = model_of(), prompts_of(3, 6, 9)
    engine, config = Engine(model, 2), SamplingConfig(max_new_tokens=20, seed=8)
    a = engine.add(first, config)
    for _ in range(7):
        assert [token.row for token in engine.step()] == [0]
    b = engine.add(second, config)
    assert [token.row for token in engine.step()] == [0, 1]
    assert finish(engine, [a, b], [6, 9]) == [alone(model, first, config), alone(model, second, config)]


def test_a_step_reads_a_prompt_once_and_one_token_of_every_other_request():
    model, [first, second, third] = model_of(), prompts_of(4, 6, 9, 7)
    shapes = []
    model.embed.register_forward_hook(lambda _, inputs, __: shapes.append(tuple(inputs[0].shape)))
    engine, config = Engine(model, 3), SamplingConfig(max_new_tokens=20)
    engine.add(first, config)
    engine.step()
    engine.add(second, config)
    engine.add(third, config)
    engine.step()
    engine.step()
    assert shapes == [(1, 6), (2, 9), (1, 1), (3, 1)]


def test_only_the_last_position_is_scored():
    model, seen = model_of(), []
    model.head.register_forward_hook(lambda _, inputs, __: seen.append(tuple(inputs[0].shape[:-1])))
    engine = Engine(model, 2)
    for prompt in prompts_of(5, 30, 4):
        engine.add(prompt, SamplingConfig(max_new_tokens=2))
    engine.step()
    engine.step()
    assert seen == [(2, 1), (2, 1)]


def test_a_cancelled_request_frees_its_slot():
    model, prompts = model_of(), prompts_of(6, 4, 5, 6)
    config = SamplingConfig(max_new_tokens=12, seed=2)
    engine = Engine(model, 1)
    first, second, third = (engine.add(prompt, config) for prompt in prompts)
    assert [token.row for token in engine.step()] == [0]
    engine.cancel(second)  # waits
    engine.cancel(first)  # runs
    engine.cancel(first)  # is gone
    assert not first.finish and engine.busy
    assert [token.row for token in engine.step()] == [2]
    assert finish(engine, [third], [6]) == [alone(model, prompts[2], config)]
    engine.cancel(third)  # is finished


def test_a_leaving_request_copies_no_row_but_the_last():
    model = model_of()
    engine = Engine(model, 4)
    requests = [engine.add(p, SamplingConfig(max_new_tokens=30, seed=i)) for i, p in enumerate(prompts_of(7, 4, 4, 4, 4))]
    engine.step()
    layer = engine.cache.layers[0]
    keys, before = layer.k, layer.k.clone()
    engine.cancel(requests[1])
    assert layer.k is keys and engine.running == [requests[0], requests[3], requests[2]]
    assert torch.equal(keys[[0, 2]], before[[0, 2]]) and torch.equal(keys[1], before[3])
    engine.cancel(requests[2])
    assert torch.equal(keys[:2], before[[0, 3]])


def test_a_window_that_slides_reads_its_own_text_again_and_no_other():
    model, [long, short] = model_of(), prompts_of(8, 31, 3)
    shapes, config = [], SamplingConfig(max_new_tokens=30, seed=1)
    engine = Engine(model, 2)
    a, b = engine.add(long, config), engine.add(short, config)
    engine.step()
    engine.step()
    model.embed.register_forward_hook(lambda _, inputs, __: shapes.append(tuple(inputs[0].shape)))
    engine.step()
    assert shapes == [(1, 16), (1, 1)]
    assert finish(engine, [a, b], [31, 3]) == [alone(model, long, config), alone(model, short, config)]


def test_a_slot_may_be_shorter_than_the_context():
    model, [prompt] = model_of(), prompts_of(9, 5)
    config = SamplingConfig(temperature=0, max_new_tokens=9)
    engine = Engine(model, 1, length=14)
    assert finish(engine, [engine.add(prompt, config)], [5]) == [alone(model, prompt, config)]
    shapes = []
    model.embed.register_forward_hook(lambda _, inputs, __: shapes.append(tuple(inputs[0].shape)))
    engine.add(prompts_of(10, 14)[0], config)
    while engine.busy:
        engine.step()
    assert shapes[:2] == [(1, 14), (1, 7)]
    with pytest.raises(GlassError, match="15 tokens .* at most 14"):
        engine.add(prompts_of(10, 15)[0], config)
    with pytest.raises(AssertionError, match="wider than the model's context"):
        Engine(model, 1, length=33)


def test_nothing_to_do_gives_no_tokens_and_a_refused_prompt_leaves_nothing():
    engine = Engine(model_of(), 2)
    assert engine.step() == [] and not engine.busy
    with pytest.raises(GlassError, match="prompt 0 is empty"):
        engine.add([], SamplingConfig())
    assert not engine.busy


def test_every_setting_acts_on_scores_or_on_one_request_alone():
    """Rows are sampled together where `scoring` is equal: a new setting that it misses would act on other rows."""
    own = {"seed", "max_new_tokens", "stop"}
    base = SamplingConfig()
    changed: dict = {"temperature": 0.5, "top_k": 3, "top_p": 0.5, "min_p": 0.5, "repetition_penalty": 1.5}
    changed["processor"] = "typical"
    assert {*SamplingConfig.model_fields} == own | {*changed}
    for name, value in changed.items():
        assert base.override(f"{name}={value}").scoring != base.scoring
    assert base.override("seed=4", "max_new_tokens=3").scoring == base.scoring


def test_a_request_cancelled_while_another_is_asked_gets_no_token():
    model = model_with("full")
    engine = Engine(model, slots=2)
    second = None

    def stopped(id):
        engine.cancel(second)
        return False

    engine.add([1, 2], SamplingConfig(max_new_tokens=3, temperature=0), stopped=stopped)
    second = engine.add([3], SamplingConfig(max_new_tokens=3, temperature=0))
    assert [token.row for token in engine.step()] == [0]
    assert second not in engine.running


def test_the_engine_goes_on_after_an_exception_of_a_stop_rule():
    model, config = model_with("full"), SamplingConfig(max_new_tokens=3, temperature=0)
    expected = alone(model, [4, 5], config)
    engine = Engine(model, slots=2)

    def stopped(id):
        raise RuntimeError("not today")

    bad = engine.add([1, 2], config, stopped=stopped)
    engine.add([4, 5], config)
    with pytest.raises(RuntimeError, match="not today"):
        engine.step()
    engine.cancel(bad)
    rest = [token.id for _ in range(3) for token in engine.step()]
    assert rest == expected

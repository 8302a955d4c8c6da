"""Decoding: the cache changes nothing but the time, and neither does the company in a batch."""

from random import Random

import pytest
import torch

from glassformer.errors import GlassError
from glassformer.generate.decode import Token, generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.model.gpt import GPT, GPTConfig

V = 37


def model_of(position: str = "rope", context_length: int = 32, **slots) -> GPT:
    shapes = dict(vocab_size=V, context_length=context_length, n_layer=2, n_head=4, n_kv_head=2, n_embd=32)
    model = GPT(GPTConfig(position=position, **shapes, **slots), seed=3)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(6 if p.ndim > 1 else 1)  # a confident model: random weights alone are nearly uniform
    return model


def prompts_of(seed: int, *lengths: int) -> list[list[int]]:
    generator = Random(seed)
    return [[generator.randrange(V) for _ in range(n)] for n in lengths]


def rows_of(tokens: list[Token], n_rows: int) -> list[list[int]]:
    return [[token.id for token in tokens if token.row == i] for i in range(n_rows)]


def run(model: GPT, prompts: list[list[int]], config: SamplingConfig, **kwargs) -> list[list[int]]:
    return rows_of(list(generate(model, prompts, config, **kwargs)), len(prompts))


@torch.no_grad()
def greedy_without_cache(model: GPT, prompt: list[int], n: int) -> list[int]:
    """Reads everything again for every token; the window slides by the documented rule."""
    ids, start = list(prompt), 0
    for _ in range(n):
        if len(ids) - start > model.config.context_length:
            start = len(ids) - model.config.context_length // 2
        ids.append(int(model(torch.tensor([ids[start:]]))[0, -1].argmax()))
    return ids[len(prompt) :]


@pytest.mark.parametrize("position", ["rope", "learned", "sinusoidal", "none"])
def test_cached_equals_uncached_also_beyond_the_context(position):
    model = model_of(position)
    prompts = prompts_of(1, 5, 1, 32, 13)
    ours = run(model, prompts, SamplingConfig(temperature=0, max_new_tokens=60))
    assert ours == [greedy_without_cache(model, prompt, 60) for prompt in prompts]
    assert len(set(map(tuple, ours))) > 1


@pytest.mark.parametrize("config", [
    SamplingConfig(temperature=0, max_new_tokens=50),
    SamplingConfig(temperature=0.9, top_p=0.95, max_new_tokens=50, seed=11),
    SamplingConfig(temperature=1.1, repetition_penalty=1.3, min_p=0.02, max_new_tokens=50, seed=7),
])  # fmt: skip
def test_a_row_of_a_batch_equals_the_row_alone(config):
    model, prompts = model_of(), prompts_of(2, 3, 17, 8, 1)
    together = run(model, prompts, config, end_ids={5})
    for i, prompt in enumerate(prompts):
        assert together[i] == run(model, [prompt], config.override(f"seed={config.seed + i}"), end_ids={5})[0]
    assert len({len(row) for row in together}) > 1, "rows should end at different times for this to mean much"


def test_a_seed_reproduces_and_another_differs():
    model, prompts = model_of(), prompts_of(3, 4, 4)
    config = SamplingConfig(max_new_tokens=30, seed=1)
    assert run(model, prompts, config) == run(model, prompts, config)
    assert run(model, prompts, config) != run(model, prompts, config.override("seed=2"))
    same = run(model, [prompts[0]] * 2, config)
    assert same[0] != same[1], "two rows with the same prompt must not say the same"


def test_top_k_of_one_is_greedy():
    model, prompts = model_of(), prompts_of(4, 6, 2)
    greedy = run(model, prompts, SamplingConfig(temperature=0, max_new_tokens=20))
    assert run(model, prompts, SamplingConfig(top_k=1, max_new_tokens=20)) == greedy


def test_tokens_say_why_their_row_ends():
    model, prompts = model_of(), prompts_of(5, 4, 4, 4)
    plain = run(model, prompts, SamplingConfig(max_new_tokens=12))
    end = plain[0][3]

    def stopped(row: int, id: int) -> bool:
        return row == 1 and id == plain[1][1]

    tokens = list(generate(model, prompts, SamplingConfig(max_new_tokens=12), end_ids={end}, stopped=stopped))
    finishes = {token.row: token.finish for token in tokens if token.finish}
    assert finishes[0] == "end" and rows_of(tokens, 3)[0] == plain[0][: plain[0].index(end) + 1]
    assert finishes[1] == ("end" if end in plain[1][:2] else "stop")
    assert finishes[2] == ("end" if end in plain[2] else "length")
    for i in range(3):
        assert [token.finish for token in tokens if token.row == i][:-1] == [""] * (len(rows_of(tokens, 3)[i]) - 1)


def test_a_finished_row_costs_nothing():
    model, prompts = model_of(), prompts_of(6, 4, 4, 4)
    batches = []
    model.embed.register_forward_hook(lambda _, inputs, __: batches.append(inputs[0].shape[0]))
    list(generate(model, prompts, SamplingConfig(max_new_tokens=5), stopped=lambda row, id: row == 1))
    assert batches == [3, 2, 2, 2, 2]


@torch.no_grad()
def test_logprobs_are_the_models_own():
    model, [prompt] = model_of(), prompts_of(7, 6)
    tokens = list(generate(model, [prompt], SamplingConfig(temperature=0.5, top_k=9, max_new_tokens=10)))
    ids = [*prompt, *(token.id for token in tokens)]
    expected = model(torch.tensor([ids]))[0].log_softmax(-1)[range(5, 15), ids[6:]]
    torch.testing.assert_close(torch.tensor([token.logprob for token in tokens]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("temperature", [0, 1])
def test_a_great_penalty_forbids_repetition_but_not_the_end(temperature):
    model, [prompt], end = model_of(), prompts_of(8, 5), 11
    config = SamplingConfig(temperature=temperature, repetition_penalty=1e9, max_new_tokens=20)
    model.head.register_forward_hook(lambda _, __, logits: logits - logits.min() + 60)  # positive: a penalty divides
    new = run(model, [[end, *prompt]], config)[0]
    assert not {*new} & {end, *prompt} and len({*new}) == len(new)
    model.head.register_forward_hook(lambda _, __, logits: logits.index_fill(-1, torch.tensor([end]), 999.0))
    assert run(model, [[end]], config, end_ids={end}) == [[end]], "the id that opens the document may still close it"


def test_generation_leaves_no_mode_behind():
    model, prompts = model_of(dropout=0.2), prompts_of(9, 4)
    assert model.training
    for _ in generate(model, prompts, SamplingConfig(max_new_tokens=3)):
        assert torch.is_grad_enabled() and not torch.is_inference_mode_enabled()
        assert not model.training
    assert model.training
    tokens = generate(model, prompts, SamplingConfig(max_new_tokens=3))
    next(tokens)
    tokens.close()
    assert model.training
    model(torch.tensor(prompts)).sum().backward()


def test_no_prompts_give_no_tokens():
    assert list(generate(model_of(), [], SamplingConfig())) == []


@pytest.mark.parametrize(
    ("prompt", "message"),
    [([], "prompt 1 is empty"), ([1] * 33, "33 tokens .* at most 32"), ([1, V], f"id {V} "), ([-1, 2], "id -1 ")],
)
def test_impossible_prompts_are_refused_with_the_remedy(prompt, message):
    with pytest.raises(GlassError, match=message):
        list(generate(model_of(), [[1], prompt], SamplingConfig()))


def test_scores_that_are_not_numbers_are_refused():
    model = model_of()
    with torch.no_grad():
        model.embed.weight[3] = float("nan")
    for temperature in (0, 1):
        with pytest.raises(GlassError, match="NaN"):
            list(generate(model, [[3]], SamplingConfig(temperature=temperature)))

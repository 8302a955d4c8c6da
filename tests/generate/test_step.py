"""The compiled decode step says what the modules say, whatever the parts, from the first token until the cache is full."""

import logging

import pytest
import torch

from glassformer.errors import GlassError
from glassformer.generate import step as steps
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.generate.step.covers import uncovered
from glassformer.generate.step.freeze import PLAIN, Step
from glassformer.generate.step.vnni import available
from glassformer.kernels import fused, replace
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.model.quantized import quantized
from glassformer.runs import checkpoint
from glassformer.runs.shipped import FOLDER

LENGTH = 21
SMALL = dict(vocab_size=53, context_length=LENGTH, n_layer=2, n_head=4, n_embd=40)
GPT2 = dict(bias=True, position="learned", norm="layernorm", mlp="gelu")


def model_of(**settings) -> GPT:
    model = GPT(GPTConfig.parse({**SMALL, **settings}), seed=4).eval()
    draw = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(5) if p.ndim > 1 else p.add_(0.1 * torch.randn(p.shape, generator=draw))  # gains that act
    return model


@torch.inference_mode()
def difference(model: GPT, other: GPT | None = None, n_prompt: int = 0, **kwargs) -> float:
    """The largest difference between logits of the step and of the modules of `other`, token by token."""
    ids = torch.randint(SMALL["vocab_size"], (1, LENGTH), generator=torch.Generator().manual_seed(1))
    caches = [model.make_cache(1, LENGTH) for _ in range(2)]
    for reader, cache in zip((model, other or model), caches, strict=True):
        if n_prompt:
            reader.last(ids[:, :n_prompt], cache=cache)
    step, worst = Step(model, caches[0], **kwargs), 0.0
    for i in range(n_prompt, LENGTH):
        expected = (other or model).last(ids[:, i : i + 1], cache=caches[1]).float()
        z = step.read(int(ids[0, i])).float()
        assert z.shape == expected.shape and bool((z.isinf() == expected.isinf()).all())
        worst = max(worst, float((z - expected).nan_to_num(0).abs().max()))
    assert caches[0].lengths == [LENGTH]
    return worst


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("settings", [
    GPT2,
    GPT2 | {"n_head": 1, "n_embd": 27, "mlp": "gelu_exact", "head": "untied", "vocab_size": 53},
    {"n_kv_head": 2, "mixer": {"name": "full", "qk_norm": "rmsnorm"}, "head_dim": 6},
    {"n_kv_head": 1, "mixer": {"name": "full", "qk_norm": "layernorm", "qk_norm_over": "all_heads"}, "mlp": "relu"},
    {"mixer": {"name": "sliding", "window": 5}, "mlp": "geglu", "norm": "rmsnorm_zero_centered", "logit_softcap": 3.0},
    {"mixers": "sliding,full", "mixer": {"name": "sliding", "window": 40}, "mlp": "relu2", "embed": "scaled"},
    {"position": {"name": "rope", "rotary_fraction": 0.6, "scaling": {"name": "yarn", "factor": 2}}, "norm": "none"},
    {"head": "pointer", "embed": "ngram", "position": "sinusoidal", "absent": [(3, 9)], "bias": True},
    {"position": "none", "mixer": {"name": "full", "qkv_bias": True}, "mlp": {"name": "swiglu", "n_hidden": 33}},
], ids=lambda settings: ",".join(map(str, settings)))  # fmt: skip
def test_equals_the_modules(settings, n_threads):
    model = model_of(**settings)
    assert difference(model, n_threads=n_threads) < 1e-4
    assert difference(model, n_prompt=7, n_threads=n_threads) < 1e-4


def test_threads_change_no_bit():
    model = model_of(n_kv_head=2, n_embd=72)
    caches = [model.make_cache(1, LENGTH) for _ in range(2)]
    one, three = (Step(model, cache, n_threads=n) for cache, n in zip(caches, (1, 3), strict=True))
    for id in range(LENGTH):
        assert torch.equal(one.read(id), three.read(id))


def test_bf16_differs_by_rounding_alone():
    narrow = model_of(n_kv_head=2).to(torch.bfloat16)
    wide = model_of(n_kv_head=2)
    wide.load_state_dict({name: t.float() for name, t in narrow.state_dict().items()})
    ours = difference(narrow, wide, n_prompt=5)  # only the keys and values are rounded
    assert 0 < ours < 0.05 * float(wide(torch.arange(9)[None]).detach().abs().max())


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("settings", [{}, GPT2 | {"n_embd": 70, "n_head": 2}, {"head": "untied", "n_kv_head": 1}])
def test_whole_numbers_differ_by_the_rounding_of_x(bits, settings):
    model = quantized(model_of(**settings), bits)
    size = float(model(torch.arange(LENGTH)[None]).detach().abs().max())
    assert difference(model, n_prompt=4, use_vnni=False) < 0.12 * size
    assert difference(model, n_threads=2, use_vnni=False) < 0.12 * size


@pytest.mark.skipif(not available(), reason="this CPU has no AVX-512 VNNI")
@pytest.mark.parametrize("bits", [8, 4])
def test_the_instruction_gives_the_bits_of_the_loop(bits, monkeypatch):
    model = quantized(model_of(n_embd=100, n_head=2, n_kv_head=1), bits)
    by_instruction, by_loop = (Step(model, model.make_cache(1, LENGTH), use_vnni=use) for use in (True, False))
    monkeypatch.setenv(PLAIN, "1")
    forced = Step(model, model.make_cache(1, LENGTH))
    assert by_instruction.record["vnni"] == 1 and forced.record["vnni"] == 0
    for id in range(LENGTH):
        z = by_instruction.read(id).clone()
        assert torch.equal(z, by_loop.read(id)) and torch.equal(z, forced.read(id))


@pytest.mark.parametrize(("settings", "part"), [
    ({"mixer": "mamba"}, "model.mixer=mamba"),
    ({"mixers": "full,strided"}, "model.mixer=strided"),
    ({"mlp": "moe"}, "model.mlp=moe"),
    ({"residual": "parallel"}, "model.residual=parallel"),
    ({"position": "alibi"}, "model.position=alibi"),
    ({"position": "relative"}, "model.position=relative"),
])  # fmt: skip
def test_says_which_part_it_does_not_cover(settings, part):
    assert uncovered(model_of(**settings)) == part


def test_does_not_cover_what_was_changed_from_outside():
    model = model_of()
    assert uncovered(model) == ""
    handle = model.blocks[1].mlp.register_forward_hook(lambda *_: None)
    assert uncovered(model) == "hooks that watch it"
    handle.remove()
    model.blocks[1].mlp.up_proj = torch.nn.Sequential(model.blocks[1].mlp.up_proj)
    assert uncovered(model) == "blocks.1.mlp.up_proj, which is of another class than the model's own"
    model = model_of()
    model.head = torch.nn.Linear(40, 53)
    assert uncovered(model) == "the head Linear"
    model = model_of()
    model.blocks[0].forward = model.blocks[1].forward
    assert uncovered(model) == "a forward that was replaced"
    assert uncovered(GPT(model.config, replace(fused(), softmax=lambda x: x))) == "formulas that were replaced"
    assert uncovered(model_of().double()) == "weights of type torch.float64"


def texts(model: GPT, prompt: list[int], n: int, monkeypatch, **settings) -> list[list[int]]:
    """What the step writes, and what the modules write."""
    config, written = SamplingConfig(max_new_tokens=n, **settings), []
    for make in (lambda model, cache, n_new: Step(model, cache), lambda *_: None):
        monkeypatch.setattr("glassformer.generate.engine.step_for", make)
        written.append([token.id for token in generate(model, [prompt], config)])
    return written


def test_village_mini_writes_the_same(monkeypatch):
    saved = checkpoint.load(FOLDER / "village-mini")
    prompt = [saved.tokenizer().end_of_text, *saved.tokenizer().encode("One morning")]
    fast, slow = texts(saved.model(), prompt, 64, monkeypatch, temperature=0)
    assert fast == slow


@pytest.mark.parametrize("settings", [dict(temperature=0), dict(temperature=0.8, top_p=0.9, repetition_penalty=1.2)])
def test_a_model_like_gpt2_writes_the_same_beyond_its_context(settings, monkeypatch):
    model = model_of(**GPT2, context_length=48, n_embd=64)
    fast, slow = texts(model, [5, 1, 7], 120, monkeypatch, **settings)
    assert fast == slow and len(set(fast)) > 1


def test_nan_is_told(monkeypatch):
    model = model_of()
    with torch.no_grad():
        model.blocks[1].mlp.down_proj.weight[3, 2] = torch.nan
    monkeypatch.setattr("glassformer.generate.engine.step_for", lambda model, cache, _: Step(model, cache))
    with pytest.raises(GlassError, match="NaN"):
        list(generate(model, [[1]], SamplingConfig(max_new_tokens=3)))


def test_compiled_code_that_is_not_there_is_made_for_large_models_only(monkeypatch, caplog):
    model = model_of()
    monkeypatch.setattr(steps.cache_folder, "state", lambda *_: "nowhere")
    assert steps.step_for(model, model.make_cache(1, LENGTH), 10**6) is None
    monkeypatch.setattr(steps.cache_folder, "state", lambda *_: "on disk")
    assert steps.step_for(model, model.make_cache(1, LENGTH), 10) is None, "loading takes longer than writing"
    assert steps.step_for(model, model.make_cache(1, LENGTH), 10**5) is not None
    monkeypatch.setattr(steps, "LARGE", 1000)
    with caplog.at_level(logging.INFO, "glassformer"):
        mamba = model_of(mixer="mamba")
        assert steps.step_for(mamba, mamba.make_cache(1, LENGTH), 10**5) is None
    assert "does not cover model.mixer=mamba" in caplog.text

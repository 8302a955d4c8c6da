"""The page in a browser: its digits, its focus, a phone, and who does not see or has no mouse.

tests/pages/test_axe.py asks axe-core, where that is installed. What it would find most often is asked here by ourselves:
names of controls, ids that stand twice, roles, and the contrast of every text with what is behind it.
"""

import functools
from dataclasses import replace

import pytest
import torch

from glassformer.generate.sampling import SamplingConfig
from glassformer.lens.attribution import attribute
from glassformer.lens.logit_lens import logit_lens
from glassformer.lens.look.gather import Limits, gather
from glassformer.lens.look.page import script, write_page
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs import checkpoint, snapshots
from glassformer.runs.shipped import FOLDER
from glassformer.tokenizers import TokenizerRecipe

from ...page import Page
from ..conftest import shipped
from .browser import ask
from .test_gather import MEAN

TEXT = "Walt sat at the smithy, counting swallows. He had the feeling that something was going to happen."
KNOBS = SamplingConfig(temperature=0.8, top_k=12, top_p=0.95, min_p=0.002)


@functools.cache
def looked():
    gpt, tokenizer = shipped()
    return gather(gpt, tokenizer, TEXT, KNOBS, step=10_000)


@pytest.fixture
def page(tmp_path):
    return write_page(looked(), "village-mini", "./glass look", tmp_path / "look.html")


def test_the_page_is_one_whole_file_and_offline(page):
    text = page.read_text(encoding="utf-8")
    found = Page(text)
    assert all(link.startswith(("#", "data:")) for link in found.links)
    code = script().replace("http://www.w3.org/2000/svg", "")
    assert "import " not in code and "export " not in code and "http" not in code
    assert text.count("<h1") == 1 and "Walt sat at the smithy" in found.text


def test_no_text_escapes_into_the_page(tmp_path):
    gpt, tokenizer = shipped()
    text = "</script><img src=x onerror=alert(1)>&amp; {{ 7 * 7 }} <!-- \u202e ${1}"
    look = gather(gpt, tokenizer, text, SamplingConfig(), limits=Limits(opened=2, opened_elsewhere=0))
    page = write_page(look, text, text, tmp_path / "look.html").read_text(encoding="utf-8")
    found = Page(page)  # balanced, and without a handler
    assert "img" not in found.tags and "{{ 7 * 7 }}" in found.text and "\u202e" not in page and "<!-- " not in page


def test_every_digit_is_that_of_a_tensor(page, tmp_path):
    found = ask(page, "collect", tmp_path, "#place=7&head=3.2&key=1", width=360)["found"]
    look, place = looked(), 7
    seen = trace(look.glance.model, look.glance.ids, next_tokens(look.glance.ids))
    T = look.glance.T
    assert found["place"] == "7" and found["head"].startswith("layer 3, head 2")
    assert {"tile", "bar-row"} <= set(found["marked"])
    assert found["loss"] == float(seen.nats[0, place - 1])
    weight = float(seen.pattern(3).weights[0, 2, place, 1])
    assert found["weight"] == weight and float(found["shown"].replace("−", "-")) == pytest.approx(weight, rel=1e-5)
    guess = logit_lens(seen, next_tokens(look.glance.ids))
    assert found["lens"] == guess.probabilities[:, 0, :, 0].flatten().tolist() and len(found["lens"]) == 5 * T
    assert found["words"] == [look.glance.token(id) for id in guess.top[:, 0, :, 0].flatten().tolist()]
    said = attribute(seen, seen.logits.argmax(-1), heads=True).terms[:, 0, place].tolist()
    assert found["said"] == said and found["why"] == pytest.approx(float(seen.logits[0, place].max()), rel=1e-6)
    stages = look.glance.stages(place)
    for id, logit, *probabilities in found["stages"]:
        assert logit == float(seen.logits[0, place, id])
        for (name, expected), p in zip(stages, probabilities, strict=True):
            assert (p or 0) == pytest.approx(float(expected[id]), rel=1e-4, abs=1e-9), name
    assert found["scroll"] <= 360 and found["inner"] == 360 and not found["wide"], "a phone scrolls sideways"


@pytest.mark.slow
def test_pointer_and_keys_lead_everywhere(page, tmp_path):
    found = ask(page, "walk", tmp_path)["found"]
    T = looked().glance.T
    assert found["left"][0] == str(T - 2) and f"place={T - 2}" in found["left"][1]
    assert {"text-part", "lens-part", "head-part"} <= set(found["near"])
    assert found["hovered"][0].startswith("Place 3") and f"place={T - 2}" in found["hovered"][1]
    assert found["head"][0].startswith("layer 1, head 3") and "head=1.3" in found["head"][1]
    assert f"place={T - 3}" in found["matrix"] and "key=" in found["matrix"]
    assert found["back"][0] == "2" and found["back"][1].startswith("layer 0, head 1") and found["back"][2]
    assert found["nonsense"][0] == "2" and found["nonsense"][1].startswith("layer 0, head 1")
    sampled = replace(looked().glance, sampling=KNOBS.model_copy(update={"top_k": 3})).stages(2)
    left = int((sampled[-1][1] > 0).sum())
    assert left <= 3 and f" {left} of 2,048" in found["left_over"]
    assert "After layer 2" in found["lens"] and found["opened"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_everybody_can_read_it(page, tmp_path, dark):
    found = ask(page, "access", tmp_path, "#place=9", dark=dark)["found"]
    assert not found["faint"], found["faint"][:8]
    assert not found["nameless"] and not found["twice"] and not found["skipped"] and not found["canvases"]
    assert not found["small"], found["small"]
    assert found["stops"] == 1 and found["lang"] == "en"


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 1200])
def test_it_fits_dark_and_wide(page, tmp_path, width):
    found = ask(page, "collect", tmp_path, width=width, dark=True)["found"]
    assert found["scroll"] <= width and not found["wide"]


def test_the_focus_of_the_text_is_what_was_asked_for():
    assert looked().glance.place == looked().glance.T - 1 and torch.isnan(looked().glance.nats[0])


@pytest.mark.slow
def test_the_slider_shows_the_tensors_of_earlier_steps(tmp_path):
    gpt, tokenizer = shipped()
    over = FOLDER / "village-mini"
    limits = Limits(opened=2, opened_elsewhere=0)
    look = gather(gpt, tokenizer, "Walt sat at the smithy. He", KNOBS, step=10_000, over=over, limits=limits)
    page = write_page(look, "village-mini", "./glass look", tmp_path / "look.html")
    for step in (0, 1000):
        found = ask(page, "collect", tmp_path, f"#place=7&head=3.2&key=1&step={step}", width=360)["found"]
        before = checkpoint.load(snapshots.steps(over)[step]).model()
        seen = trace(before, look.glance.ids, next_tokens(look.glance.ids))
        assert found["weight"] == float(seen.pattern(3).weights[0, 2, 7, 1]) and found["loss"] == float(seen.nats[0, 6])
        assert found["lens"] == logit_lens(seen).probabilities[:, 0, :, 0].flatten().tolist()
        assert found["steps"] == ["0", "128", "500", "1,000", "2,000", "10,000"] and not found["wide"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "mixers", ["linear", "gated_deltanet", "mamba", str(MEAN), f"full,{MEAN}"], ids=lambda name: name[-20:]
)
def test_a_page_of_every_kind_of_mixer_draws(tmp_path, mixers):
    config = GPTConfig(vocab_size=23, context_length=16, n_layer=2, n_head=2, n_embd=16, mixers=mixers.split(","))
    tokenizer = TokenizerRecipe.named("char").train(["abcd abc ad"])
    look = gather(GPT(config).eval(), tokenizer, "ab ca", SamplingConfig(), limits=Limits(opened=12, opened_elsewhere=1))
    page = write_page(look, "small", "./glass look", tmp_path / "look.html")
    found = ask(page, "drawn", tmp_path)["found"]
    assert found["drawn"] == "yes" and found["tiles"] == sum(len(its.numbers) for its in look.moments[-1].heads.values())
    assert found["said"] and found["lens"] == 3 * look.glance.T
    assert (found["weight"] is None) is (not look.moments[-1].heads)
    if found["weight"] is not None:
        layer, number = map(int, found["head"].split("."))
        its = look.moments[-1].heads[layer]
        weights = its.weights[its.numbers.index(number), look.glance.place]
        assert found["weight"] == float(weights[weights.abs().argmax()])

"""What is gathered for a page: it is what the model computed, for every variant."""

import base64
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from glassformer.errors import LensError, TokenizerError
from glassformer.generate.sampling import SamplingConfig
from glassformer.lab.contracts.model.combinations import CHOICES, Combination, label, model
from glassformer.lens.attribution import attribute
from glassformer.lens.logit_lens import logit_lens
from glassformer.lens.look.encode import encoded, triangle
from glassformer.lens.look.gather import Limits, gather
from glassformer.lens.look.glance import glance
from glassformer.lens.look.moments import MOST_HEADS, earlier
from glassformer.lens.look.page import write_page
from glassformer.lens.trace import next_tokens, trace
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.tokenizers import TokenizerRecipe

from ..variants import USUAL, every_variant

TEXT = "ab ca bd ab"
MEAN = Path(__file__).parents[2] / "model" / "mean_mixer.py"


@pytest.fixture(scope="module")
def tokenizer():
    """Fewer tokens than the small models know ids."""
    return TokenizerRecipe.named("char").train(["abcd abc ad"])


def read(page: Path) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)
    assert found
    return json.loads(found[1])


def tensor(packed: dict) -> np.ndarray:
    kinds = {"f32": "<f4", "f16": "<f2", "i32": "<i4"}
    return np.frombuffer(base64.b64decode(packed["data"]), kinds[packed["type"]]).reshape(packed["shape"])


def few(combination, limits=None, **kwargs):
    limits = limits or Limits(opened=12, opened_elsewhere=1)
    return lambda tokenizer: gather(model(combination).eval(), tokenizer, TEXT, SamplingConfig(), limits=limits, **kwargs)


def together() -> list[Combination]:
    """As few models as there are variants of the largest slot; each variant of each slot stands in one at least."""
    slots = {slot: names for slot, names in CHOICES.items() if slot not in ("init", "shape")}
    return [
        {**USUAL, **{slot: names[i % len(names)] for slot, names in slots.items()}}
        for i in range(max(map(len, slots.values())))
    ]


@pytest.mark.parametrize(
    "combination",
    [*together(), *(pytest.param(one, marks=pytest.mark.slow) for one in every_variant())],
    ids=label,
)
def test_every_variant_can_be_looked_at(combination, tokenizer, tmp_path):
    look = few(combination)(tokenizer)
    seen = trace(look.glance.model, look.glance.ids, next_tokens(look.glance.ids))
    last = look.moments[-1]
    assert torch.allclose(look.glance.logits, seen.logits[0]) and torch.allclose(last.nats[1:], seen.nats[0, :-1])
    n_layer, copies = look.glance.model.config.n_layer, combination["head"] == "pointer"
    assert set(last.heads) == set(range(n_layer + copies)) and last.said and look.roots
    assert not copies or torch.equal(last.heads[n_layer].weights, seen["head.pattern"])
    for layer, its in list(last.heads.items())[:n_layer]:
        assert torch.equal(its.weights, seen.pattern(layer).weights[0][its.numbers])
        assert len(its.numbers) == min(its.n_all, MOST_HEADS)
    data = read(write_page(look, "a <model>", "glass look", tmp_path / "look.html"))
    packed = data["moments"][-1]["layers"]["0"]
    assert np.array_equal(tensor(packed["weights"]), triangle(last.heads[0].weights).numpy())
    assert data["vocabulary"][data["tokens"][-1]] == "b"
    assert [said for said in look.left_out if "copies" not in said] == []
    assert bool(look.left_out) is copies


def test_a_part_without_a_picture_says_so_by_name_and_the_rest_is_there(tokenizer, tmp_path):
    gpt = GPT(GPTConfig(vocab_size=23, context_length=16, n_layer=2, n_head=2, n_embd=16, mixers=[str(MEAN), "full"]))
    look = gather(gpt.eval(), tokenizer, TEXT, SamplingConfig(), limits=Limits(opened=12, opened_elsewhere=1))
    assert list(look.moments[-1].heads) == [1] and look.moments[-1].said and look.roots
    assert any("layer 0" in said and "RunningMean" in said for said in look.left_out)
    page = write_page(look, "own", "glass look", tmp_path / "look.html")
    assert "RunningMean" in page.read_text(encoding="utf-8") and list(read(page)["moments"][0]["layers"]) == ["1"]


def test_the_page_holds_the_numbers_of_the_tensors(village_mini, tmp_path):
    gpt, tokenizer = village_mini
    text = "Walt sat at the smithy. He"
    knobs = SamplingConfig(temperature=0.8, top_k=20)
    look = gather(gpt, tokenizer, text, knobs, place=4, limits=Limits(opened=20, opened_elsewhere=1))
    data = read(write_page(look, "village-mini", "glass look", tmp_path / "look.html"))
    ids = torch.tensor([[tokenizer.require_end_of_text(), *tokenizer.encode(text)]])
    seen = trace(gpt, ids, next_tokens(ids))
    assert data["tokens"] == ids[0].tolist() and data["place"] == 4
    logits, now = tensor(data["logits"]), data["moments"][-1]
    assert np.array_equal(logits, seen.logits[0, data["logits"]["first"] :].numpy())
    nats = tensor(now["nats"])
    assert np.isnan(nats[0]) and np.array_equal(nats[1:], seen.nats[0, :-1].numpy())
    rows, columns = np.tril_indices(ids.shape[1])
    for layer in range(4):
        weights = tensor(now["layers"][str(layer)]["weights"])
        assert np.array_equal(weights, seen.pattern(layer).weights[0].numpy()[:, rows, columns])
    log_p = seen.logits[0].log_softmax(-1)
    assert np.array_equal(tensor(now["next"]["top"]), log_p.topk(5).indices.numpy())
    assert tensor(now["next"]["rank"])[2] == (log_p[2] > log_p[2, ids[0, 3]]).sum()
    guess, its = logit_lens(seen, next_tokens(ids)), now["lens"]
    assert np.array_equal(tensor(its["top"]), guess.top[:, 0].numpy())
    assert np.array_equal(tensor(its["p"]), guess.probabilities[:, 0].numpy())
    said = attribute(seen, seen.logits.argmax(-1), heads=True)
    assert np.array_equal(tensor(now["said"]["likeliest"]["terms"]), said.terms[:, 0].numpy())
    root = next(root for root in data["roots"] if root["place"] == 4)
    assert data["reasons"][root["number"]]["value"] == pytest.approx(float(seen.logits[0, 4].max()), rel=1e-6)


def test_the_numbers_of_a_reason_lead_to_what_made_them(village_mini):
    gpt, tokenizer = village_mini
    look = gather(gpt, tokenizer, "Walt sat.", SamplingConfig(), limits=Limits(opened=60, opened_elsewhere=1))
    numbers = look.reasons.numbers
    weights = [number for number in numbers if number.get("rule") == "weight"]
    assert weights and all(len(number["bytes"]) == 8 for number in weights)
    opened = [number for number in numbers if number.get("rule", "weight") != "weight"]
    assert len(opened) == 60 + look.glance.T - 1
    for number in opened:
        terms = number.get("terms", [])
        if number["rule"] == "sum":
            total = sum(term["value"] for term in terms) + number.get("rest", 0)
            assert total == pytest.approx(number["value"], abs=1e-3 * max(1, abs(number["value"])))
        assert all(0 <= of < len(numbers) for term in terms for of in term["of"])
    assert any(root.layer == 3 for root in look.roots), "an attention weight of each layer can be asked for"


def test_what_is_too_much_is_left_out_and_said(village_mini):
    gpt, tokenizer = village_mini
    limits = Limits(tokens=8, exact=0, weights=2 * 4 * 3 * 36, logits=0, places=3, opened=1, opened_elsewhere=0)
    look = gather(gpt, tokenizer, "Walt sat at the smithy. He had the feeling", SamplingConfig(), limits=limits)
    assert look.glance.T == 8 and not look.exact and look.first_logits == 5
    assert all(len(its.numbers) == 3 and its.n_all == 4 for its in look.moments[-1].heads.values())
    for word in ("first 8 tokens", "float16", "3 heads", "last 3 places"):
        assert any(word in said for said in look.left_out), word


def test_the_stages_are_those_of_sampling(village_mini):
    gpt, tokenizer = village_mini
    knobs = SamplingConfig(temperature=0.5, top_k=5, top_p=0.9, min_p=0.01)
    stages = dict(glance(gpt, tokenizer, "Walt sat at", knobs).stages(3))
    assert list(stages) == ["model", "temperature", "top_k", "top_p", "min_p"]
    assert (stages["top_k"] > 0).sum() == 5 and torch.allclose(stages["min_p"].sum(), torch.tensor(1.0))
    assert dict(glance(gpt, tokenizer, "Walt", SamplingConfig(temperature=0)).stages(1))["temperature"].max() == 1


def test_half_precision_is_stated_and_exact_is_exact():
    x = torch.randn(3, 5)
    assert np.array_equal(tensor(encoded(x)), x.numpy())
    assert np.allclose(tensor(encoded(x, exact=False)), x.numpy(), rtol=1e-3) and encoded(x, False)["type"] == "f16"
    assert tensor(encoded(torch.tensor([[7, -1]]))).tolist() == [[7, -1]]


def test_what_cannot_be_looked_at_is_one_sentence(tokenizer, tmp_path):
    gpt = model(USUAL)
    for text, place, said in (("", None, "no text"), ("a" * 40, None, "40 tokens"), ("ab", 9, "no place 9")):
        with pytest.raises(LensError, match=said):
            glance(gpt, tokenizer, text, SamplingConfig(), place)
    with pytest.raises(LensError, match=r"train\.snapshots=true"):
        earlier(tmp_path, 4)
    for step in range(0, 10_500, 500):
        (tmp_path / "checkpoints" / f"{step:08}").mkdir(parents=True)
    chosen = list(earlier(tmp_path, 10_000, most=8))
    assert chosen[0] == 0 and chosen[-1] == 9500 and len(chosen) == 8 and chosen[:3] == [0, 500, 1000]
    assert list(earlier(tmp_path, 1_500)) == [0, 500, 1000]
    with pytest.raises(LensError, match="does not end in .html"):
        write_page(few(USUAL)(tokenizer), "x", "x", tmp_path / "book.txt")


def test_a_tokenizer_without_places_in_the_text_still_shows_the_rest(village_mini, monkeypatch):
    gpt, tokenizer = village_mini

    def refuses(*_):
        raise TokenizerError("its tokens have no places in the text")

    monkeypatch.setattr(tokenizer, "encode_with_offsets", refuses)
    seen = glance(gpt, tokenizer, "Walt sat. He saw Walt", SamplingConfig())
    assert {"previous token", "induction"} <= {scores.what for scores in seen.measured}
    assert "no places in the text" in seen.left_out[0]

"""Why a number is this number: the terms make it, all the way down to weights and ids, for every variant."""

import json
import math
import random
import struct

import pytest
import torch

from glassformer.errors import LensError
from glassformer.lab.contracts.model.combinations import label, lively
from glassformer.lens.trace import next_tokens, trace
from glassformer.lens.why import graph, short, tree

from .variants import USUAL, every_variant, some_ids

ENDS = {"weight", "input", "unopened"}


def places(shape, n, rng):
    return [tuple(rng.randrange(size) for size in shape) for _ in range(n)]


def follow(number, rng, steps=40):
    """Walk down from a number along random terms; each reason on the way must make its number. Gives what was met."""
    met = []
    for _ in range(steps):
        reason = number.why()
        met.append((reason.rule, reason.formula, number.name))
        if reason.rule != "unopened":
            assert reason.total == pytest.approx(number.value, rel=1e-6, abs=1e-9), (
                number.name,
                reason.rule,
                reason.formula,
            )
        assert [abs(t.value) for t in reason.terms] == sorted((abs(t.value) for t in reason.terms), reverse=True)
        below = [part for term in reason.terms[:3] for part in term.of]
        if reason.rule in ENDS or not below:
            return met
        number = rng.choice(below)
    return met


@pytest.mark.parametrize("combination", every_variant(), ids=label)
def test_the_terms_make_every_number(combination):
    gpt, ids, rng = lively(combination), some_ids(), random.Random(label(combination))
    seen = graph(gpt, ids, next_tokens(ids))
    assert torch.equal(seen.logits, trace(gpt, ids).logits)
    names = ["logits", "nats", "final_norm", "embed"]
    names += [name for name in seen.names("blocks.*") if rng.random() < 0.2]
    met = [
        step
        for name in names
        for place in places(seen[name].shape, 2, rng)
        for step in follow(seen.number(name, *place), rng)
    ]
    unopened = {formula for rule, formula, _ in met if rule == "unopened"}
    assert unopened <= {"remainder"}, unopened
    assert any(rule == "weight" for rule, _, _ in met)


def test_from_a_logit_down_to_a_weight_and_its_bytes(village_mini):
    gpt, tokenizer = village_mini
    ids = tokenizer.encode("One day Mia lost her red kite.")
    seen = graph(gpt, ids)
    token = int(seen.logits[0, 5].argmax())
    number = seen.number("logits", 0, 5, token)
    reason = number.why()
    assert reason.rule == "sum" and reason.formula == "y = x W^T + b" and len(reason.terms) == 192
    assert reason.total == pytest.approx(number.value, abs=1e-4)
    assert (
        short(reason.place[0]) == "glassformer/model/head/tied.py"
        and "self.kernels.linear(x, embedding)" in reason.line
    )
    assert short(reason.source[0]) == "glassformer/kernels/linear.py"
    x, weight = reason.terms[0].of
    assert x.name.startswith("final_norm[0, 5, ") and weight.name == f"embed.weight[{token}, {x.index[-1]}]"
    assert weight.why().rule == "weight" and struct.unpack(">f", bytes.fromhex(weight.bytes))[0] == weight.value
    product = x.why()
    assert (
        product.rule == "product" and product.formula.startswith("y = x / sqrt(mean(x^2)") and len(product.terms) == 3
    )
    stream = next(term for term in product.terms if term.label.startswith("blocks.3.resid_post")).of[0].why()
    assert stream.rule == "sum" and "x + self.dropout(y)" in stream.line
    assert {term.of[0].name.split("[")[0] for term in stream.terms} == {"blocks.3.resid_mid", "blocks.3.mlp.out"}


def test_attention_is_followed_to_its_scores_and_queries(village_mini):
    gpt, tokenizer = village_mini
    seen = graph(gpt, tokenizer.encode("One day Mia lost her red kite."))
    read = seen.number("blocks.1.mixer.z", 0, 2, 6, 3).why()
    assert read.rule == "sum" and len(read.terms) == 7, "no token reads a later one"
    weight = read.terms[0].of[0]
    assert weight.name.startswith("blocks.1.mixer.pattern[0, 2, 6, ") and weight.why().rule == "product"
    score = weight.why().terms[0].of[0].why()
    assert score.rule == "sum" and len(score.terms) == 48 and "/ sqrt(48)" in score.terms[0].label
    hidden = seen.number("blocks.1.mixer.scores", 0, 2, 3, 5)
    assert hidden.value == -math.inf and hidden.why().terms[0].label == "hidden by the mask"
    query = score.terms[0].of[0].why()
    assert query.formula.startswith("(y_i, y_{i+D/2})") and query.rule == "sum" and len(query.terms) == 2


def test_a_tree_is_json_and_steps_over_moves():
    gpt = lively({**USUAL, "norm": "layernorm"})
    seen = graph(gpt, some_ids(), next_tokens(some_ids()))
    found = tree(seen.number("nats", 0, 3), depth=4, width=3)
    assert (
        json.loads(json.dumps(found)) == found and found["rule"] == "sum" and found["name"].startswith("cross_entropy")
    )
    logit = found["terms"][0]["of"][0]
    assert logit["rule"] == "sum" and logit["left"] == 16 - 3
    assert logit["value"] == pytest.approx(sum(t["value"] for t in logit["terms"]) + logit["rest"])
    assert logit["place"].startswith("glassformer/model/head/tied.py:")


def test_a_number_that_is_not_there_is_said():
    seen = graph(lively(USUAL), some_ids())
    with pytest.raises(LensError, match=r"has the shape \(2, 16, 23\)"):
        seen.number("logits", 0, 16, 0)
    with pytest.raises(LensError, match="holds no 'blocks.0.mlp.nothing'"):
        seen.number("blocks.0.mlp.nothing", 0)
    assert seen.number("logits", -1, -1, -1).index == (1, 15, 22)


@pytest.mark.parametrize("mixer", ["linear", "gated_deltanet", "mamba"])
def test_the_weights_of_a_recurrence_are_opened_too(mixer):
    gpt = lively({**USUAL, "mixer": mixer, "shape": "grouped_with_bias"})
    seen = graph(gpt, some_ids())
    for t, s in [(0, 0), (5, 5), (5, 2), (15, 0), (15, 14)]:
        number = seen.number("blocks.1.mixer.pattern", 1, 3, t, s)
        reason = number.why()
        assert reason.rule in ("sum", "product") and reason.total == pytest.approx(number.value, abs=1e-9), (t, s)

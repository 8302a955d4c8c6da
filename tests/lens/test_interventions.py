"""What would the model say if a value were another? Changes are exact, nest, and leave nothing behind."""

import pytest
import torch

from glassformer.errors import LensError
from glassformer.generate.decode import generate
from glassformer.generate.sampling import SamplingConfig
from glassformer.kernels import attention, fused, replace
from glassformer.lab.contracts.model.combinations import label, lively, model
from glassformer.lens.interventions import Edit, ablate, edit, edited, heads_of, patch, scale
from glassformer.lens.trace import trace

from .test_trace import inside
from .variants import USUAL, every_variant, some_ids


@pytest.mark.parametrize("combination", every_variant("mixer", "residual", "mlp", "head"), ids=label)
def test_each_part_of_each_variant_can_be_changed_and_comes_back(combination):
    gpt, ids = lively(combination), some_ids()
    before, left = trace(gpt, ids), inside(gpt)
    names = [
        "embed",
        "blocks.0.resid_pre",
        "blocks.0.mixer.z",
        "blocks.1.mixer.out",
        "blocks.1.mlp.out",
        "blocks.1.resid_post",
    ]
    names += ["blocks.1.resid_mid"] if combination["residual"] != "parallel" else []
    names += ["blocks.0.mlp.act"] if combination["mlp"] != "moe" else []
    for name in [name.replace(".1.", f".{gpt.config.n_layer - 1}.") for name in names]:
        with edit(gpt, name, lambda value: value.roll(1, -1)):
            seen = trace(gpt, ids)
        assert torch.allclose(seen[name], before[name].roll(1, -1)), name
        assert not torch.allclose(seen.logits, before.logits), name
    assert inside(gpt) == left and torch.equal(trace(gpt, ids).logits, before.logits)


def test_a_head_without_output_is_a_model_without_its_columns():
    gpt, ids = lively({**USUAL, "shape": "grouped_with_bias"}), some_ids()
    with torch.no_grad():
        with ablate(gpt, "blocks.1.mixer.heads.2"):
            found = gpt(ids)
        D = gpt.config.head_width
        gpt.blocks[1].mixer.o_proj.weight[:, 2 * D : 3 * D] = 0  # the oracle: weights cut out
        assert torch.allclose(found, gpt(ids))


def test_parts_are_ablated_to_zero_or_to_their_mean():
    gpt, ids = lively(USUAL), some_ids()
    means = trace(gpt, some_ids(rows=3))
    with ablate(gpt, "blocks.0.mlp", "blocks.1.mixer"):
        seen = trace(gpt, ids)
    assert not seen["blocks.0.mlp.out"].any() and not seen["blocks.1.mixer.out"].any()
    with ablate(gpt, "blocks.0.mlp", "blocks.1.mixer.heads.3", means=means):
        seen = trace(gpt, ids)
    assert torch.allclose(seen["blocks.0.mlp.out"], means["blocks.0.mlp.out"].mean((0, 1)))
    z, mean = seen["blocks.1.mixer.z"], means["blocks.1.mixer.z"].mean((0, 2))
    assert torch.allclose(z[:, 3], mean[3]) and not torch.allclose(z[:, 2], mean[2])


def test_patching_everything_gives_the_other_text():
    gpt, ids = lively(USUAL), some_ids()
    other = trace(gpt, ids.flip(1))
    with torch.no_grad():
        with patch(gpt, other, "blocks.0.resid_post"):
            assert torch.allclose(gpt(ids), other.logits)
        with patch(gpt, other, "blocks.1.resid_post", places=[3, 5]):
            found = gpt(ids)
        assert torch.allclose(found[:, [3, 5]], other.logits[:, [3, 5]])
        assert torch.allclose(found[:, [0, 4, 15]], gpt(ids)[:, [0, 4, 15]])
        with patch(gpt, other, "blocks.1.resid_post", places=[3], source_places=[9]):
            assert torch.allclose(gpt(ids)[:, 3], other.logits[:, 9])
        with patch(gpt, other, "blocks.0.mixer.heads.1", places=[2]):
            seen = trace(gpt, ids)
        assert torch.equal(seen["blocks.0.mixer.z"][:, 1, 2], other["blocks.0.mixer.z"][:, 1, 2])
    with (
        pytest.raises(LensError, match="cannot be replaced by"),
        patch(gpt, trace(gpt, ids[:, :5]), "blocks.0.resid_post"),
    ):
        gpt(ids)


@pytest.mark.parametrize("mixer", ["full", "sliding", "block_sparse", "strided"])
@pytest.mark.parametrize("position", ["rope", "alibi"])
def test_the_pattern_can_be_written(mixer, position):
    gpt, ids = lively({**USUAL, "mixer": mixer, "position": position}), some_ids()
    before = trace(gpt, ids)
    first = torch.zeros(16, 16, dtype=torch.float64)
    first[:, 0] = 1
    with edit(gpt, "blocks.1.mixer.pattern", first):
        seen = trace(gpt, ids)
    assert torch.equal(seen["blocks.1.mixer.pattern"], first.expand_as(seen["blocks.1.mixer.pattern"]))
    assert torch.allclose(
        seen["blocks.1.mixer.z"], before["blocks.1.mixer.v"][:, :, :1].expand_as(seen["blocks.1.mixer.z"])
    )
    with edit(gpt, "blocks.1.mixer.scores", lambda scores: scores):
        same = trace(gpt, ids)
    assert torch.allclose(same.logits, before.logits) and torch.equal(
        same["blocks.1.mixer.scores"], before["blocks.1.mixer.scores"]
    )


def test_an_attention_of_ones_own_is_not_replaced_unseen():
    mine = replace(fused(), attention=lambda *args, **kwargs: 3 * attention.plain(*args, **kwargs))
    gpt = lively(USUAL, mine)
    with pytest.raises(LensError, match="a formula of your own"), scale(gpt, "blocks.0.mixer.pattern", 2.0):
        gpt(some_ids())


def test_generation_is_changed_too_and_the_prompt_read_in_pieces():
    gpt = lively({**USUAL, "norm": "layernorm"})
    prompt, greedy = some_ids(1)[0, :6].tolist(), SamplingConfig(temperature=0, max_new_tokens=6)

    def text():
        return [token.id for token in generate(gpt, [prompt], greedy)]

    before = text()
    with ablate(gpt, *heads_of(gpt)[:4]):
        without = text()
        whole = trace(gpt, prompt).logits[0, -1].argmax()
    assert before == text() and without != before and without[0] == whole


def test_changes_nest_and_end_one_by_one():
    gpt, ids = lively(USUAL), some_ids()
    before = trace(gpt, ids)["blocks.0.mlp.out"]
    with scale(gpt, "blocks.0.mlp.out", 2.0):
        with scale(gpt, "blocks.0.mlp.out", 3.0):
            assert torch.allclose(trace(gpt, ids)["blocks.0.mlp.out"], 6 * before)
        assert torch.allclose(trace(gpt, ids)["blocks.0.mlp.out"], 2 * before)
    assert torch.equal(trace(gpt, ids)["blocks.0.mlp.out"], before)


def test_after_an_exception_the_model_is_as_it_was():
    gpt, ids = model(USUAL), some_ids()
    before, left = trace(gpt, ids).logits, inside(gpt)

    def broken(value):
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"), ablate(gpt, "blocks.0.mlp"), edit(gpt, "blocks.1.mlp.act", broken):
        gpt(ids)
    assert inside(gpt) == left and torch.equal(trace(gpt, ids).logits, before)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("blocks.9.mlp", "no value is called 'blocks.9.mlp.out' in this model.* there is 'blocks.1.mlp.out'"),
        ("blocks.0.mixer.heads.7", "has 4 heads, so head 7"),
        ("blocks.0.mixer.heads.x", "must end in the number of a head"),
    ],
)  # fmt: skip
def test_what_does_not_exist_is_said(name, words):
    gpt = model(USUAL)
    with pytest.raises(LensError, match=words), ablate(gpt, name):
        gpt(some_ids())


def test_places_beyond_the_text_are_said():
    gpt = model(USUAL)
    with pytest.raises(LensError, match="has 16 tokens"), edit(gpt, "embed", 0.0, places=[16]):
        gpt(some_ids())


def test_a_glob_changes_what_it_names():
    gpt, ids = model(USUAL), some_ids()
    one = Edit("blocks.*.mlp.out", lambda name, value: 0.0)
    with edited(gpt, one):
        seen = trace(gpt, ids)
    assert one.met == {"blocks.0.mlp.out", "blocks.1.mlp.out"} and not seen["blocks.1.mlp.out"].any()

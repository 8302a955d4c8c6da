"""Patching every layer and place at once equals patching them one by one."""

import pytest
import torch

from glassformer.errors import LensError
from glassformer.lab.contracts.model.combinations import label, lively
from glassformer.lens.interventions import patch
from glassformer.lens.sweep import sweep
from glassformer.lens.trace import trace

from .variants import USUAL, every_variant, some_ids


def last(logits):
    return logits[:, -1, 3] - logits[:, -1, 5]


@pytest.mark.parametrize("combination", every_variant("mixer", "residual"), ids=label)
def test_a_sweep_is_every_patch_by_itself(combination):
    gpt, ids = lively(combination), some_ids(1)[:, :7]
    source = trace(gpt, some_ids(1)[:, 7:14])
    for names in ("*.resid_post", "blocks.0.mixer.z", "blocks.1.mlp.out"):
        found = sweep(gpt, ids, source, last, names)
        assert found.names == source.names(names) and found.scores.shape == (len(found.names), 7)
        for name, place in ((found.names[0], 2), (found.names[-1], 6)):
            with torch.no_grad(), patch(gpt, source, name, places=[place]):
                expected = last(gpt(ids))
            assert torch.allclose(found.scores[found.names.index(name), place], expected), (name, place)
    whole = sweep(gpt, ids, source, last, "blocks.1.resid_post")
    assert torch.allclose(whole.shares[0, -1], torch.ones(()).double()) and whole.shares[0, :-1].abs().max() < 1e-9


def test_what_cannot_be_swept_is_said():
    gpt = lively(USUAL)
    source = trace(gpt, some_ids(1)[:, :5], keep="*.resid_post")
    with pytest.raises(LensError, match="equally long"):
        sweep(gpt, some_ids(1)[:, :6], source, last)
    with pytest.raises(LensError, match="holds no value called"):
        sweep(gpt, some_ids(1)[:, :5], source, last, "*.mlp.out")


def test_whose_pronoun_it_is_depends_on_the_name(village_mini):
    """Only the child differs, so in the first layer only its places turn "she" into "he", and in the last only the end."""
    gpt, tokenizer = village_mini
    her, him = (
        torch.tensor(
            [[tokenizer.require_end_of_text(), *tokenizer.encode(f"Once there was a {child} called {name}. One day")]]
        )
        for child, name in (("girl", "Mira"), ("boy", "Jonas"))
    )
    she, he = (tokenizer.encode(f"day {word}")[-1] for word in ("she", "he"))

    def lead(logits):
        return logits[:, -1, he] - logits[:, -1, she]

    assert her.shape == him.shape
    found = sweep(gpt, her, trace(gpt, him), lead)
    assert found.before < 0 < found.after
    different = (her != him)[0].nonzero()[:, 0].tolist()
    assert int(found.shares[0].argmax()) in different and int(found.shares[-1].argmax()) == her.shape[1] - 1

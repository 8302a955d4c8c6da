"""Gradients and updates by part, and questions asked over a training."""

import pytest
import torch

from glassformer.errors import LensError
from glassformer.lab.contracts.model.combinations import label, lively, model
from glassformer.lens.learning import gradients, lengths, over_training, part_of, updates
from glassformer.lens.trace import next_tokens
from glassformer.model.gpt import GPT
from glassformer.recipes.presets import mini
from glassformer.runs import snapshots, writing
from glassformer.tokenizers.byte import Byte

from .variants import USUAL, every_variant, some_ids


@pytest.mark.parametrize("combination", every_variant()[::3], ids=label)
def test_gradients_are_those_of_the_loss_by_part(combination):
    gpt, ids = lively(combination).train(), some_ids()
    targets = next_tokens(ids)
    found = {slope.part: slope for slope in gradients(gpt, ids, targets)}
    assert gpt.training and all(p.grad is None for p in gpt.parameters())
    nats = gpt.eval()(ids, targets)
    (nats.sum() / (2 * 15)).backward()
    of_mixer = [
        p.grad for name, p in gpt.named_parameters() if name.startswith("blocks.0.mixer.") and p.grad is not None
    ]
    expected = sum(float(g.square().sum()) for g in of_mixer) ** 0.5
    assert found["blocks.0.mixer"].gradient == pytest.approx(expected)
    assert found["blocks.0.mixer"].weight == pytest.approx(
        sum(float(p.detach().square().sum()) for p in gpt.blocks[0].mixer.parameters()) ** 0.5
    )
    assert next(iter(found)) == "embed" and found["embed"].ratio == found["embed"].gradient / found["embed"].weight


def test_an_update_of_plain_gradient_descent_is_the_learning_rate_times_the_gradient():
    gpt, ids = model(USUAL), some_ids()
    before = {name: value.clone() for name, value in gpt.state_dict().items()}
    slopes = {slope.part: slope for slope in gradients(gpt, ids, next_tokens(ids))}
    nats = gpt(ids, next_tokens(ids))
    (nats.sum() / 30).backward()
    torch.optim.SGD(gpt.parameters(), lr=0.1).step()
    moved = updates(before, gpt.state_dict())
    assert set(moved) == set(slopes)
    for part, ratio in moved.items():
        assert ratio == pytest.approx(0.1 * slopes[part].ratio, rel=1e-3), part
    assert not any(updates(before, before).values())
    with pytest.raises(LensError, match=r"two different models: only one of them has blocks\.1"):
        updates(before, model({**USUAL, "shape": "one_head"}).state_dict())


def test_parts():
    assert part_of("blocks.11.mlp_norm.weight") == "blocks.11.mlp_norm" and part_of("embed.tables.0.weight") == "embed"
    assert lengths({"a.x": torch.tensor([3.0]), "a.y": torch.tensor([4.0])}) == {"a": 5.0}


def test_a_question_is_asked_of_every_snapshot_in_order(tmp_path):
    recipe = mini().override(
        "model.embed=token", "model.head=tied", "model.n_layer=1", "model.n_embd=16", "model.n_head=2", "tokenizer=byte"
    )
    tokenizer = Byte().train([])
    gpt_config = recipe.model.model_copy(update={"vocab_size": tokenizer.vocab_size, "absent": ()})
    recipe = recipe.model_copy(update={"model": gpt_config})
    for step in (0, 1, 8):
        gpt = GPT(gpt_config, seed=step)
        with torch.no_grad():
            gpt.final_norm.weight.fill_(step)
        snapshots.save(tmp_path, gpt.state_dict(), {"step": step}, recipe.model_dump_json(), tokenizer, {})
    ids = torch.tensor([[1, 2, 3]])
    found = over_training(tmp_path, {
        "gain": lambda model: float(model.final_norm.weight.mean()),
        "loss": lambda model: float(model(ids, next_tokens(ids)).sum()),
    })  # fmt: skip
    assert found.steps == [0, 1, 8] and found.values["gain"] == [0, 1, 8] and len(set(found.values["loss"])) == 3
    for step, lowest in ((5, {"step": 5, "since": 0}), (9, {"step": 5, "since": 1})):  # the one to use is asked as well
        held = writing.contents(GPT(gpt_config), None, {"step": step, "lowest": lowest})
        writing.save(tmp_path / "checkpoints", held, recipe.model_dump_json(), tokenizer)
    assert over_training(tmp_path, {"none": lambda _: 0.0}).steps == [0, 1, 5, 8]
    with pytest.raises(LensError, match="no snapshots"):
        over_training(tmp_path / "nothing", {})

"""The average of the weights: what it is, that training never sees it, and that it is the same however a run is cut."""

import numpy as np
import pytest
import torch

from glassformer import kernels
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs import checkpoint, snapshots
from glassformer.runs.run import Run
from glassformer.train.average import Average
from glassformer.train.evaluate import evaluate

from .test_trainer import Killed, assert_equal_bits, resume, run, trainer


@pytest.fixture
def averaging(recipe):
    return recipe.override(
        "train.steps=6", "train.eval_every=3", "train.sample_every=0", "train.checkpoint_every=2", "train.ema=0.9",
        "train.optimizer=adamw", "train.grad_accumulation=1", "model.context_length=16", "train.snapshots=true",
    )  # fmt: skip


def small_model(maths=None):
    return GPT(GPTConfig(vocab_size=32, n_layer=1, n_embd=8, n_head=2, context_length=8), maths, seed=1)


@pytest.mark.parametrize("maths", [kernels.plain(), kernels.fused()], ids=["plain", "fused"])
@pytest.mark.parametrize("decay", [0.3, 0.999])
def test_it_is_a_loop_in_float64(maths, decay):
    model, random = small_model(maths), torch.Generator().manual_seed(0)
    average = Average(model, decay)
    expected = {name: p.detach().double().numpy().copy() for name, p in model.named_parameters()}
    for t in range(1, 21):
        for name, p in model.named_parameters():
            p.data += torch.randn(p.shape, generator=random)
            d = min(decay, (1 + t) / (10 + t))
            expected[name] = d * expected[name] + (1 - d) * p.detach().double().numpy()
        average.update(t)
    for name, tensor in average.tensors.items():
        np.testing.assert_allclose(tensor.numpy(), expected[name], atol=3e-6)


def test_the_model_has_it_inside_and_its_own_weights_again_afterwards_even_after_an_error():
    model = small_model()
    average, before = Average(model, 0.9), {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.data.add_(1.0)
    with pytest.raises(KeyError), average.applied():
        assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
        raise KeyError
    assert all(torch.equal(p, before[name] + 1.0) for name, p in model.named_parameters())


def test_without_a_decay_there_is_none():
    average = Average(small_model(), None)
    average.update(1)
    with average.applied():
        assert average.tensors == {}


def states(folder, step):
    """The weights that are trained, the averages and the optimizer's state of a checkpoint."""
    saved = checkpoint.load(folder / "checkpoints" / f"{step:08d}")
    with torch.device("meta"):
        model = GPT(GPTConfig.parse(saved.recipe["model"]))
    averages = {f"average {name}": value for name, value in saved.averages().items()}
    return {**saved.fill(model).state_dict(), **averages, **saved.optimizer_tensors()}


def test_training_never_sees_it_and_a_killed_run_has_the_same_one(averaging, data, tmp_path):
    def kill(line):
        if line["kind"] == "train" and line["step"] == 5:
            raise Killed

    assert run(averaging, data, tmp_path / "whole") == "done"
    assert run(averaging.override("train.ema=null"), data, tmp_path / "without") == "done"
    with pytest.raises(Killed):
        run(averaging, data, tmp_path / "cut", kill)
    assert resume(tmp_path / "cut") == "done"
    found, without = states(tmp_path / "whole", 6), states(tmp_path / "without", 6)
    assert_equal_bits(states(tmp_path / "cut", 6), found)
    assert_equal_bits({name: value for name, value in found.items() if not name.startswith("average")}, without)

    used = checkpoint.load(tmp_path / "whole").model().state_dict()
    for name in ("embed.weight", "blocks.0.mlp.up_proj.weight"):
        assert torch.equal(used[name], found[f"average {name}"]) and not torch.equal(used[name], found[name])
    seen = checkpoint.load(snapshots.steps(tmp_path / "whole")[6]).model().state_dict()
    assert all(torch.equal(seen[name], used[name].bfloat16().float()) for name in used)
    assert checkpoint.used(tmp_path / "whole") == "The weights are averages over the steps (train.ema)."
    assert checkpoint.used(tmp_path / "without") == ""
    lines = [Run.open(tmp_path / name).metrics("eval") for name in ("whole", "without")]
    assert all(line["averaged"] for line in lines[0]) and not any("averaged" in line for line in lines[1])
    assert lines[0][0]["loss"] == lines[1][0]["loss"] and lines[0][1]["loss"] != lines[1][1]["loss"]


def test_what_is_evaluated_is_what_is_used_and_the_frozen_part_stays(averaging, data, tmp_path):
    def freeze(model):
        model.embed.requires_grad_(False)
        return model

    made = trainer(averaging, data, tmp_path / "run", wrap=freeze)
    before = made.inner.embed.weight.detach().clone()
    assert made.train() == "done" and "embed.weight" not in made.average.tensors
    saved = checkpoint.load(tmp_path / "run")
    model, last = saved.model(), Run.open(tmp_path / "run").metrics("eval")[-1]
    again = evaluate(model, made.held_out(), made.bytes_of, made.precision)
    assert again["loss"] == last["loss"] and torch.equal(model.embed.weight, before)
    assert not model.embed.weight.requires_grad and model.blocks[0].mlp.up_proj.weight.requires_grad

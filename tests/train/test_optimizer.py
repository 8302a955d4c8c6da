"""Optimizers are torch's class with the update written out: they can be made alone, and torch's own tools work on them."""

import copy
import json
import subprocess
import sys

import pytest
import torch
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict, set_optimizer_state_dict
from torch.optim import lr_scheduler

from glassformer.config import variants
from glassformer.errors import CheckpointError, GlassError
from glassformer.kernels import fused, plain, replace
from glassformer.model.gpt import GPT, GPTConfig
from glassformer.runs import optimizer_state
from glassformer.train.optimizer import Optimizer, set_learning_rate
from glassformer.train.optimizer.adamw import AdamW
from glassformer.train.optimizer.lion import Lion
from glassformer.train.optimizer.muon import Muon
from glassformer.train.optimizer.sgd import SGD

from .test_wrapped import Wrapper

NAMES = variants(Optimizer)
MUP = {"name": "mup", "base_width": 4}


def gpt(seed=1, **parts):
    shape = {"vocab_size": 11, "n_layer": 2, "n_embd": 8, "n_head": 2, "bias": True}
    return GPT(GPTConfig.parse({**shape, **parts}), seed=seed)


def give_gradients(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for p in model.parameters():
        if p.requires_grad:
            p.grad = torch.randn(p.shape, generator=generator)


def steps(model, optimizer, numbers, lr=0.01):
    for n in numbers:
        give_gradients(model, n)
        set_learning_rate(optimizer, lr / n)
        optimizer.step()


def names_by(optimizer, key):
    found = {}
    for group in optimizer.param_groups:
        found.setdefault(group[key], set()).update(group["names"])
    return found


def assert_equal_weights(a, b):
    for (name, p), q in zip(a.named_parameters(), b.parameters(), strict=True):
        assert torch.equal(p, q), name


@pytest.mark.parametrize("kernels", [plain(), fused()], ids=["plain", "fused"])
def test_adamw_equals_torchs_and_spares_vectors_from_decay(kernels):
    model, twin = gpt(), gpt()
    ours = Optimizer.named("adamw", weight_decay=0.3).build(model, kernels)
    groups = [
        {"params": [p for p in twin.parameters() if p.ndim >= 2], "weight_decay": 0.3},
        {"params": [p for p in twin.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.01, betas=(0.9, 0.95), eps=1e-8)
    steps(model, ours, range(1, 6))
    steps(twin, theirs, range(1, 6))
    for p, q in zip(model.parameters(), twin.parameters()):
        torch.testing.assert_close(p, q, atol=1e-6, rtol=1e-5)


def test_adamw_made_alone_equals_torchs_with_a_closure_and_other_settings():
    ours, theirs = nn.Linear(5, 3), nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    x, settings = torch.randn(7, 5), {"lr": 0.02, "betas": (0.8, 0.9), "eps": 1e-6, "weight_decay": 0.2}
    for layer, optimizer in ((ours, AdamW(ours.parameters(), **settings)),
                             (theirs, torch.optim.AdamW(theirs.parameters(), **settings))):  # fmt: skip

        def closure(layer=layer, optimizer=optimizer):
            optimizer.zero_grad()
            loss = layer(x).square().mean()
            loss.backward()
            return loss

        losses = [optimizer.step(closure).item() for _ in range(5)]
        assert losses == sorted(losses, reverse=True)
    torch.testing.assert_close(ours.weight, theirs.weight)


@pytest.mark.parametrize("kernels", [plain(), fused()], ids=["plain", "fused"])
def test_lion_moves_every_weight_by_the_rate_and_decays_matrices(kernels):
    model = gpt()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer.named("lion", weight_decay=0.5).build(model, kernels)
    steps(model, optimizer, [1], lr=0.01)
    for name, p in model.named_parameters():
        decayed = before[name] * (1 - 0.01 * 0.5) if p.ndim == 2 else before[name]
        torch.testing.assert_close((p - decayed).abs(), torch.full_like(p, 0.01), atol=1e-6, rtol=0)


def test_muon_equals_its_formula_in_float64():
    """The iteration on its own, against the singular value decomposition it stands for."""
    weight = nn.Parameter(torch.randn(6, 10, dtype=torch.float64))
    before, gradient = weight.detach().clone(), torch.randn(6, 10, dtype=torch.float64)
    optimizer = Muon([weight], lr=0.1, weight_decay=0.5, kernels=plain())
    weight.grad = gradient.clone()
    optimizer.step()
    update = (before * (1 - 0.1 * 0.5) - weight.detach()) / (0.1 * 0.2 * 10**0.5)
    U, _, V = torch.linalg.svd(1.95 * gradient, full_matrices=False)
    assert torch.linalg.svdvals(update).min() > 0.5 and torch.linalg.svdvals(update).max() < 1.3
    assert (U.mT @ update @ V.mT).diag().min() > 0.5  # the same directions
    with pytest.raises(ValueError, match=r"not a parameter of shape \(3,\)"):
        Muon([nn.Parameter(torch.zeros(3))])


# who is updated how


def test_muon_takes_the_matrices_of_the_blocks_and_leaves_the_rest_to_adamw():
    model = gpt(norm="layernorm", position="learned")
    matrices = {name for name, p in model.named_parameters() if name.startswith("blocks.") and p.ndim == 2}
    assert names_by(Optimizer.named("muon").build(model), "rule")["muon"] == matrices and len(matrices) == 2 * 7


@pytest.mark.parametrize("wrap", [Wrapper, torch.compile, lambda m: torch.compile(Wrapper(m))])
def test_a_wrapped_or_compiled_model_keeps_muons_matrices(wrap):
    model, twin = gpt(), gpt()
    inside, bare = Optimizer.named("muon").build(wrap(model)), Optimizer.named("muon").build(twin)
    assert names_by(inside, "rule") == names_by(bare, "rule") and len(names_by(bare, "rule")["muon"]) == 14
    steps(model, inside, range(1, 4))
    steps(twin, bare, range(1, 4))
    assert_equal_weights(model, twin)


def test_a_single_block_or_a_foreign_module_keeps_its_matrices():
    rules = names_by(Optimizer.named("muon").build(gpt().blocks[0]), "rule")
    assert "mixer.q_proj.weight" in rules["muon"] and len(rules["muon"]) == 7
    foreign = nn.Sequential(nn.Embedding(5, 4), nn.Linear(4, 4), nn.Conv1d(4, 4, 3), nn.LayerNorm(4))
    assert names_by(Optimizer.named("muon").build(foreign), "rule")["muon"] == {"1.weight"}
    assert names_by(Optimizer.named("adamw").build(foreign), "weight_decay")[0.1] == {"0.weight", "1.weight", "2.weight"}


@pytest.mark.parametrize("name", NAMES)
def test_frozen_parameters_are_neither_updated_nor_remembered(name):
    model = gpt()
    for p in model.blocks[0].parameters():
        p.requires_grad_(False)
    frozen = copy.deepcopy(model.blocks[0])
    optimizer = Optimizer.named(name, weight_decay=0.5).build(model)
    steps(model, optimizer, range(1, 4))
    assert_equal_weights(model.blocks[0], frozen)
    assert not any(p in optimizer.state for p in model.blocks[0].parameters())
    thawed = {n for n, p in model.named_parameters() if p.requires_grad}
    assert {n for g in optimizer.param_groups for n in g["names"]} == thawed
    with pytest.raises(ValueError, match="nothing to train"):
        Optimizer.named(name).build(model.requires_grad_(False))


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_that_thaws_later_is_updated_from_then_on(name):
    weight = nn.Parameter(torch.ones(4, 4), requires_grad=False)
    kind = {"adamw": AdamW, "muon": Muon, "sgd": SGD, "lion": Lion}[name]
    optimizer = kind([weight, nn.Parameter(torch.ones(4, 4))], lr=0.1)
    weight.requires_grad_(True)
    weight.grad = torch.ones(4, 4)
    optimizer.step()
    assert (weight != 1).all()


def test_mup_slows_adamw_and_not_muon():
    model = gpt(init=MUP)
    assert {g["lr_scale"] for g in Optimizer.named("adamw").build(model).param_groups} == {0.5, 1.0}
    muon = Optimizer.named("muon").build(model)
    set_learning_rate(muon, 0.2)
    assert {g["lr"] for g in muon.param_groups} == {0.2}


def test_the_kernels_are_the_models_unless_others_are_given():
    calls = []

    def adamw(*given, **named):
        calls.append(named["step"])

    mine = replace(plain(), adamw=adamw)
    model = GPT(GPTConfig(vocab_size=11, n_layer=1, n_embd=8, n_head=2), mine)
    steps(model, Optimizer.named("adamw").build(model), [1])
    assert calls == [1, 1]  # a group with decay and one without
    steps(model, Optimizer.named("adamw").build(model, fused()), [1])
    assert calls == [1, 1]


# torch's tools


SCHEDULERS = {
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, 10),
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: 1 / (1 + step)),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.1, total_steps=12),
    "chained": lambda o: lr_scheduler.SequentialLR(
        o, [lr_scheduler.LinearLR(o, 0.1, total_iters=3), lr_scheduler.ExponentialLR(o, 0.9)], [3]
    ),
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_torchs_schedulers_drive_it_as_they_drive_torchs(name):
    model, twin = nn.Linear(4, 4), nn.Linear(4, 4)
    twin.load_state_dict(model.state_dict())
    ours = AdamW(model.parameters(), lr=0.01)
    theirs = torch.optim.AdamW(twin.parameters(), lr=0.01, betas=(0.9, 0.95), weight_decay=0.1)
    drivers = [SCHEDULERS[name](optimizer) for optimizer in (ours, theirs)]
    for n in range(8):
        for its, optimizer, driver in ((model, ours, drivers[0]), (twin, theirs, drivers[1])):
            give_gradients(its, n)
            optimizer.step()
            driver.step()
        assert ours.param_groups[0]["lr"] == pytest.approx(theirs.param_groups[0]["lr"])
    torch.testing.assert_close(model.weight, twin.weight)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("through", ["state_dict", "distributed checkpoint", "by name"])
def test_the_state_goes_over_to_another_optimizer(name, through):
    a, b, c = gpt(), gpt(), gpt()
    whole, first, second = (Optimizer.named(name).build(model) for model in (a, b, c))
    steps(a, whole, range(1, 7))
    steps(b, first, range(1, 4))
    c.load_state_dict(b.state_dict())
    if through == "state_dict":
        second.load_state_dict(copy.deepcopy(first.state_dict()))
    elif through == "by name":
        tensors, tree = optimizer_state.packed(first, b)
        optimizer_state.restore(second, c, {n: t.clone() for n, t in tensors.items()}, tree)
    else:
        set_optimizer_state_dict(c, second, copy.deepcopy(get_optimizer_state_dict(b, first)))
    steps(c, second, range(4, 7))
    assert_equal_weights(a, c)


def test_making_and_stepping_does_not_import_the_compiler():
    """torch's own classes do, which costs seconds at the start of a training."""
    code = """if True:
        import sys, torch
        from glassformer.model.gpt import GPT, GPTConfig
        from glassformer.train.optimizer import Optimizer
        model = GPT(GPTConfig(vocab_size=11, n_layer=1, n_embd=8, n_head=2))
        for name in ("adamw", "muon", "sgd", "lion"):
            optimizer = Optimizer.named(name).build(model)
            for p in model.parameters():
                p.grad = torch.ones_like(p)
            optimizer.step(), optimizer.zero_grad(), optimizer.load_state_dict(optimizer.state_dict())
        sys.exit("torch._dynamo" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# the state by name


class Odd(torch.optim.Optimizer):
    """Keeps all kinds of things: a narrow and an integer tensor, a number in the group, a list, None, infinity."""

    def __init__(self, params):
        super().__init__(params, {"lr": 0.1, "growth": 1.0, "pair": (1, 0.5), "nothing": None})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["growth"] *= 1.1
            for p in group["params"]:
                kept = self.state[p]
                kept.setdefault("narrow", torch.zeros_like(p, dtype=torch.bfloat16)).mul_(0.9).add_(p.grad)
                kept.setdefault("count", torch.zeros((), dtype=torch.int64)).add_(3)
                kept.setdefault("history", []).append(p.grad.norm())
                kept["best"] = min(kept.get("best", float("inf")), p.grad.norm().item())
                self.state["all of them"]["steps"] = self.state["all of them"].get("steps", 0) + 1
                p.sub_(kept["narrow"] * group["growth"] * group["lr"] * kept["count"] / sum(kept["history"]))


def test_any_torch_optimizer_goes_on_exactly_from_its_state_by_name():
    a, b, c = (nn.Linear(4, 4) for _ in range(3))
    b.load_state_dict(a.state_dict())
    whole, first, second = (Odd(reversed(list(model.parameters()))) for model in (a, b, c))
    steps(a, whole, range(1, 7))
    steps(b, first, range(1, 4))
    c.load_state_dict(b.state_dict())
    tensors, tree = optimizer_state.packed(first, b)
    assert {"weight/narrow", "weight/count", "weight/history/0", "bias/history/2"} <= tensors.keys()
    optimizer_state.restore(second, c, {n: t.clone() for n, t in tensors.items()}, json.loads(json.dumps(tree)))
    assert second.state["all of them"]["steps"] == 6  # two parameters, three steps
    assert second.param_groups[0]["pair"] == (1, 0.5) and second.state[c.weight]["narrow"].dtype == torch.bfloat16
    steps(c, second, range(4, 7))
    assert_equal_weights(a, c)


def test_a_state_that_cannot_be_stored_or_does_not_fit_is_refused():
    model, optimizer = nn.Linear(3, 3), torch.optim.SGD(nn.Linear(3, 3).parameters(), lr=0.1)
    with pytest.raises(GlassError, match=r"shape \(3, 3\) that the model does not have"):
        optimizer_state.packed(optimizer, model)
    optimizer = AdamW(model.parameters())
    optimizer.state[model.weight]["when"] = object()
    with pytest.raises(GlassError, match="has a object at weight/when"):
        optimizer_state.packed(optimizer, model)
    tensors, tree = optimizer_state.packed(AdamW(model.parameters()), model)
    for groups in ([model.weight], [{"params": [p]} for p in model.parameters()], [model.bias, model.weight]):
        other = AdamW(groups)
        with pytest.raises(CheckpointError, match="other parameters, or groups them in another way"):
            optimizer_state.restore(other, model, tensors, tree)
    for wrong in (tensors["weight/mean"][:2], tensors["weight/mean"].flatten()):
        with pytest.raises(CheckpointError, match=r"no 'mean' of shape \(3, 3\) for weight"):
            optimizer_state.restore(AdamW(model.parameters()), model, {**tensors, "weight/mean": wrong}, tree)
    with pytest.raises(CheckpointError, match="no 'momentum'"):
        optimizer_state.restore(Muon([model.weight]), model, *optimizer_state.packed(AdamW([model.weight]), model))


@pytest.mark.parametrize("name", NAMES)
def test_a_copied_or_pickled_optimizer_goes_on(name):
    import copy

    model = torch.nn.Linear(4, 4)
    optimizer = copy.deepcopy(Optimizer.named(name).build(model))
    for group in optimizer.param_groups:
        for p in group["params"]:
            p.grad = torch.ones_like(p)
    before = [p.clone() for group in optimizer.param_groups for p in group["params"]]
    optimizer.step()
    after = [p for group in optimizer.param_groups for p in group["params"]]
    assert not any(torch.equal(p, q) for p, q in zip(before, after, strict=True))

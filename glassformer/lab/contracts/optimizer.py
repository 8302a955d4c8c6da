"""Promises of an optimizer (`train.optimizer`), tried on a small model."""

import copy
import math

import torch

from glassformer.lab.contracts._alone import cases, label
from glassformer.lab.contracts._small import small_batch, small_loss, small_model
from glassformer.model.gpt import GPT
from glassformer.runs import optimizer_state
from glassformer.train.optimizer import Optimizer, set_learning_rate

__all__ = ["BASIS", "PROMISES", "cases", "label"]

RATES = (1.0, 0.1, 1e-2, 1e-3, 1e-4)


def builds_a_torch_optimizer(optimizer: Optimizer) -> None:
    """`build(model)` returns a torch.optim.Optimizer that holds every parameter once and takes three steps."""
    model = small_model()
    made = optimizer.build(model)
    assert isinstance(made, torch.optim.Optimizer), f"build returns a {type(made).__name__}, no torch.optim.Optimizer"
    held = [p for group in made.param_groups for p in group["params"]]
    for name, p in model.named_parameters():
        n = sum(p is other for other in held)
        assert n == 1, f"{name} is in {n} parameter groups, so it is {'never updated' if n == 0 else 'updated twice'}"
    steps(model, made, 3)
    for name, p in model.named_parameters():
        assert p.isfinite().all(), f"{name} is NaN or infinite after three steps"


def lowers_the_loss(optimizer: Optimizer) -> None:
    """At one of the learning rates 1, 0.1, 0.01, 0.001 and 0.0001, forty steps on one batch lower the loss by a tenth."""
    before, reached = small_loss(small_model(), small_batch()).item(), {}
    for rate in RATES:
        model = small_model()
        steps(model, optimizer.build(model), 40, rate)
        reached[rate] = small_loss(model, small_batch()).item()
        if reached[rate] < 0.9 * before:
            return
    told = ", ".join(f"{loss:.3g} at {rate:g}" for rate, loss in reached.items())
    raise AssertionError(f"the loss was {before:.3g} and is {told}: does `step` subtract the update from the weights?")


def follows_the_learning_rate(optimizer: Optimizer) -> None:
    """It uses group["lr"], which the trainer sets before each step: at 0 the weights stay, whatever the weight decay."""
    model = small_model()
    before = copy.deepcopy(model.state_dict())
    steps(model, optimizer.build(model), 2, 0.0)
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]), (
            f'at a learning rate of 0, {name} changes: multiply every change by group["lr"]'
        )


def leaves_frozen_parameters_alone(optimizer: Optimizer) -> None:
    """A frozen parameter (requires_grad is False), and one without a gradient, stay as they are."""
    model = small_model()
    model.blocks[0].mixer.requires_grad_(False)
    before, made = copy.deepcopy(model.state_dict()), optimizer.build(model)
    model.zero_grad(set_to_none=True)
    small_loss(model, small_batch()).backward()
    next(model.final_norm.parameters()).grad = None
    set_learning_rate(made, 1e-3)
    made.step()
    for name, p in model.named_parameters():
        if p.grad is None:
            why = "has no gradient (p.grad is None)" if p.requires_grad else "is frozen"
            assert torch.equal(p, before[name]), f"{name} {why} and changes: skip it in `step`"


def bears_a_gradient_of_zero(optimizer: Optimizer) -> None:
    """Where a gradient is 0, as that of a token that does not occur, the weights stay finite."""
    model = small_model()
    made = optimizer.build(model)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    set_learning_rate(made, 1e-3)
    made.step()
    for name, p in model.named_parameters():
        assert p.isfinite().all(), f"{name} is NaN after a gradient of 0: add a small eps to what you divide by"


def resumes_exactly(optimizer: Optimizer) -> None:
    """Stopped after three steps, saved and restored, three more steps give the same weights as six in one go."""
    whole = small_model()
    steps(whole, optimizer.build(whole), 6)
    first = small_model()
    stopped = optimizer.build(first)
    steps(first, stopped, 3)
    tensors, tree = optimizer_state.packed(stopped, first)
    second = small_model(seed=1)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    resumed = optimizer.build(second)
    optimizer_state.restore(resumed, second, {name: t.clone() for name, t in tensors.items()}, tree)
    steps(second, resumed, 3, first=3)
    for name, p in second.named_parameters():
        assert torch.equal(p, whole.state_dict()[name]), (
            f"{name} differs after a resume: keep what `step` remembers in self.state[p] or in the parameter groups, which "
            "are saved, and nowhere else"
        )


def takes_the_same_steps_twice(optimizer: Optimizer) -> None:
    """The same gradients give the same weights."""
    one, two = small_model(), small_model()
    for model in (one, two):
        steps(model, optimizer.build(model), 3)
    for name, p in one.named_parameters():
        assert torch.equal(p, two.state_dict()[name]), f"{name} differs between two runs: it draws random numbers"


BASIS = [builds_a_torch_optimizer]
PROMISES = [
    lowers_the_loss, follows_the_learning_rate, leaves_frozen_parameters_alone, bears_a_gradient_of_zero,
    takes_the_same_steps_twice, resumes_exactly,
]  # fmt: skip


def steps(model: GPT, made: torch.optim.Optimizer, n: int, rate: float = 1e-2, first: int = 0) -> None:
    """n steps as the trainer takes them, from step `first` on, each at another learning rate; stops at NaN."""
    for step in range(first, first + n):
        model.zero_grad(set_to_none=True)
        loss = small_loss(model, small_batch())
        if not math.isfinite(loss.item()):
            return
        loss.backward()
        set_learning_rate(made, rate / (1 + step / 10))
        made.step()

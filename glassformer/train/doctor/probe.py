"""Probes: questions to a model and its loss about a few rows of a batch, in evaluation mode and full precision.

    causal      the scores of a token stay the same when later tokens change
    repeatable  two equal rows get equal scores
    by depth    the size of the stream after the last block, beside that after the first, in a fresh model
    labels      which id the loss asks for at each place: the one whose score its gradient raises; it should be the next one

A fresh model may hide the first two, since parts that start at zero add nothing yet. So they are asked again after 1, 2, 4,
8, ... looks. The labels are read at the seam between loss and model, through which every loss must go: a stand-in for the
model records what the loss gives it, and the gradient of the loss with respect to the answer says which places count.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.model.gpt import GPT
from glassformer.system.command import typed
from glassformer.train.doctor.finding import Finding
from glassformer.train.loss import Loss

LENGTH = 128
"""Tokens of a row that are probed."""
DIFFERENT = 1e-3
"""Scores that differ by more than this part of their standard deviation are not the same."""
AGREE = 0.9
"""Share of the labels that must be the id at some distance, for that to be the distance."""
GROWN = 50.0
"""Times that the stream of a fresh model may be larger after the last block than after the first."""
HIGH, LOW = 1.2, 0.5
"""A first loss is too high from so many times ln V on (and at least 1 nat), and too low below so many."""


@torch.no_grad()
def model_findings(model: GPT, batch: Batch, first: bool) -> list[Finding]:
    """Whether the model is causal and repeatable; of a model before its `first` step also whether its loss is ln V."""
    ids = batch.ids[:1, :LENGTH].to(model.device)
    documents = None if batch.documents is None else batch.documents[:1, :LENGTH].to(model.device).expand(3, -1)
    half = ids.shape[1] // 2
    later = ids[:, half:].flip(1)
    changed = torch.cat([ids[:, :half], later.where(later != ids[:, half:], ids[:, :1])], 1)
    training = model.training
    model.eval()
    sizes: list[Tensor] = []
    hooks = [block.register_forward_hook(lambda block, given, y: sizes.append(y[0].detach().float().square().mean().sqrt()))
             for block in model.blocks]  # fmt: skip
    try:
        z = model(torch.cat([ids, ids, changed]), documents=documents).double()
    finally:
        model.train(training)
        for hook in hooks:
            hook.remove()
    z = z.masked_fill(z == -math.inf, 0)
    scale = z[0].std() + 1e-9
    noise = ((z[0] - z[1]).abs().max() / scale).item()
    leak = ((z[1, :half] - z[2, :half]).abs().max() / scale).item() if half else 0.0
    if noise > DIFFERENT:
        return [Finding(
            "random in evaluation", "the same row gets other scores each time in evaluation mode",
            "a part ignores `self.training`: dropout must act in training only (glassformer/model/linear.py, Dropout)",
        )]  # fmt: skip
    found = []
    if leak > DIFFERENT:
        found.append(Finding(
            "not causal", f"scores change by {leak:.2g} standard deviations when only later tokens change",
            "the model sees what it should predict: mask the later keys in the mixer "
            f"(`{typed('check-variant', 'FILE')}` tests a part)",
        ))  # fmt: skip
    return found + ([*_by_depth(sizes), *_first_loss(model, z[:1], batch)] if first else [])


def _by_depth(sizes: list[Tensor]) -> list[Finding]:
    first, last = sizes[0].item(), sizes[-1].item()
    if last <= GROWN * first:
        return []
    return [Finding(
        "activations grow by depth", f"the stream is {first:.2g} after the first block and {last:.2g} after the last",
        "put a norm before each part (model.norm=rmsnorm, model.residual=pre), or start smaller (model.init=gpt2)",
    )]  # fmt: skip


def _first_loss(model: GPT, z: Tensor, batch: Batch) -> list[Finding]:
    """z (1, T, V)."""
    targets = batch.targets[:1, : z.shape[1]].to(z.device)
    if not (targets != IGNORED).any():
        return []
    nats = model.kernels.cross_entropy(z, targets).sum().item() / int((targets != IGNORED).sum())
    expected = math.log(vocabulary(model))
    said = f"the loss before the first step is {nats:.2f}, and a guess among all ids costs {expected:.2f}"
    if nats > max(HIGH * expected, expected + 1):
        return [Finding(
            "first loss too high", said,
            "the first weights are too large: a standard deviation of 0.02 is usual (model.init)",
        )]  # fmt: skip
    if nats < LOW * expected:
        return [Finding(
            "first loss too low", said,
            "unless the model was trained before, it sees what it should predict, or nearly all targets are the same",
        )]  # fmt: skip
    return []


def vocabulary(model: GPT) -> int:
    """How many ids have a token."""
    return model.config.vocab_size - sum(last - first + 1 for first, last in model.config.absent)


class StandIn(nn.Module):
    """Answers a loss in place of the model, and keeps what it was asked and what it answered."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.inside = [model]  # in a list, so it is no child: a loss that looks for wrappers finds none
        self.asked: list[tuple[Tensor, Tensor | None, Tensor]] = []

    def forward(self, ids: Tensor, targets: Tensor | None = None, **more: Any) -> Tensor:
        """As `GPT.forward`."""
        with torch.no_grad():
            answer = self.inside[0](ids, targets=targets, **more)
        answer = answer.detach().requires_grad_()
        self.asked.append((ids, targets, answer))
        return answer


def loss_findings(model: GPT, loss: Loss, batch: Batch) -> list[Finding]:
    """Whether the loss asks for the id that follows, and leaves out what does not count. `batch` has a few whole rows."""
    stand_in = StandIn(model)
    with torch.enable_grad():
        nats = loss.nats(stand_in, batch)
        if not stand_in.asked or not nats.requires_grad:
            return []
        ids, targets, answer = stand_in.asked[-1]
        (gradient,) = torch.autograd.grad(nats.sum(), answer, allow_unused=True)
    if gradient is None or ids.shape != batch.ids.shape:
        return []
    if targets is None:  # the loss has computed the cross-entropy itself, from scores (B, T, V)
        lowest = gradient.min(-1)
        targets, weight = lowest.indices, lowest.values.abs()
    else:
        weight = gradient.abs() * (targets != IGNORED)
    return [found for found in (_shift(ids, targets, weight > 0), _padding(loss, batch, weight > 0)) if found]


def _shift(ids: Tensor, labels: Tensor, counts: Tensor) -> Finding | None:
    agreement = {by: _agreement(ids, labels, counts, by) for by in (1, 0, 2, -1)}
    if agreement[1] >= AGREE or not counts.any():
        return None
    remedy = "targets are ids[1:], as `Batch.of` makes them, and a loss must not shift them again"
    if agreement[0] >= AGREE:
        return Finding("targets not shifted", "the loss asks for the id that the model has just read", remedy)
    if agreement[2] >= AGREE:
        return Finding("targets shifted twice", "the loss asks for the id after the next one", remedy)
    if agreement[-1] >= AGREE:
        return Finding("targets shifted back", "the loss asks for the id before the one that is read", remedy)
    if max(agreement.values()) < 0.5:
        return Finding(
            "targets unrelated", f"only {agreement[1]:.0%} of the targets are the ids that follow",
            "check what makes the batches: rows of ids and rows of targets must stay together",
        )  # fmt: skip
    return None


def _agreement(ids: Tensor, labels: Tensor, counts: Tensor, by: int) -> float:
    """The share of the counted labels at t that are the id at t + by."""
    T = ids.shape[1]
    here = slice(max(0, -by), T - max(0, by))
    there = slice(max(0, by), T + min(0, by))
    counted = counts[:, here]
    same = (labels[:, here] == ids[:, there]) & counted
    return same.sum().item() / max(1, int(counted.sum()))


def _padding(loss: Loss, batch: Batch, counts: Tensor) -> Finding | None:
    real, remedy = (
        batch.targets.to(counts.device) != IGNORED,
        "leave out targets of -100 (IGNORED), in `nats` and in `counted`",
    )
    if (wrong := int((counts & ~real).sum())) > 0.01 * counts.sum():
        what = f"{wrong:,} of {int(counts.sum()):,} places with a loss are padding"
        return Finding("padding counted", what, remedy)
    counted, there = loss.counted(batch), int(counts.sum())
    if counts.ndim == 2 and counted > 1.05 * there:
        what = f"the loss is divided by {counted:,} tokens, and only {there:,} have one"
        return Finding("padding counted", what, remedy)
    return None

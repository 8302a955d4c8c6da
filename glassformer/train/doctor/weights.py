"""What a step does to the weights: gradients that are missing, fade or grow by depth, units that never act, weights that do
not move, and how far the others move.

    ratio of a matrix   rms(change of W in one step) / rms(W)       the size of an update, beside what it updates
    dead unit           a unit of an MLP that was 0 for every token of a batch: the gradient of its column of the
                        projection down, the sum over tokens of activation x gradient, is 0
    depth               gradient norm of the first block / that of the last

Of each tensor, SAMPLE numbers at equal distances are looked at, so that a look costs little however large the model is.
"""

import statistics
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from glassformer.model.roles import roles_of
from glassformer.system.command import typed
from glassformer.train.doctor.finding import Finding

SAMPLE = 512
DEAD = 0.5
"""Share of a block's units, from which on they are told."""
IN_A_ROW = 3
"""Looks after which something that persists is told."""
EXPERTS = ".mlp.experts."
"""In the names of the parameters of experts, which a batch may have no token for."""
IDLE = 50
"""Looks in a row without a token, after which an expert is told."""
DEPTH = 100.0
"""Gradient norms of the first and the last block that differ by more than this factor."""
CLIPPED = 1000.0
"""Gradients that are clipped by more than this factor in every look."""


@dataclass
class Look:
    """One step, as far as the weights are concerned."""

    ratio: float | None = None
    """The median over the matrices; None before they have a size."""
    without: list[str] = field(default_factory=list)
    """Parameters whose gradient is missing or 0."""
    still: list[str] = field(default_factory=list)
    """Parameters with a gradient that the step has not changed."""
    dead: dict[str, float] = field(default_factory=dict)
    """Share of dead units of each MLP; an expert without a token does not count."""


class Weights:
    """Looks at the weights before and after a step of the optimizer."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
        self.roles = roles_of(model)
        self.parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
        held = {id(p) for group in optimizer.param_groups for p in group["params"]}
        self.forgotten = [name for name, p in self.parameters.items() if id(p) not in held]
        self.pulled: dict[str, nn.Parameter] = {}  # those with a gradient, in this look
        self.before = self.gradient = torch.empty(0)
        self.ends = torch.empty(0, dtype=torch.long)
        self.look = Look()
        self.counts: dict[Any, int] = {}

    @torch.no_grad()
    def see_before(self) -> None:
        """Keep a sample of every weight, and look at the gradients."""
        self.look = Look(without=[name for name, p in self.parameters.items() if p.grad is None])
        self.pulled = {name: p for name, p in self.parameters.items() if p.grad is not None}
        if not self.pulled:
            return
        self.ends = torch.tensor([len(_sample(p)) for p in self.pulled.values()]).cumsum(0)
        self.before, self.gradient = self._samples("weight"), self._samples("gradient")
        dead: dict[str, list[Tensor]] = {}
        for (name, p), most in zip(self.pulled.items(), self._sums(self.gradient.abs()).tolist()):
            assert p.grad is not None
            if most == 0 and torch.linalg.vector_norm(p.grad, torch.inf) == 0:
                self.look.without.append(name)
            mlp, inside, _ = name.partition(".mlp.")
            if self.roles[name] == "write" and inside and p.grad.ndim == 2:
                units = torch.linalg.vector_norm(p.grad, torch.inf, dim=0) == 0
                if not (EXPERTS in name and units.all()):
                    dead.setdefault(f"{mlp}.mlp", []).append(units)
        self.look.dead = {name: torch.cat(units).float().mean().item() for name, units in dead.items()}

    @torch.no_grad()
    def see_after(self) -> Look:
        """Compare; to be called when the optimizer has taken its step."""
        if not self.pulled:
            return self.look
        change = self._samples("weight") - self.before
        pulled = self.gradient != 0
        sums = [self._sums(t) for t in (change.square(), self.before.square(), pulled, pulled & (change != 0))]
        ratios = []
        for name, (moved, size, n_pulled, n_moved) in zip(self.pulled, torch.stack(sums, 1).tolist()):
            if n_pulled and not n_moved:
                self.look.still.append(name)
            if self.roles[name] in ("matrix", "write") and size > 0:
                ratios.append((moved / size) ** 0.5)
        self.look.ratio = statistics.median(ratios) if ratios else None
        self.before = self.gradient = torch.empty(0)
        return self.look

    def _samples(self, of: Literal["weight", "gradient"]) -> Tensor:
        """Samples of all weights or gradients, one after another."""
        some = [_sample(p if of == "weight" else p.grad) for p in self.pulled.values()]
        return torch.cat(some).float() if some else torch.empty(0)

    def _sums(self, numbers: Tensor) -> Tensor:
        """The sum over each sample, on the CPU."""
        total = torch.cat([torch.zeros(1, dtype=torch.float64), numbers.cpu().double().cumsum(0)])
        return total[self.ends] - total[torch.cat([torch.zeros(1, dtype=torch.long), self.ends[:-1]])]

    def findings(self, block_norms: list[float], norm: float, clip: float) -> list[Finding]:
        """What the look at this step adds up to, with the ones before it. `norm` is that before clipping to `clip`."""
        look, found = self.look, []
        if self.forgotten:
            found.append(Finding(
                "not in the optimizer", f"{_named(self.forgotten)} has no place in the optimizer, so it is never updated",
                "give the optimizer all parameters that need a gradient (`grouped(model, ...)` makes its groups)",
            ))  # fmt: skip
        dead = {name: share for name, share in look.dead.items() if share >= DEAD}
        if self._persists("dead", bool(dead), 2):
            worst = max(dead, key=lambda name: dead[name])
            found.append(Finding(
                "dead units", f"{dead[worst]:.0%} of the units of {worst} are 0 for every token",
                "lower the learning rate, or use an activation without a flat side (model.mlp=swiglu)",
            ))  # fmt: skip
        if still := self._lasting("still", look.still, IN_A_ROW):
            found.append(Finding(
                "weights do not move", f"{_named(still)} has a gradient and does not change in a step",
                "check the optimizer's step and its learning rates (`lr_scale` of its groups)",
            ))  # fmt: skip
        missing = self._lasting("without", look.without, IN_A_ROW)
        if idle := [name for name in missing if EXPERTS in name and self.counts["without", name] >= IDLE]:
            found.append(Finding(
                "expert unused", f"{_named(idle)} has had no token in {IDLE} looks",
                "raise the weight of the load-balancing loss (model.mlp.aux_loss_weight), or take fewer experts",
            ))  # fmt: skip
        if missing := [name for name in missing if EXPERTS not in name]:
            found.append(Finding(
                "no gradient", f"{_named(missing)} gets no gradient, so it stays as it is",
                "check for `.detach()`, `torch.no_grad` and parts whose output is not used; freeze it on purpose with "
                "requires_grad=False",
            ))  # fmt: skip
        if self._persists("clipped", norm > CLIPPED * clip):
            found.append(Finding(
                "gradients clipped away", f"the gradient norm is {norm:.2g} and is clipped to {clip:.2g} at every step",
                "raise train.grad_clip; 1 is usual",
            ))  # fmt: skip
        return found + self._by_depth(block_norms)

    def _by_depth(self, norms: list[float]) -> list[Finding]:
        first, last = (norms[0], norms[-1]) if len(norms) > 1 else (1.0, 1.0)
        grows, fades = first > DEPTH * last > 0, last > DEPTH * first > 0
        what = f"the gradient norm of the first block is {first:.2g} and of the last {last:.2g}"
        remedy = (
            f"put a norm before each part (model.norm, model.residual=pre); `{typed('stability')}` compares remedies"
        )
        if self._persists("grows", grows, 2):
            return [Finding("gradients grow by depth", what, remedy)]
        return [Finding("gradients fade by depth", what, remedy)] if self._persists("fades", fades, 2) else []

    def _lasting(self, what: str, names: list[str], times: int) -> list[str]:
        """Those of the names that came up in so many looks in a row, without what the optimizer forgets."""
        for name in self.parameters.keys() - self.forgotten:
            self._persists((what, name), name in names)
        return [name for name in names if self.counts.get((what, name), 0) >= times]

    def _persists(self, what: Any, seen: bool, times: int = IN_A_ROW) -> bool:
        """Whether something was seen in so many looks in a row, this one included."""
        self.counts[what] = self.counts.get(what, 0) + 1 if seen else 0
        return seen and self.counts[what] >= times


def _sample(t: Any) -> Tensor:
    """Up to SAMPLE numbers of a tensor at equal distances."""
    flat = t.detach().reshape(-1)
    return flat[:: max(1, len(flat) // SAMPLE)][:SAMPLE]


def _named(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")

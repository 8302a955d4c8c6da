"""Precision: the number format of the matrix products (Micikevicius et al., 2018).

Weights, gradients and the optimizer's state stay in float32; only the matrix products run in 16 bits, under autocast.
bf16 has the range of float32 and needs nothing else. fp16 has a smaller range, in which small gradients become 0. So in
fp16 the loss is multiplied by a large number before the backward pass, and the gradients are divided by it afterwards.
"""

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any, Literal

import torch
from torch import nn

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]


class LossScale:
    """The number that the loss is multiplied by before the backward pass; always 1 except in fp16.

    It is halved when a gradient overflows (that step is skipped) and doubled after 2,000 steps without overflow, so it
    stays about as large as it can be.
    """

    def __init__(self, value: float, can_grow: bool):
        self.value, self.can_grow, self.steps_since_change = value, can_grow, 0

    def update(self, finite: bool) -> None:
        """Adapt after a step; `finite` says whether its gradient was free of overflow."""
        self.steps_since_change += 1
        if self.can_grow and not finite:
            self.value, self.steps_since_change = max(self.value / 2, 1.0), 0
        elif self.can_grow and self.steps_since_change == 2000:
            self.value, self.steps_since_change = self.value * 2, 0

    def unscale(self, parameters: Iterable[nn.Parameter]) -> None:
        """Divide the gradients by the factor that the loss was multiplied by."""
        for p in parameters if self.value != 1 else ():
            assert p.grad is not None
            p.grad.div_(self.value)


class Precision:
    """A number format on a device, and its loss scale."""

    def __init__(self, name: str, device: torch.device):
        assert name in ("fp32", "bf16", "fp16")
        self.name, self.device = name, device
        self.loss_scale = LossScale(2.0**16, True) if name == "fp16" else LossScale(1.0, False)

    def state(self) -> dict[str, Any]:
        """For `state.json`."""
        return {"precision": self.name, "loss_scale": [self.loss_scale.value, self.loss_scale.steps_since_change]}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from what `state` gave."""
        self.loss_scale.value, self.loss_scale.steps_since_change = state["loss_scale"]

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which a forward pass runs."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16 if self.name == "bf16" else torch.float16)


def choose(name: PrecisionName, device: torch.device, trial: Callable[[Precision], None]) -> tuple[str, str]:
    """The format to use, and one sentence that says why.

    `auto` takes bf16 on a CUDA GPU that has it, and fp16 on one that does not. On a CPU the faster format depends on the
    chip and the model, so `trial` (one forward and backward pass) is timed in fp32 and in bf16.
    """
    if name != "auto":
        return name, "set by train.precision"
    if device.type == "cuda":
        return (
            ("bf16", "this GPU computes in bf16") if torch.cuda.is_bf16_supported() else ("fp16", "no bf16 on this GPU")
        )
    if device.type != "cpu":
        return "fp32", f"no 16-bit training on {device.type}"
    seconds = {name: _fastest(trial, Precision(name, device)) for name in ("fp32", "bf16")}
    best = min(seconds, key=lambda name: seconds[name])
    other = "fp32" if best == "bf16" else "bf16"
    return best, f"measured here: {1000 * seconds[best]:.0f} ms a pass, {other} takes {1000 * seconds[other]:.0f} ms"


def _fastest(trial: Callable[[Precision], None], precision: Precision, rounds: int = 3) -> float:
    trial(precision)
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        trial(precision)
        times.append(time.perf_counter() - start)
    return min(times)

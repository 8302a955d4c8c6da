"""Precision: the number format of the matrix products (Micikevicius et al., 2018).

Weights, gradients and the optimizer's memory stay in float32; only the products run in 16 bits, under autocast.
bf16 has float32's range and needs nothing else. fp16 does not, so small gradients are saved from vanishing by scaling
the loss up before backward and the gradients down after it.
"""

import contextlib
import time
from collections.abc import Callable
from typing import Any, Literal

import torch

PrecisionName = Literal["auto", "fp32", "bf16", "fp16"]


class LossScale:
    """The factor between the loss and what backward sees; always 1 except in fp16.

    Halved when a gradient overflows (that step is skipped), doubled after 2,000 steps without: as large as it can be.
    """

    def __init__(self, value: float, can_grow: bool):
        self.value, self.can_grow, self.steps_since_change = value, can_grow, 0

    def update(self, finite: bool) -> None:
        """Learn from a step whose gradient was `finite` or not."""
        self.steps_since_change += 1
        if self.can_grow and not finite:
            self.value, self.steps_since_change = max(self.value / 2, 1.0), 0
        elif self.can_grow and self.steps_since_change == 2000:
            self.value, self.steps_since_change = self.value * 2, 0


class Precision:
    """A chosen format on a device, and its loss scale."""

    def __init__(self, name: str, device: torch.device):
        assert name in ("fp32", "bf16", "fp16")
        self.name, self.device = name, device
        self.loss_scale = LossScale(2.0**16, True) if name == "fp16" else LossScale(1.0, False)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context of a forward pass."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, torch.bfloat16 if self.name == "bf16" else torch.float16)


def choose(name: PrecisionName, device: torch.device, trial: Callable[[Precision], None]) -> tuple[str, str]:
    """The format to use and one sentence why.

    `auto` on CUDA is bf16 where the chip has it and fp16 elsewhere. On a CPU it depends on the chip and the model, so
    `trial` (one forward and backward) is timed in both formats.
    """
    if name != "auto":
        return name, "as the recipe says"
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

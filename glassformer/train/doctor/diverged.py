"""Why a training diverged, and what to change: the likely causes, in words that the user can type."""

from pathlib import Path

from glassformer.errors import GlassError
from glassformer.train.config import TrainConfig


class Diverged(GlassError):
    """The loss or the gradient is no longer a finite number."""


def causes(config: TrainConfig, lr: float, precision: str) -> list[str]:
    """The likely causes of a divergence at learning rate `lr`, each with its remedy, the likeliest first."""
    found = [f"the learning rate is too high ({lr:.2g} at this step; try a third of train.learning_rate)"]
    longer = min(200, config.steps // 2)
    if config.schedule.warmup(config.steps) < longer / 4:
        found.append(f"the warmup is short (try train.schedule.warmup_steps={longer})")
    if precision == "fp16":
        found.append("fp16 overflowed (try train.precision=bf16)")
    if config.grad_clip > 5:
        found.append(f"gradients are hardly clipped (train.grad_clip={config.grad_clip:g}; 1 is usual)")
    return found


def diverged(config: TrainConfig, precision: str, what: str, lr: float, kept: Path | None) -> Diverged:
    """The error of a training in which `what` is no longer finite; `kept` is its newest checkpoint."""
    why = "; or ".join(causes(config, lr, precision))
    return Diverged(
        f"{what}: training stopped before the weights were touched; likely because {why}. The last good checkpoint is "
        f"{kept}"
    )

"""Promises of a loss (`train.loss`), tried on a small model and a batch in which some targets do not count."""

from typing import Any

import torch
from torch import Tensor, nn

from glassformer.data.batches import Batch
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lab.contracts._alone import cases, label
from glassformer.lab.contracts._small import small_batch, small_model
from glassformer.model.gpt import GPT
from glassformer.recipes.rehearsal import nats_of
from glassformer.train.loss import Loss

__all__ = ["BASIS", "PROMISES", "cases", "label"]


class OnlyCalled(nn.Module):
    """A model of which only the call can be seen, as inside a compiler or a distributed wrapper."""

    def __init__(self, model: GPT):
        super().__init__()
        self.inner = [model]  # in a list, so that it is no child

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """See GPT."""
        return self.inner[0](*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in (
            "inner",
            "config",
            "hidden",
            "logits",
            "embed",
            "blocks",
            "head",
            "position",
            "kernels",
            "final_norm",
        ):
            raise AssertionError(
                f"the loss uses model.{name}: call model(ids, targets=...) alone, which is what wrappers see"
            )
        return super().__getattr__(name)


def nats(loss: Loss, model: nn.Module, batch: Batch) -> Tensor:
    """`loss.nats`, checked for what the trainer needs. Raises SettingError or AssertionError."""
    found = nats_of(loss, model, batch)
    assert found.isfinite().all(), "nats is NaN or infinite"
    return found


def gives_nats(loss: Loss) -> None:
    """`nats` is (B, T) or (B,), float32 and finite, with a gradient; `counted` is how many of them count."""
    batch = small_batch()
    found = nats(loss, small_model(), batch)
    counted = loss.counted(batch)
    assert counted, "counted is 0, although some targets count"
    if found.ndim == 2:
        extra = (found != 0) & (batch.targets == IGNORED)
        assert not extra.any() or counted == found.numel(), (
            f"nats is {found[extra][0].item():.3g} where the target is IGNORED, and counted is {counted}: give 0 there, or "
            "count all tokens"
        )


def calls_the_model_alone(loss: Loss) -> None:
    """It calls `model(...)` and uses nothing else of it, since compilers and distributed wrappers see only that call."""
    nats(loss, OnlyCalled(small_model()), small_batch())


def rows_add_up(loss: Loss) -> None:
    """Rows count by themselves: a batch in parts (gradient accumulation) has the same sum and the same count."""
    model, batch = small_model().double().eval(), small_batch()
    whole, parts = nats(loss, model, batch).sum(), [*batch.parts(4)]
    total = torch.stack([nats(loss, model, part).sum() for part in parts]).sum()
    off = (whole - total).abs() / whole.abs().clamp(min=1e-9)
    assert off < 1e-6, f"the sum over the batch is {whole:.6g}, and over its rows one by one {total:.6g}"
    counted = sum(loss.counted(part) for part in parts)
    assert loss.counted(batch) == counted, f"counted is {loss.counted(batch)} for the batch and {counted} for its rows"


def a_step_against_the_gradient_lowers_it(loss: Loss) -> None:
    """Its gradient reaches the weights, and small steps against it lower the loss."""
    model, batch = small_model(), small_batch()
    before = nats(loss, model, batch).sum() / loss.counted(batch)
    for _ in range(20):
        model.zero_grad(set_to_none=True)
        (nats(loss, model, batch).sum() / loss.counted(batch)).backward()
        with torch.no_grad():
            for p in model.parameters():
                if p.grad is not None:
                    p.sub_(0.05 * p.grad)
    after = nats(loss, model, batch).sum() / loss.counted(batch)
    assert after < before, f"the loss was {before:.4g} and is {after:.4g} after 20 steps against its gradient"


def stays_wide_under_autocast(loss: Loss) -> None:
    """Under autocast in bfloat16 the nats are float32 and finite."""
    with torch.autocast("cpu", torch.bfloat16):
        nats(loss, small_model(), small_batch())


BASIS = [gives_nats]
PROMISES = [calls_the_model_alone, rows_add_up, a_step_against_the_gradient_lowers_it, stays_wide_under_autocast]

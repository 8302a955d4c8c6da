"""Dividing a batch so that a step fits into memory: how many rows one pass reads, and how many passes make a batch.

    rows per pass * passes = the batch that the recipe asks for

With `train.memory_gb`, passes of one row and of two rows are made and their memory is measured. The rest follows from a
straight line, because what a pass keeps grows with its rows and the weights do not. The division that it gives is tried
before it is taken. Gradients are weighted by tokens, so the division changes nothing that the model learns but rounding.
"""

from dataclasses import dataclass, replace

import torch

from glassformer.data.batches import Batch
from glassformer.errors import SettingError
from glassformer.recipes.build import Parts, Say
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run
from glassformer.system.allocator import give_back_freed_memory, keep_freed_memory
from glassformer.system.machine import available_memory, forget_peak_memory, resident_memory
from glassformer.train.memory import out_of_memory, peak_memory_gb
from glassformer.train.precision import Precision

GB = 2**30
SPARE = 0.9
"""The share of the free memory that is used if the recipe does not say how much."""


@dataclass(frozen=True)
class Division:
    """What was chosen, for the run's record."""

    rows: int
    passes: int
    why: str


def divided(parts: Parts, say: Say) -> tuple[Parts, Division | None]:
    """The parts of the same batch, divided so that a step stays below `train.memory_gb`; None if that is not set.

    A CPU never gets more rows in a pass than `train.micro_batch_size`, since more are no faster there; a GPU may get the
    whole batch. Raises SettingError if not even one row fits.
    """
    config, device = parts.recipe.train, parts.model.device
    if config.memory_gb is None:
        return parts, None
    if peak_memory_gb(device) is None:
        say("train.memory_gb changes nothing here: this system does not say how much memory a process takes")
        return parts, None
    most = config.batch_size if device.type == "cuda" else config.micro_batch_size
    choices = [n for n in range(1, most + 1) if config.batch_size % n == 0]
    limit = limit_gb(config.memory_gb, device)
    measured = {n: needed_gb(parts, n) for n in choices[:2]}
    rows = 1
    if measured[rows] > limit:
        raise SettingError(
            f"a step needs {measured[rows]:.2f} GB even with one row in a pass, and train.memory_gb={config.memory_gb} "
            f"allows {limit:.2f}: raise it, lower model.context_length, or set train.checkpoint_activations=1"
        )
    while larger := [n for n in choices if n > rows and (measured.get(n) or _expected(measured, n)) <= limit]:
        n = larger[-1]
        measured[n] = measured.get(n) or needed_gb(parts, n)
        if measured[n] <= limit:
            rows = n
    passes = config.batch_size // rows
    why = f"a step takes {measured[rows]:.2f} of {limit:.2f} GB, measured" + (
        f"; {max(choices)} rows would take about {_expected(measured, max(choices)):.2f}" if rows < max(choices) else ""
    )
    say(f"{rows} rows in a pass, {passes} passes in a batch of {config.batch_size} ({why})")
    recipe = parts.recipe.override(f"train.micro_batch_size={rows}", f"train.grad_accumulation={passes}")
    return replace(parts, recipe=recipe), Division(rows, passes, why)


def limit_gb(asked: float | str, device: torch.device) -> float:
    """GiB that the training may take: as asked, or of "auto" nearly all that is free now."""
    if isinstance(asked, float | int):
        return float(asked)
    if device.type == "cuda":
        return SPARE * (torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)) / GB
    return (resident_memory() + SPARE * available_memory()) / GB


def needed_gb(parts: Parts, rows: int) -> float:
    """Peak GiB of a step with passes of `rows` rows, measured: two passes, so that the second finds the gradients of the
    first, and the optimizer's state. Infinity if the memory was not enough."""
    config, device = parts.recipe.train, parts.model.device
    precision = Precision(_precision(config.precision, device), device)
    batch: Batch = parts.batches(config.steps - 1)
    micros = list(batch.parts(-(-len(batch.ids) // rows)))[:2] * 2
    optimizer = config.optimizer.build(parts.model)
    state = sum(t.nbytes for kept in optimizer.state.values() for t in kept.values() if isinstance(t, torch.Tensor))
    _forget(device)
    try:
        for micro in micros[:2]:
            with precision.autocast():
                loss = parts.loss.nats(parts.model, micro.to(device)).sum()
            loss.backward()
            del loss
        peak = peak_memory_gb(device)
    except (MemoryError, RuntimeError) as error:
        if not out_of_memory(error):
            raise
        peak = float("inf")
    finally:
        parts.model.zero_grad(set_to_none=True)
    assert peak is not None
    if device.type == "cuda":
        return peak
    copy = state + sum(p.nbytes for p in parts.model.parameters()) if config.async_checkpoint else 0
    return peak + (state + copy) / GB  # on a CPU, zeros take no memory before they are written to


def _precision(name: str, device: torch.device) -> str:
    """What to measure in; on a CPU the larger of the two that `auto` chooses from, because the choice comes later."""
    if name != "auto":
        return name
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def _forget(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    else:
        give_back_freed_memory()  # else a step could live in what was freed before, and seem to need nothing
        forget_peak_memory()


def _expected(measured: dict[int, float], rows: int) -> float:
    """GiB at `rows`, on the line through the smallest and the largest measurement that succeeded."""
    known = sorted((n, gb) for n, gb in measured.items() if gb != float("inf"))
    (low, at_low), (high, at_high) = known[0], known[-1]
    slope = (at_high - at_low) / (high - low) if high > low else 0.0
    return at_high + max(0.0, slope) * (rows - high)


def passes_at(run: Run, step: int) -> int | None:
    """In how many passes the run reads a batch at `step`, if that was changed since it began."""
    changes = [e["passes"] for e in run.metrics("event") if e["what"] == "divide" and e["step"] < step]
    return changes[-1] if changes else None


def set_allocator(recipe: Recipe, say: Say) -> None:
    """Do what `train.allocator` asks; to be called before the model is built."""
    if recipe.train.allocator == "keep" and not keep_freed_memory():
        say("train.allocator=keep changes nothing here: it needs Linux with glibc")

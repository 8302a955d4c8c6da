"""How exactly a run can be repeated: `train.deterministic`, and what a resume on another machine keeps.

A batch and its dropout masks depend on (seed, step) alone. What is left is the order in which sums are added, because
rounding depends on it. PyTorch adds in one order for one number of threads on one kind of CPU; on a GPU some operators add
in whatever order their threads end. With `train.deterministic=true`

    torch.use_deterministic_algorithms    replaces an operator whose result depends on that order, or refuses it by name
    CUBLAS_WORKSPACE_CONFIG               makes matrix products on a GPU sum in one order
    torch.set_num_threads                 gives a resumed run as many threads as the run had
    refuse                                names settings that follow a clock or the free memory

https://docs.pytorch.org/docs/stable/notes/randomness.html
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

import torch

from glassformer.errors import SettingError
from glassformer.recipes.build import Parts, Say, device_of
from glassformer.recipes.measure import small_batch
from glassformer.recipes.presets import Recipe
from glassformer.runs.run import Run
from glassformer.system.machine import machine_facts
from glassformer.train.precision import Precision

WORKSPACE = ":4096:8"
"""Eight buffers of 4 MiB for each stream: the larger of the two settings with which cuBLAS promises one order."""


@contextlib.contextmanager
def deterministic(recipe: Recipe, threads: int | None = None) -> Iterator[None]:
    """Inside, PyTorch does what `train.deterministic` asks, with so many `threads`; then what it did before. Raises
    SettingError for an operator that has no deterministic algorithm."""
    if not recipe.train.deterministic:
        yield
        return
    enabled, benchmark, before = (
        torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark, torch.get_num_threads()
    )  # fmt: skip
    memory: Any = torch.utils.deterministic  # whose types do not know its one attribute
    fill = memory.fill_uninitialized_memory
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", WORKSPACE)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    memory.fill_uninitialized_memory = False  # nothing reads memory before it writes it
    torch.set_num_threads(threads or before)
    try:
        yield
    except RuntimeError as error:
        if "eterministic" not in str(error):
            raise
        what = str(error).partition(" does not have")[0].partition("\n")[0]
        raise SettingError(
            f"train.deterministic=true: {what} has no deterministic algorithm in PyTorch on this device; choose another "
            "part of the model, train.device=cpu, or train.deterministic=false"
        ) from error
    finally:
        torch.use_deterministic_algorithms(enabled)
        torch.backends.cudnn.benchmark = benchmark
        memory.fill_uninitialized_memory = fill
        torch.set_num_threads(before)


def refuse(recipe: Recipe, minutes: bool) -> None:
    """Raises SettingError for what `train.deterministic` cannot promise: choices by a clock or by the free memory."""
    config = recipe.train
    if not config.deterministic:
        return
    reasons = {
        "with --minutes the number of steps follows the clock; give train.steps": minutes,
        "train.precision=auto times fp32 and bf16 on a CPU; set train.precision=fp32 or bf16":
            config.precision == "auto" and device_of(config.device).type == "cpu",
        "train.memory_gb measures the memory; set train.micro_batch_size and train.grad_accumulation":
            config.memory_gb is not None,
    }  # fmt: skip
    for reason, holds in reasons.items():
        if holds:
            raise SettingError(f"train.deterministic=true: {reason}")


def rehearse(parts: Parts, precision: str) -> None:
    """Make one pass with `train.deterministic`, so that an operator that cannot be deterministic is refused before there is
    a run folder. Raises RuntimeError, which `deterministic` turns into a sentence."""
    if not parts.recipe.train.deterministic:
        return
    with Precision(precision, parts.model.device).autocast():
        loss = parts.loss.nats(parts.model, small_batch(parts).to(parts.model.device)).sum()
    loss.backward()
    parts.model.zero_grad(set_to_none=True)


def says_when_moved(run: Run, recipe: Recipe, say: Say) -> int | None:
    """Says so if the run began where sums are added in another order. Returns the threads that it began with, if known."""
    facts = run.facts()
    threads, machine, here = facts.get("threads"), facts.get("machine"), machine_facts()
    machine = machine if isinstance(machine, dict) else {}
    threads = threads if isinstance(threads, int) and threads > 0 else None
    device = "gpu" if device_of(recipe.train.device).type == "cuda" else "cpu"
    pairs = {device: (machine.get(device), here[device]), "torch": (facts.get("torch"), torch.__version__)}
    if device == "cpu" and not recipe.train.deterministic:
        pairs["threads"] = threads, torch.get_num_threads()
    moved = [f"{name} {was} (now {now})" for name, (was, now) in pairs.items() if was is not None and was != now]
    if moved:
        say(f"the run began with {', '.join(moved)}: it reads the same tokens, and its numbers agree up to rounding")
    return threads


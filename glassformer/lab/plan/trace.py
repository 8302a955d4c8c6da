"""One training step that computes nothing: what it would allocate and which operators it would run.

The model, the loss, autograd, the clipping and the optimizer are the real ones; only the tensors are fake (they have
shapes, dtypes and a device, but no memory). Below autograd every operator passes through a `Recorder`. So the peak
includes what autograd saves, the logits, the temporaries of every formula and the optimizer's scratch space, whatever
parts the model has.

All numbers grow linearly with the depth if each phase of the step is taken by itself. So two steps of shallow models
give the numbers of any depth (`grown`).
"""

import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from glassformer.config.user_files import blaming, own_files, words_of
from glassformer.data.batches import Batch
from glassformer.errors import SettingError
from glassformer.kernels import linear_cross_entropy
from glassformer.lab.plan.depths import linear, shallow_depths
from glassformer.lab.plan.operator import Operator
from glassformer.lab.plan.recorder import Peak, Recorder
from glassformer.model.gpt import GPT
from glassformer.recipes.build import build_model
from glassformer.recipes.presets import Recipe
from glassformer.system.command import typed
from glassformer.train.average import Average

logging.getLogger("torch._subclasses.fake_tensor").disabled = True  # what it cannot do is raised, and said once
LOST = 0.074
"""How many bytes of a Linux process's heap are lost in gaps, for each byte that a step allocates in small blocks: gaps
that the next block did not fit into. They grow with everything that is allocated, not with what is alive at once.
Measured (bench/plan.py, LOG.md)."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass
class Trace:
    """What a step of a model of one depth needs. Sizes are in bytes; each field but `operators` grows linearly with
    depth."""

    tokens: int
    """Tokens in a micro-batch."""
    weights: float
    optimizer: float
    activations: float
    """Bytes alive when the forward pass ends, beyond weights, optimizer and batch: what the backward pass will read."""
    gradients: float
    batch: float
    peaks: dict[str, Peak]
    """The peaks of each phase; they include all of the above."""
    traffic: float
    """Bytes of all small blocks that the step allocated, one after another."""
    operators: dict[str, Counter[Operator]] = field(repr=False)
    """How often each operator runs, by phase: for one micro-batch and one update ("clip", "update")."""

    @property
    def flops(self) -> int:
        """FLOPs of the matrix products of one micro-batch, forward and backward."""
        phases = self.operators.keys() - set(UPDATE)
        return sum(op.flops * count for phase in phases for op, count in self.operators[phase].items())

    @property
    def update_flops(self) -> int:
        """FLOPs of the matrix products of one update; 0 unless the optimizer makes some, as Muon does."""
        return sum(op.flops * count for phase in UPDATE for op, count in self.operators.get(phase, {}).items())


UPDATE = ("clip", "update")
"""The phases that come once per step; the others come once per micro-batch."""


def trace(recipe: Recipe, precision: str, computing: bool = False) -> Trace:
    """One step of `recipe` at its full depth, in "fp32", "bf16" or "fp16", on fake CPU tensors (real ones if
    `computing`).

    On a GPU the same operators take the same bytes, with one exception: in bf16 a CPU keeps the attention patterns of
    short texts (kernels/attention.py). To learn what a GPU needs in bf16, trace fp16, whose numbers are as wide.
    """
    rows, T = recipe.train.micro_batch_size, recipe.model.context_length
    fake, chosen = (contextlib.nullcontext(), None) if computing else (FakeTensorMode(), _chosen(recipe))
    with fake, Recorder(chosen) as recorder, contextlib.ExitStack() as patches:
        if not computing:
            patches.enter_context(patch.object(linear_cross_entropy, "pieces", recorder.pieces))
        model = build_model(recipe).train()
        weights = recorder.live
        optimizer = recipe.train.optimizer.build(model)
        average = Average(model, recipe.train.ema)
        state = recorder.live - weights
        ids = torch.zeros(recipe.train.batch_size, 2 * T, dtype=torch.long)
        batch = recorder.live - weights - state
        _mark_blocks(model, recorder.enter)
        activations = 0
        micros = 1 + (recipe.train.grad_accumulation > 1)  # the second begins with gradients in memory
        for i in range(micros):
            recorder.operators.clear()
            micro = Batch(ids[:rows, :T], ids[:rows, T:])
            recorder.enter("forward")
            with _autocast(precision):
                loss = recipe.train.loss.nats(model, micro).sum() / ids.numel()
            if i == 0:
                activations = recorder.live - weights - state - batch
            recorder.enter("loss")
            loss.backward()
            del loss
        gradients = recorder.live - weights - state - batch
        recorder.enter("clip")
        model.kernels.clip(list(model.parameters()), recipe.train.grad_clip)
        recorder.enter("update")
        optimizer.step()
        average.update(1)
        model.zero_grad(set_to_none=True)
        recorder.phase = "build"
    return Trace(
        rows * T, weights, state, activations, gradients, batch, dict(recorder.peaks), recorder.traffic,
        dict(recorder.operators),
    )  # fmt: skip


def cache_bytes(recipe: Recipe, n_layer: int) -> int:
    """Bytes of the cache of a model with `n_layer` layers that has read context_length tokens of one text, in fp32."""
    T = recipe.model.context_length
    with FakeTensorMode(), Recorder(_chosen(recipe)), torch.no_grad():
        model = build_model(recipe.override(f"model.n_layer={n_layer}")).eval()
        cache = model.make_cache(1, T)
        model(torch.zeros(1, T, dtype=torch.long), cache=cache)
        return cache.nbytes


def _chosen(recipe: Recipe) -> float:
    """The share of all routed tokens that one expert of a mixture gets."""
    return 1 / getattr(recipe.model.mlp, "n_expert", 1)


def _mark_blocks(model: GPT, enter: Callable[[str], None]) -> None:
    """Begin a new phase when the backward pass reaches the last block, the blocks between, and the first block. What
    comes before the last block belongs to the head."""
    last = len(model.blocks) - 1

    def mark(i: int) -> Callable[..., None]:
        name = "last block" if i == last else "first block" if i == 0 else "blocks"
        return lambda *_: enter(f"backward: {name}")

    def watch(i: int) -> Callable[..., None]:
        def hook(module: Any, given: Any, out: Any) -> None:
            out[0].register_hook(mark(i))

        return hook

    for i, block in enumerate(model.blocks):
        block.register_forward_hook(watch(i))


@contextlib.contextmanager
def _autocast(precision: str) -> Iterator[None]:
    if precision == "fp32":
        yield
    else:
        with torch.autocast("cpu", DTYPES[precision]):
            yield


def traced(recipe: Recipe, precision: str, may_compute: bool = False) -> tuple[Trace, ...]:
    """The trace of the whole model, or the traces of two shallow models from which `grown` computes those of the whole.

    A part of the user's own that looks at the values of its tensors cannot be traced on fake ones. Then a real step is
    made if we `may_compute`; else SettingError is raised.
    """
    depths = shallow_depths(recipe) or [recipe.model.n_layer]

    def each(computing: bool) -> tuple[Trace, ...]:
        return tuple(trace(recipe.override(f"model.n_layer={n}"), precision, computing) for n in depths)

    try:
        return each(False)
    except Exception as error:
        files = own_files(recipe)
        if not files:
            raise
        if not may_compute:
            raise SettingError(
                f"{' or '.join(files)} cannot be planned, because it looks at the values of tensors (.item(), if tensor:) "
                f"or has a mistake: {words_of(error, files)}; {typed('check-variant', files[0])} says "
                "which of the two it is"
            ) from error
    with blaming(recipe):
        return each(True)


def grown(traces: tuple[Trace, ...], recipe: Recipe, get: Callable[[Trace], float]) -> float:
    """What `get` would return for a trace at the full depth of `recipe`."""
    depths = shallow_depths(recipe)
    if depths is None:
        return get(traces[0])
    return linear(get(traces[0]), get(traces[1]), depths, recipe.model.n_layer)


def peak(traces: tuple[Trace, ...], recipe: Recipe) -> float:
    """The most bytes alive at any time, at the full depth."""
    return _most(traces, recipe, "live")


def resident(traces: tuple[Trace, ...], recipe: Recipe) -> float:
    """The most bytes that a process holds in main memory: its heap, which never shrinks and has gaps (`LOST`), at its
    largest, and the blocks with pages of their own at their largest, though these may be at another time."""
    lost = LOST * grown(traces, recipe, lambda t: t.traffic)
    return _most(traces, recipe, "small") + _most(traces, recipe, "mapped") + lost


def _most(traces: tuple[Trace, ...], recipe: Recipe, kind: str) -> float:
    phases = set.intersection(*(set(t.peaks) for t in traces))
    return max(grown(traces, recipe, lambda t, phase=phase: getattr(t.peaks[phase], kind)) for phase in phases)

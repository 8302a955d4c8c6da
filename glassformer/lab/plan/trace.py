"""One training step that computes nothing: what it would allocate and which operators it would run.

The model, the loss, autograd, the clipping and the optimizer are the real ones; only the tensors are fake (shapes,
dtypes and a device, no memory). Below autograd every operator passes through `Recorder`, which keeps two books: the
bytes alive (storages, each from its birth to its last reference) and the operators. So the peak holds what autograd
saves, the logits, the temporaries of every formula and the optimizer's scratch, whatever parts the model is made of.

A deep model is its shallow self and more of the same: all numbers are linear in the depth as long as they are taken
phase by phase, so two shallow steps give those of any depth (`grown`).
"""

import contextlib
import logging
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from glassformer.config.user_files import blaming, own_files, words_of
from glassformer.data.batches import Batch
from glassformer.errors import SettingError
from glassformer.lab.plan.operator import MAPPED, Operator, operator
from glassformer.model.cost import linear, shallow_depths
from glassformer.model.gpt import GPT
from glassformer.recipes.build import build_model
from glassformer.recipes.presets import Recipe

logging.getLogger("torch._subclasses.fake_tensor").disabled = True  # what it cannot do is raised, and told once
LOST = 0.074
"""Bytes that a Linux process holds for each byte that a step takes in small blocks: gaps of its heap, which the next block
did not fit into. It is the traffic that loses them, not the number alive at once. Measured (bench/plan.py, LOG.md)."""
DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Peak(NamedTuple):
    """The most bytes alive in a phase: of all blocks at once, of those in the heap, of those with pages of their own."""

    live: float
    small: float
    mapped: float


class Recorder(TorchDispatchMode):
    """Books of bytes and operators, by phase.

    `chosen` is how many of the places where something may be are places where it is: fake tensors know no values, so a
    choice (of experts) is taken to be an even one. None: the tensors are real.
    """

    def __init__(self, chosen: float | None) -> None:
        super().__init__()
        self.chosen, self.phase = chosen, "build"
        self.small, self.mapped, self.traffic = 0, 0, 0
        self.peaks: dict[str, Peak] = {}
        self.operators: dict[str, Counter[Operator]] = {}
        self._known: set[int] = set()

    def enter(self, phase: str) -> None:
        """What follows belongs to `phase`."""
        self.phase = phase
        self._look()

    @property
    def live(self) -> int:
        """Bytes."""
        return self.small + self.mapped

    def _look(self) -> None:
        now = Peak(self.live, self.small, self.mapped)
        self.peaks[self.phase] = Peak(*map(max, now, self.peaks.get(self.phase, now)))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "prim":  # a question to the tensor, no work
            return func(*args, **(kwargs or {}))
        if func is torch.ops.aten.nonzero.default and self.chosen is not None:
            found = round(args[0].numel() * self.chosen)
            out = torch.empty(found, args[0].ndim, dtype=torch.long)
        else:
            out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._born(tensor.untyped_storage())
        if self.phase != "build":
            self.operators.setdefault(self.phase, Counter())[operator(func, args, kwargs or {}, out)] += 1
        return out

    def _born(self, storage: Any) -> None:
        key, size = id(storage), storage.nbytes()
        if key not in self._known:
            self._known.add(key)
            weakref.finalize(storage, self._died, key, size)
            self._count(size, size)
            self.traffic += size if self.phase != "build" and size < MAPPED else 0
            self._look()

    def _died(self, key: int, size: int) -> None:
        self._known.discard(key)
        self._count(size, -size)

    def _count(self, size: int, change: int) -> None:
        if size < MAPPED:
            self.small += change
        else:
            self.mapped += change


@dataclass
class Trace:
    """What a step of one depth takes. Bytes; every field but `operators` is linear in the depth."""

    tokens: int
    """In a micro-batch."""
    weights: float
    optimizer: float
    activations: float
    """Alive when the forward pass ends, beyond weights, optimizer and batch: what backward will read."""
    gradients: float
    batch: float
    peaks: dict[str, Peak]
    """Of each phase, all of the above included."""
    traffic: float
    """What the step took in small blocks, one after another."""
    operators: dict[str, Counter[Operator]] = field(repr=False)
    """What runs in each phase, how often. Phases of a micro-batch come once, those of an update ("clip", ...) too."""

    @property
    def flops(self) -> int:
        """Of the products in a micro-batch, forward and backward."""
        phases = self.operators.keys() - set(UPDATE)
        return sum(op.flops * count for phase in phases for op, count in self.operators[phase].items())

    @property
    def update_flops(self) -> int:
        """Of the products in an update: none but those of an optimizer such as Muon."""
        return sum(op.flops * count for phase in UPDATE for op, count in self.operators.get(phase, {}).items())


UPDATE = ("clip", "update")
"""The phases that come once a step; the others come once a micro-batch."""


def trace(recipe: Recipe, precision: str, computing: bool = False) -> Trace:
    """One step of `recipe` at its full depth, in "fp32", "bf16" or "fp16", on a CPU that does not compute (or does).

    On a GPU the same operators take the same bytes, except that a CPU in bf16 keeps short attention patterns
    (kernels/attention.py); trace fp16, whose numbers are as wide, to know what a GPU needs.
    """
    rows, T = recipe.train.micro_batch_size, recipe.model.context_length
    fake, chosen = (contextlib.nullcontext(), None) if computing else (FakeTensorMode(), _chosen(recipe))
    with fake, Recorder(chosen) as recorder:
        model = build_model(recipe).train()
        weights = recorder.live
        optimizer = recipe.train.optimizer.build(model)
        state = recorder.live - weights
        ids = torch.zeros(recipe.train.batch_size, 2 * T, dtype=torch.long)
        batch = recorder.live - weights - state
        _mark_blocks(model, recorder.enter)
        activations = 0
        micros = 1 + (recipe.train.grad_accumulation > 1)  # the second finds gradients there already
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
        model.zero_grad(set_to_none=True)
        recorder.phase = "build"
    return Trace(
        rows * T, weights, state, activations, gradients, batch, dict(recorder.peaks), recorder.traffic,
        dict(recorder.operators),
    )  # fmt: skip


def cache_bytes(recipe: Recipe, n_layer: int) -> int:
    """Bytes that a model of so many layers holds when it has read context_length tokens of one text, in fp32."""
    T = recipe.model.context_length
    with FakeTensorMode(), Recorder(_chosen(recipe)), torch.no_grad():
        model = build_model(recipe.override(f"model.n_layer={n_layer}")).eval()
        cache = model.make_cache(1, T)
        model(torch.zeros(1, T, dtype=torch.long), cache=cache)
        return cache.nbytes


def _chosen(recipe: Recipe) -> float:
    """The share of tokens that an expert of a mixture reads, of those that any reads."""
    return 1 / getattr(recipe.model.mlp, "n_expert", 1)


def _mark_blocks(model: GPT, enter: Callable[[str], None]) -> None:
    """Say when backward reaches a block: the last, those between, the first. What is before the last is the head's."""
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
    """The trace of the whole, or those of two shallow models that stand for it; see `grown`.

    A part that looks at its numbers cannot be traced without: where we `may_compute` the step is a real one; elsewhere
    that raises SettingError.
    """
    depths = shallow_depths(recipe.model) or [recipe.model.n_layer]

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
                f"{' or '.join(files)} looks at numbers (.item(), if tensor:), which a plan does not have, or is wrong: "
                f"{words_of(error, files)}; glass check-variant {files[0]} says which of the two it is"
            ) from error
    with blaming(recipe):
        return each(True)


def grown(traces: tuple[Trace, ...], recipe: Recipe, get: Callable[[Trace], float]) -> float:
    """What `get` would give for the whole depth of `recipe`."""
    depths = shallow_depths(recipe.model)
    if depths is None:
        return get(traces[0])
    return linear(get(traces[0]), get(traces[1]), depths, recipe.model.n_layer)


def peak(traces: tuple[Trace, ...], recipe: Recipe) -> float:
    """The most bytes alive at any time, at the whole depth."""
    return _most(traces, recipe, "live")


def resident(traces: tuple[Trace, ...], recipe: Recipe) -> float:
    """The most bytes that a process in main memory holds: its heap stays as large as it ever was, with `LOST` in gaps,
    whatever the blocks with pages of their own take at another time."""
    lost = LOST * grown(traces, recipe, lambda t: t.traffic)
    return _most(traces, recipe, "small") + _most(traces, recipe, "mapped") + lost


def _most(traces: tuple[Trace, ...], recipe: Recipe, kind: str) -> float:
    phases = set.intersection(*(set(t.peaks) for t in traces))
    return max(grown(traces, recipe, lambda t, phase=phase: getattr(t.peaks[phase], kind)) for phase in phases)

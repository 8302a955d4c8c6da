"""What a layout costs, by formula: the bytes that each process stores, and the messages and bytes that it sends in a step.

Nothing is built: the shapes come from a model on the meta device. The tests compare the stored bytes with a model that
is really divided over 256 (simulated) processes, and the sent bytes with those that a hook counts (`Sent`).
docs/communication.md has the formulas in words.

A message is counted as what the ring algorithm sends, per process of n, for b bytes: all-reduce 2 (n - 1)/n b,
all-gather and reduce-scatter (n - 1)/n b where b are those of the whole tensor, send b. The few numbers that the
trainer exchanges besides (the loss, the gradient norm) are not counted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

import torch
from torch.distributed import ProcessGroup
from torch.utils._python_dispatch import TorchDispatchMode

from glassformer.model.embed import SeesBefore
from glassformer.model.embedding import Embedding
from glassformer.model.gpt import GPT
from glassformer.model.head import IsLinear, LooksBack
from glassformer.model.mixer.full import Attention
from glassformer.parallel.config import Layout, Parallel
from glassformer.parallel.stages import TWO, cut, is_tied, stages_of


@dataclass(frozen=True)
class Work:
    """What one process reads in a step."""

    micros: int
    """Micro-batches."""
    rows: int
    """Rows of a micro-batch."""
    length: int
    """Tokens of a row."""
    number: int = 4
    """Bytes of a number of the stream, and of keys and values. Autocast sends some of them in 2 bytes, which is not
    counted."""
    weight: int = 4
    """Bytes of a number of a weight and of a gradient."""
    wide: int = 4
    """Bytes of a number of a cost in nats."""


@dataclass
class Traffic:
    """Messages and bytes that a process sends in a step, by the dimension of the grid."""

    messages: dict[str, int] = field(default_factory=dict)
    bytes: dict[str, float] = field(default_factory=dict)

    def add(self, dimension: str, size: float, times: int = 1) -> None:
        """`times` messages of so many bytes."""
        if size and times:
            self.messages[dimension] = self.messages.get(dimension, 0) + times
            self.bytes[dimension] = self.bytes.get(dimension, 0) + size * times

    @property
    def total(self) -> float:
        """Bytes over all dimensions."""
        return sum(self.bytes.values())


def divided_dimensions(model: GPT) -> dict[str, int]:
    """The dimension along which tensor parallelism divides each parameter; those that it does not divide are left out."""
    found = {f"embed.{name}": 0 for name, p in model.embed.named_parameters() if p.ndim == 2}
    for name, module in model.named_modules():
        for child, how in getattr(module, "cuts", {}).items():
            if how == "columns":
                found |= {f"{name}.{child}.weight": 0, f"{name}.{child}.bias": 0}
            elif how == "rows":
                found[f"{name}.{child}.weight"] = 1
    return found


def stored(model: GPT, layout: Layout, schedule: str, pipeline: int = 0, tensor: int = 0) -> dict[str, tuple[int, ...]]:
    """The shape of each parameter on process `pipeline` of the line and `tensor` of those that divide matrices, before
    it is sharded, by name."""
    dimensions = divided_dimensions(model) if layout.tensor > 1 else {}
    n_stages = layout.pipeline * (1 + (schedule in TWO and layout.pipeline > 1))
    mine = stages_of(pipeline, layout.pipeline, schedule) if layout.pipeline > 1 else [0]
    layers = {layer for i in mine for layer in cut(model.config.n_layer, n_stages)[i]}
    first, last = 0 in mine, n_stages - 1 in mine
    here = {"embed": first or (last and is_tied(model)), "position": first, "final_norm": last, "head": last}
    found = {}
    for name, p in model.named_parameters():
        words = name.split(".")
        if int(words[1]) in layers if words[0] == "blocks" else here[words[0]]:
            found[name] = part(tuple(p.shape), dimensions.get(name), layout.tensor, tensor)
    return found


def part(shape: tuple[int, ...], dimension: int | None, n: int, at: int) -> tuple[int, ...]:
    """The shape of part `at` of n along a dimension; the last parts may be smaller.

    >>> part((10, 4), 0, 4, 3), part((10, 4), None, 4, 3)
    ((1, 4), (10, 4))
    """
    if dimension is None or n == 1:
        return shape
    size = -(-shape[dimension] // n)
    own = max(0, min(size, shape[dimension] - at * size))
    return (*shape[:dimension], own, *shape[dimension + 1 :])


def sharded(shapes: dict[str, tuple[int, ...]], n: int, at: int = 0) -> int:
    """Numbers that shard `at` of n stores of these parameters."""
    return sum(prod(part(shape, 0, n, at)) for shape in shapes.values())


def traffic(
    model: GPT, layout: Layout, parallel: Parallel, work: Work, pipeline: int = 0, tensor: int = 0
) -> Traffic:  # fmt: skip
    """What the process at these places of the grid sends in one update. `model` is whole, and may be on the meta device."""
    found = Traffic()
    shapes = stored(model, layout, parallel.schedule, pipeline, tensor)
    _data(found, shapes, layout, parallel, work)
    stages = stages_of(pipeline, layout.pipeline, parallel.schedule) if layout.pipeline > 1 else [0]
    n_stages = layout.pipeline * (1 + (parallel.schedule in TWO and layout.pipeline > 1))
    layers = [layer for i in stages for layer in cut(model.config.n_layer, n_stages)[i]]
    ends = 0 in stages, n_stages - 1 in stages
    stream = work.rows * work.length // layout.context * model.config.n_embd * work.number
    if layout.tensor > 1:
        _tensor(found, model, layers, ends, layout, parallel, work, stream)
    if layout.context > 1:
        _context(found, model, layers, ends, layout, work)
    if layout.pipeline > 1:
        between = stream // (layout.tensor if parallel.sequence else 1) + work.wide * model.routed
        owner = {i: r for r in range(layout.pipeline) for i in stages_of(r, layout.pipeline, parallel.schedule)}
        for i in stages:
            to_next = i < n_stages - 1 and owner[i + 1] != pipeline
            to_last = i > 0 and owner[i - 1] != pipeline
            found.add("pipeline", between, work.micros * (to_next + to_last))
        if ends[0] != ends[1] and is_tied(model):
            size = sharded({"embed.weight": shapes["embed.weight"]}, layout.shard if parallel.shard else 1)
            found.add("pipeline", size * work.weight)
    return found


def _data(
    found: Traffic, shapes: dict[str, tuple[int, ...]], layout: Layout, parallel: Parallel, work: Work
) -> None:
    """Sums of gradients and, with shards, the gathering of weights."""
    if not parallel.shard:
        n = layout.replicate * layout.context
        found.add("data", _ring(n) * 2 * sum(map(prod, shapes.values())) * work.weight)
        return
    n = layout.shard * layout.context
    blocks: Counter[str] = Counter()
    for name, shape in shapes.items():
        words = name.split(".")
        blocks[words[1] if words[0] == "blocks" else ""] += -(-shape[0] // n) * n * prod(shape[1:]) * work.weight
    times = work.micros if layout.pipeline == 1 else 1  # a stage gathers once for all micro-batches of a step
    for name, size in blocks.items():
        both = 2 if name and layout.pipeline == 1 else 1  # a block is gathered for the forward and the backward pass
        found.add("data", _ring(n) * size, times * both)
        found.add("data", _ring(n) * size, times)  # its gradient
        found.add("data", _ring(layout.replicate) * 2 * size / n)


def _tensor(
    found: Traffic, model: GPT, layers: list[int], ends: tuple[bool, bool], layout: Layout, parallel: Parallel,
    work: Work, stream: int,
) -> None:  # fmt: skip
    """Sums of what divided matrices give. `stream` is the bytes of x (B, T, C)."""
    n, ring = layout.tensor, _ring(layout.tensor)
    for layer in layers:
        block = model.blocks[layer]
        routed = getattr(block.mlp, "n_active", 0) if block.routed else 0
        pairs = 1 + (0 if routed else 1)
        # Without `sequence` a sum in the forward pass and one in the backward pass; with it, each is two halves.
        found.add("tensor", ring * stream * 2, work.micros * pairs * 2)
        if routed:
            found.add("tensor", ring * stream * 2 * routed, work.micros * 2)
            if parallel.sequence:  # what goes into the experts is gathered, and what comes out is cut
                found.add("tensor", ring * stream, work.micros * 2)
        for name, p in block.named_parameters():
            inside = name.split(".")[0] in ("mixer", "mlp")
            shared = name.split(".")[1] in ("q_norm", "k_norm") or (name.endswith(("o_proj.bias", "down_proj.bias")))
            late = shared and name.endswith("bias") and "_norm" not in name
            if ((shared and not late) if inside else parallel.sequence) or (late and parallel.sequence and not routed):
                found.add("tensor", ring * 2 * p.numel() * work.weight, work.micros)
    shared = sum(p.numel() for p in model.position.parameters() if "shared" in model.position.cuts.values())
    found.add("tensor", ring * 2 * shared * work.weight, work.micros * len(layers))  # a bias of the scores, in every block
    if ends[0]:
        tables = sum(1 for m in model.embed.modules() if isinstance(m, Embedding))
        found.add("tensor", ring * 2 * stream, work.micros * tables)
        if parallel.sequence:
            found.add("tensor", ring * stream, work.micros)
    if ends[1]:
        found.add("tensor", ring * 2 * stream, work.micros)
        if parallel.sequence:
            found.add("tensor", ring * stream, work.micros)
        tokens, ids = work.rows * work.length // layout.context, -(-model.config.vocab_size // n) * n
        if isinstance(model.head, IsLinear):
            found.add("tensor", ring * 2 * 3 * tokens * work.wide, work.micros)
        else:
            found.add("tensor", ring * tokens * ids * work.number, work.micros)
        for ahead in range(1, 1 + len(getattr(model.head, "views", ()))):  # logits of farther tokens
            seen = work.rows * (work.length - ahead) * work.number
            found.add("tensor", ring * seen * (ids + 2 * model.config.n_embd), work.micros)


def _context(
    found: Traffic, model: GPT, layers: list[int], ends: tuple[bool, bool], layout: Layout, work: Work
) -> None:
    """Keys and values of other processes, and what they send back; the nats of all tokens."""
    ring, shapes = _ring(layout.context), model.config
    keys = 2 * work.rows * work.length * shapes.key_heads // layout.tensor * shapes.head_width * work.number
    attention = sum(1 for layer in layers if isinstance(model.blocks[layer].mixer, Attention))
    found.add("context", ring * keys, 2 * attention * work.micros)
    found.add("context", ring * work.rows * work.length * work.wide, work.micros)
    ids = work.rows * work.length * 8
    if ends[0] and isinstance(model.embed, SeesBefore):
        found.add("context", ring * 2 * ids, work.micros)
    if ends[1] and isinstance(model.head, LooksBack):
        found.add("context", ring * work.rows * work.length * _width(model.head) * work.number, 2 * work.micros)
        found.add("context", ring * ids, work.micros)
    for layer in layers:
        if model.blocks[layer].routed:
            router = work.rows * work.length * len(model.blocks[layer].mlp.experts)  # type: ignore[union-attr,arg-type]
            found.add("context", ring * router * work.number, 2 * work.micros)
            found.add("context", ring * work.rows * work.length, work.micros)  # which of them are real


def _width(head: Any) -> int:
    """The width of the keys of a head that looks back."""
    return head.k_proj.n_out


def _ring(n: int) -> float:
    return (n - 1) / n


class Sent(TorchDispatchMode):
    """Counts the bytes that this process sends while it is entered: `with Sent() as sent: ...; sent.bytes`.

    It sees every collective of torch.distributed, whoever calls it: DDP, FSDP2, the pipeline's schedules, ours.
    """

    def __init__(self) -> None:
        super().__init__()
        self.bytes, self.messages = 0.0, 0
        self.operations: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "c10d":
            name = func.overloadpacket.__name__
            n = next(ProcessGroup.unbox(a).size() for a in args if isinstance(a, torch.ScriptObject) and _is_group(a))
            size = sum(t.nbytes for t in _tensors(args[0]))
            share = {
                "allreduce_": 2 * _ring(n), "_allgather_base_": _ring(n), "_reduce_scatter_base_": _ring(n) * n, "send": 1,
            }.get(name, 0)  # fmt: skip
            self.bytes += share * size
            self.messages += share > 0
            self.operations[name] += 1
        return func(*args, **(kwargs or {}))


def _tensors(given: Any) -> Iterator[torch.Tensor]:
    for item in given if isinstance(given, list | tuple) else [given]:
        if isinstance(item, torch.Tensor):
            yield item
        elif isinstance(item, list | tuple):
            yield from _tensors(item)


def _is_group(item: torch.ScriptObject) -> bool:
    return "ProcessGroup" in item._type().name()  # type: ignore[attr-defined]

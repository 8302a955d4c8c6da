"""A trace: what every formula of one forward pass was given and gave out, under the names of the field.

>>> seen = trace(model, ids)
>>> seen["blocks.1.mlp.act"].shape, seen.pattern(1).weights.shape, seen.logits.shape

The model computes with the kernels that it always computes with, so the logits are those of `model(ids)`, bit for bit.
`keep` chooses what is held: "blocks.*.mixer.pattern", "*.resid_post". Nothing is copied, but whatever is held stays in
memory, and a trace that would hold more than `limit` bytes is refused.
"""

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.errors import LensError
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.lens import patterns
from glassformer.lens.call import SOFTMAX_ATTENTION, Call
from glassformer.lens.patterns import Pattern
from glassformer.lens.seam import Seam, Visitor, evaluating
from glassformer.model.gpt import GPT
from glassformer.model.wrapped import unwrapped

LIMIT = 2 << 30
"""Bytes that a trace may hold unless the caller allows more: twice what a GPT-2 of 12 layers needs for 1,024 tokens."""


class Trace(Visitor):
    """The values of one forward pass. `trace` makes one."""

    def __init__(self, model: GPT, keep: Sequence[str] = ("*",), limit: int = LIMIT):
        self.model, self.keep, self.limit = model, tuple(keep), limit
        self.values: dict[str, Tensor] = {}
        """By name, in the order in which they were computed."""
        self.calls: list[Call] = []
        """The formulas, in the order in which they were computed."""
        self.ids: Tensor
        self.documents: Tensor | None = None
        self.logits: Tensor
        """(B, T, V)."""
        self.nats: Tensor | None = None
        """(B, T): what each target cost, if targets were given."""
        self.bytes = 0
        """The memory that the trace keeps alive, without the weights of the model."""
        self._kept: dict[str, bool] = {}
        self._counted = {p.untyped_storage().data_ptr() for p in [*model.parameters(), *model.buffers()]}

    def __getitem__(self, name: str) -> Tensor:
        """The value of that name; scores and patterns are computed when they are asked for. Raises LensError with the
        nearest names if there is none."""
        if name in self.values:
            return self.values[name]
        module, _, last = name.rpartition(".")
        call = self._weighing(module) if last in ("scores", "pattern") else None
        if call is not None:
            return patterns.scores(call) if last == "scores" else patterns.pattern(call).weights
        raise LensError(f"this trace holds no {name!r}{self._nearest(name)}")

    def __contains__(self, name: str) -> bool:
        return name in self.names()

    def names(self, *globs: str) -> list[str]:
        """The names of all values that can be asked for, or of those that match one of the globs."""
        found = list(self.values)
        for call in self.calls:
            if call.formula in patterns.WEIGHING:
                ends = ("scores", "pattern") if call.formula in SOFTMAX_ATTENTION else ("pattern",)
                found += [name for name in map(call.named, ends) if name not in self.values]
        return [name for name in found if _matches(name, globs or ("*",))]

    def find(self, *globs: str) -> dict[str, Tensor]:
        """The values whose names match one of the globs: `find("blocks.*.resid_post")`."""
        return {name: self[name] for name in self.names(*globs)}

    def pattern(self, layer: int) -> Pattern:
        """Who reads whom in the mixer of a layer. Raises LensError, by name, if its mixer has no weights."""
        if not 0 <= layer < len(self.model.blocks):
            raise LensError(f"there is no layer {layer}: this model has layers 0 to {len(self.model.blocks) - 1}")
        path = f"blocks.{layer}.mixer"
        call = self._weighing(path)
        if call is None:
            kind = type(self.model.get_submodule(path)).__name__
            held = self._keeps(f"{path}.pattern")
            raise LensError(
                f"{path} ({kind}) has no attention pattern: it computes with none of {', '.join(patterns.WEIGHING)}"
                if held else f"this trace holds nothing of {path}; trace it with keep={path + '.pattern'!r}"
            )  # fmt: skip
        return patterns.pattern(call, self.values.get(call.named("pattern")))

    def patterns(self) -> dict[int, Pattern | LensError]:
        """`pattern` of every layer, or the error that says why there is none."""
        found: dict[int, Pattern | LensError] = {}
        for layer in range(len(self.model.blocks)):
            try:
                found[layer] = self.pattern(layer)
            except LensError as error:
                found[layer] = error
        return found

    def call(self, name: str) -> Call:
        """The formula that gave out the value of this name. Raises LensError if the trace holds none."""
        for call in self.calls:
            if name in call.names:
                return call
        value = self[name]
        for call in self.calls:
            if any(result is value for result in call.results):
                return call
        raise LensError(f"{name!r} was not given out by one formula{self._nearest(name)}")

    def gradients(self, *globs: str) -> dict[str, Tensor]:
        """The gradient of the mean nats of the targets, by each value that matches. The trace must have been made with
        targets and `gradients=True`, else LensError."""
        if self.nats is None or not self.nats.requires_grad:
            raise LensError("this trace knows no gradients: make it with trace(model, ids, targets, gradients=True)")
        found = {name: self.values[name] for name in self.names(*globs) if name in self.values}
        found = {name: value for name, value in found.items() if value.requires_grad}
        if not found:
            return {}
        loss = self.nats.sum() / (self.nats != 0).sum().clamp(min=1)
        slopes = torch.autograd.grad(loss, list(found.values()), retain_graph=True, allow_unused=True)
        return {name: slope for name, slope in zip(found, slopes) if slope is not None}

    def record(self, ids: Tensor | Sequence[int], targets: Tensor | None, documents: Tensor | None) -> None:
        """Let the model read; see `trace`."""
        gpt, self.ids, self.documents = self.model, readable(self.model, ids), documents
        with evaluating(gpt), Seam(gpt, self):
            self.logits = gpt(self.ids, documents=documents)
            if targets is not None:
                targets = targets.to(self.ids.device).view_as(self.ids)
                nats = gpt.kernels.cross_entropy(self.logits.flatten(0, 1), targets.flatten())
                self.nats = self.visit("nats", nats.view_as(targets))

    def visit(self, name: str, value: Tensor) -> Tensor:
        """See Visitor."""
        if self._keeps(name):
            self.values[name] = value
            self._hold(value)
            last = self.calls[-1] if self.calls else None
            if last is not None and last.result is value and last.names != [name] and _automatic(last):
                self.values.pop(last.names[0], None)  # the module's own name says the same
        return value

    def called(self, call: Call) -> None:
        """See Visitor."""
        more = [call.named("scores"), call.named("pattern")] if call.formula in patterns.WEIGHING else []
        if any(map(self._keeps, [*call.names, *more, call.module])):
            self.calls.append(call)
            for value in [*call.operands.values(), *call.results]:
                if isinstance(value, Tensor):
                    self._hold(value)

    def _keeps(self, name: str) -> bool:
        if name not in self._kept:
            self._kept[name] = _matches(name, self.keep)
        return self._kept[name]

    def _hold(self, value: Tensor) -> None:
        storage = value.untyped_storage()
        if storage.data_ptr() not in self._counted:
            self._counted.add(storage.data_ptr())
            self.bytes += storage.nbytes()
            if self.bytes > self.limit:
                raise LensError(
                    f"this trace would hold more than {self.limit / 1e6:,.0f} MB; keep less of it, such as "
                    'keep=["*.resid_post", "*.pattern"], read a shorter text, or raise the limit'
                )

    def _weighing(self, module: str) -> Call | None:
        calls = (c for c in self.calls if c.module == module and c.formula in patterns.WEIGHING)
        return next(calls, None)

    def _nearest(self, name: str) -> str:
        last = name.rpartition(".")[2]
        near = [known for known in self.names() if known.rpartition(".")[2] == last] or self.names()
        return f"; it holds {', '.join(near[:4])}" + (" ..." if len(near) > 4 else "") if near else ""


def trace(
    model: nn.Module, ids: Tensor | Sequence[int], targets: Tensor | None = None, *, keep: Sequence[str] | str = "*",
    documents: Tensor | None = None, gradients: bool = False, limit: int = LIMIT,
) -> Trace:  # fmt: skip
    """One forward pass of ids (T,) or (B, T), recorded.

    `targets` (B, T) are the ids that follow, or IGNORED; then the trace knows what each cost, and with `gradients` their
    gradients. `keep` is one glob or several, over the names of `seam`. The model computes as in evaluation, and afterwards
    is in the mode it was in. Raises LensError for ids that the model cannot read or a trace larger than `limit` bytes.
    """
    gpt = unwrapped(model)
    assert isinstance(gpt, GPT), "a trace is of a GPT"
    seen = Trace(gpt, [keep] if isinstance(keep, str) else keep, limit)
    with torch.set_grad_enabled(gradients):
        seen.record(ids, targets, documents)
    return seen


def readable(model: GPT, ids: Tensor | Sequence[int]) -> Tensor:
    """ids (T,) or (B, T) -> (B, T) on the model's device. Raises LensError if they are none that the model can read."""
    ids = torch.as_tensor(ids, device=model.device)
    ids = ids[None] if ids.ndim == 1 else ids
    most, V = model.config.context_length, model.config.vocab_size
    if ids.ndim != 2 or not ids.numel():
        raise LensError(f"a trace reads ids of the shape (T,) or (B, T), at least one; these are {tuple(ids.shape)}")
    if ids.shape[1] > most:
        raise LensError(f"the text has {ids.shape[1]:,} tokens and the model reads {most:,} at once; give it less")
    if int(ids.min()) < 0 or int(ids.max()) >= V:
        raise LensError(f"the ids are {int(ids.min())} to {int(ids.max())}, and this model knows 0 to {V - 1}")
    return ids


def next_tokens(ids: Tensor) -> Tensor:
    """ids (B, T) -> the targets (B, T): the id that follows each, and IGNORED behind the last."""
    return torch.cat([ids[:, 1:], torch.full_like(ids[:, :1], IGNORED)], 1)


def layers(seen: Trace, end: str) -> Iterator[tuple[int, Any]]:
    """(layer, value) for `blocks.<layer>.<end>`, of the layers that have it."""
    for layer in range(len(seen.model.blocks)):
        if (name := f"blocks.{layer}.{end}") in seen.values:
            yield layer, seen.values[name]


def _matches(name: str, globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for glob in globs)


def _automatic(call: Call) -> bool:
    """Whether the name of its result is just the module and the formula."""
    return call.names == [call.named(call.formula)]

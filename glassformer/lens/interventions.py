"""Interventions: what would the model say if this value were another?

A trace shows that a head reads a name; only a change shows that the model needs it (activation patching: Vig et al.,
2020; Meng et al., 2022). Inside `with ...:` every call of the model computes with the change, in evaluation and in
generation too:

>>> with ablate(model, "blocks.3.mixer.heads.2"):                    # the head gives out 0
...     after = model(ids)
>>> with patch(model, trace(model, other), "blocks.1.resid_post", places=[7]):
...     after = model(ids)
>>> with edit(model, "blocks.0.mlp.act", lambda x: 2 * x):
...     after = model(ids)

The names are those of `seam`, globs too; "blocks.3.mixer.heads.2" is that head's part of `blocks.3.mixer.z`. The weights
are not touched, and afterwards, also after an exception, the model is as it was. Interventions nest, and a trace sees them.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from glassformer.errors import LensError
from glassformer.lens.seam import Seam, Visitor
from glassformer.lens.trace import Trace
from glassformer.model.gpt import GPT

HEADS = ".heads."


@dataclass(eq=False)
class Edit(Visitor):
    """Changes the values of one name, or those that match a glob."""

    name: str
    change: Callable[[str, Tensor], Tensor | float]
    """(name, the chosen part of the value) -> the new one, or a number for all of it."""
    head: int | None = None
    """Only this head of a value (B, H, T, ...)."""
    places: Sequence[int] | None = None
    """Only these tokens of the call; None: all of them."""
    met: set[str] = field(default_factory=set)
    """The names that were changed."""
    seen: set[str] = field(default_factory=set)
    """The names that passed."""

    def visit(self, name: str, value: Tensor) -> Tensor:
        """See Visitor."""
        self.seen.add(name)
        if name != self.name and not fnmatchcase(name, self.name):
            return value
        self.met.add(name)
        chosen = self._chosen(name, value)
        new = value.clone()
        new[chosen] = self._fitting(name, value[chosen])
        return new

    def opens(self, module: str) -> bool:
        """See Visitor."""
        return any(fnmatchcase(f"{module}.{end}", self.name) for end in ("scores", "pattern") if _ends(self.name, end))

    def _chosen(self, name: str, value: Tensor) -> tuple[Any, ...]:
        """The index of the part that is changed."""
        has_heads = value.ndim == 4
        if self.head is not None and (not has_heads or self.head >= value.shape[1]):
            n = value.shape[1] if has_heads else 0
            raise LensError(f"{name} has {n} heads, so head {self.head} of it cannot be changed")
        where = slice(None) if self.places is None else list(self.places)
        last = value.shape[2 if has_heads else 1] if value.ndim >= 2 else 0
        if isinstance(where, list) and any(place >= last or place < -last for place in where):
            raise LensError(f"{name} has {last} tokens in this call, and the places to change are {where}")
        if not has_heads:
            return (slice(None), where) if value.ndim >= 2 else (slice(None),)
        return (slice(None), slice(None) if self.head is None else slice(self.head, self.head + 1), where)

    def _fitting(self, name: str, part: Tensor) -> Tensor | float:
        new = self.change(name, part)
        if isinstance(new, Tensor) and not _fits(new.shape, part.shape):
            raise LensError(f"{name} is {tuple(part.shape)} here and cannot be replaced by {tuple(new.shape)}")
        return new.to(part) if isinstance(new, Tensor) else new


@contextmanager
def edited(model: nn.Module, *edits: Edit) -> Iterator[None]:
    """The model with these changes. Raises LensError at the end if a name never came by while the model computed."""
    with ExitStack() as stack:
        for one in edits:
            stack.enter_context(Seam(model, one))
        yield
    for one in edits:
        if one.seen and not one.met:
            near = get_close_matches(one.name, sorted(one.seen), 1, 0.0)[0]
            raise LensError(f"no value is called {one.name!r} in this model, so nothing was changed; there is {near!r}")


def edit(
    model: nn.Module, name: str, new: Callable[[Tensor], Tensor] | Tensor | float, places: Sequence[int] | None = None
) -> Any:  # fmt: skip
    """The model with another value of that name: `new` itself, or what `new` makes of the value. A context manager."""
    value, head = _value_of(name)
    change = new if callable(new) else lambda _: new
    return edited(model, Edit(value, lambda _, part: change(part), head, places))


def scale(model: nn.Module, name: str, factor: float, places: Sequence[int] | None = None) -> Any:
    """The model with that value times a factor. A context manager."""
    return edit(model, name, lambda value: factor * value, places)


def ablate(model: nn.Module, *parts: str, means: Trace | None = None) -> Any:
    """The model without these parts: mixers, MLPs or heads, such as "blocks.1.mlp" or "blocks.3.mixer.heads.2".

    They give out 0, or with `means` the mean of what they gave out in that trace, over all its tokens: then the model
    misses what they knew about this text, and not what they always add. A context manager.
    """
    edits = []
    for part in parts:
        name, head = _value_of(part)
        if head is None and not name.endswith((".z", ".out")):
            name = f"{name}.out"
        edits.append(Edit(name, (lambda _, value: 0.0) if means is None else _mean(means, head), head))
    return edited(model, *edits)


def patch(
    model: nn.Module, source: Trace, *names: str, places: Sequence[int] | None = None,
    source_places: Sequence[int] | None = None,
) -> Any:  # fmt: skip
    """The model with values of another text, from its trace. A context manager.

    Without `places` both texts must have as many tokens. With them, only these places are changed, to the values at
    `source_places` of the other text; if those are not given, at the same places.
    """
    taken = places if source_places is None else source_places
    edits = []
    for name in names:
        value, head = _value_of(name)
        edits.append(Edit(value, _from(source, head, taken), head, places))
    return edited(model, *edits)


def heads_of(model: GPT) -> list[str]:
    """The names of all heads of attention: "blocks.0.mixer.heads.0" ..."""
    config = model.config
    return [f"blocks.{layer}.mixer{HEADS}{head}" for layer in range(config.n_layer) for head in range(config.n_head)]


def _value_of(name: str) -> tuple[str, int | None]:
    """The name of a value, and the head: ("blocks.3.mixer.z", 2) for "blocks.3.mixer.heads.2"."""
    module, found, head = name.rpartition(HEADS)
    if not found:
        return name, None
    if not head.isdigit():
        raise LensError(f"{name!r} must end in the number of a head, such as {module}{HEADS}0")
    return f"{module}.z", int(head)


def _mean(means: Trace, head: int | None) -> Callable[[str, Tensor], Tensor]:
    def change(name: str, part: Tensor) -> Tensor:
        value = means[name].detach()
        if value.ndim == 4:
            value = value if head is None else value[:, head : head + 1]
            return value.mean((0, 2), keepdim=True)
        return value.mean((0, 1), keepdim=True)

    return change


def _from(source: Trace, head: int | None, places: Sequence[int] | None) -> Callable[[str, Tensor], Tensor]:
    def change(name: str, part: Tensor) -> Tensor:
        value = source[name].detach()
        where = slice(None) if places is None else list(places)
        if value.ndim == 4:
            value = value if head is None else value[:, head : head + 1]
            return value[:, :, where]
        return value[:, where]

    return change


def _fits(new: torch.Size, old: torch.Size) -> bool:
    """Whether a tensor of one shape can be written over one of another, broadcast."""
    return len(new) <= len(old) and all(a in (1, b) for a, b in zip(reversed(new), reversed(old)))


def _ends(glob: str, end: str) -> bool:
    """Whether a glob asks for this value by name: "*" and "blocks.*" do not open attention."""
    return glob.rpartition(".")[2] == end

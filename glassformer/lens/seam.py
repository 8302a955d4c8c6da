"""The seam: every value of a forward pass passes here under its name, and the model knows nothing of it.

All maths of a model goes through its `Kernels`, and every part of it is a module. Inside `with Seam(model, visitor):` the
model's formulas are wrapped, and hooks stand before and behind its modules. A `Visitor` then sees each value by the name
that the field uses (TransformerLens: Nanda and Bloom, 2022), and may return another in its place:

    embed                                    blocks.3.mixer.q, k, v     the operands of attention, rotated
    blocks.3.resid_pre, resid_mid            blocks.3.mixer.z           (B, H, T, D): what each head read
    blocks.3.mixer.out, blocks.3.mlp.out     blocks.3.mixer.scores, pattern
    blocks.3.resid_post                      blocks.3.mlp.pre, act      before and behind the activation
    final_norm, logits                       anything else              the path of its module, and the formula

On leaving, also by an exception, the model is as it was. Seams nest: the inner visitor sees what the outer one changed.
Whoever calls the model meanwhile passes through the seam too, so no other thread should.
"""

import inspect
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import Any, Self

from torch import Tensor, nn

from glassformer.errors import LensError
from glassformer.kernels import Kernels, attention
from glassformer.lens.call import FORMULAS, ROLES, SOFTMAX_ATTENTION, Call, named_in, parameters_of
from glassformer.model.block import Block
from glassformer.model.wrapped import unwrapped


class Visitor:
    """What sees the values of a forward pass, and may change them. A subclass overrides what it needs."""

    wants_places = False
    """Whether calls should say which line asked for them, which takes time."""

    def visit(self, name: str, value: Tensor) -> Tensor:
        """Called for each value; what it returns takes the value's place."""
        return value

    def called(self, call: Call) -> None:
        """Called after each formula, with the operands and the result that it had in the end."""

    def instead(self, formula: str, module: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """What computes a formula that this module asks for; by default the function that it asks for."""
        return function

    def opens(self, module: str) -> bool:
        """Whether it must see `scores` and `pattern` while the attention of this module computes. A fused kernel never has
        them, so the formula is then computed step by step."""
        return False


class Seam:
    """Shows every value of a model's forward pass to a visitor, as a context manager."""

    def __init__(self, model: nn.Module, visitor: Visitor):
        self.model, self.visitor = unwrapped(model), visitor

    def __enter__(self) -> Self:
        self.wire = _installed(self.model) or _Wire(self.model)
        self.wire.visitors.append(self.visitor)
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.visitors.remove(self.visitor)
        if not self.wire.visitors:
            self.wire.remove()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """The model without dropout; afterwards every module is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode


@dataclass(slots=True)
class _Frame:
    """One run of a module."""

    path: str
    calls: Counter = field(default_factory=Counter)
    """How often each formula was asked for."""
    before: list[Tensor] = field(default_factory=list)
    """Of a block: the stream that it reads, and what its parts gave out before the mixer ran."""
    mixed: bool = False
    """Of a block: whether the mixer has run."""
    halfway: bool = False
    """Of a block: whether the MLP has begun after that, so that there is no other place for resid_mid."""


class _Wire:
    """What is put into one model: wrapped formulas and hooks, shared by all visitors."""

    def __init__(self, model: nn.Module):
        self.model, self.visitors, self.stack = model, list[Visitor](), [_Frame("")]
        self.replaced, self.handles = list[tuple[nn.Module, str, Any]](), list[Any]()
        self.kernels: Kernels | None = getattr(model, "kernels", None)
        wrapped: dict[tuple[int, str], Kernels] = {}
        for path, module in model.named_modules():
            self._wrap(path, module, wrapped)
            if module is not model:
                self._hook(path, module)
        self.handles.append(model.register_forward_hook(self._end, with_kwargs=True))

    def remove(self) -> None:
        """Take everything out again."""
        for handle in self.handles:
            handle.remove()
        for module, name, value in reversed(self.replaced):
            module.__dict__[name] = value

    def visit(self, name: str, value: Tensor) -> Tensor:
        """The value after all visitors."""
        for visitor in self.visitors:
            value = visitor.visit(name, value)
        return value

    def _wrap(self, path: str, module: nn.Module, wrapped: dict[tuple[int, str], Kernels]) -> None:
        """Formulas in the attributes of a module: a namespace of them, or one by itself, as an MLP keeps its activation."""
        owner = "" if "." in path else path  # deeper ones are only asked by modules that run
        own = next((value for value in vars(module).values() if isinstance(value, Kernels)), self.kernels)
        for key, value in list(vars(module).items()):
            if key.startswith("_"):  # torch's own
                continue
            if isinstance(value, Kernels):
                if (id(value), owner) not in wrapped:
                    each = {f: _Watched(f, getattr(value, f), value, self, owner) for f in FORMULAS}
                    wrapped[id(value), owner] = Kernels(**each)
                new: Any = wrapped[id(value), owner]
            else:
                formula = _formula(value, own)
                new = _Watched(formula, value, own, self, owner) if formula and own else None
            if new is not None:
                self.replaced.append((module, key, value))
                module.__dict__[key] = new

    def _hook(self, path: str, module: nn.Module) -> None:
        parent, _, child = path.rpartition(".")
        holder = self.model.get_submodule(parent) if parent else self.model
        in_block = isinstance(holder, Block)
        name = f"{path}.out" if in_block and child in ("mixer", "mlp") else path
        name = f"{path}.resid_post" if isinstance(module, Block) else name

        def enter(module: nn.Module, args: tuple) -> tuple | None:
            frame, block = _Frame(path), self.stack[-1]
            if isinstance(module, Block) and args and isinstance(args[0], Tensor):
                args = (self.visit(f"{path}.resid_pre", args[0]), *args[1:])
                frame.before.append(args[0])
            if in_block and child in ("mlp_norm", "mlp") and block.mixed and not block.halfway and args:
                if not any(args[0] is known for known in block.before):  # a parallel block has no middle
                    _write(args[0], self.visit(f"{parent}.resid_mid", args[0]))
                block.halfway = True
            self.stack.append(frame)
            return args

        def leave(module: nn.Module, args: tuple, output: Any) -> Any:
            self.stack.pop()
            output = _first(output, lambda value: self.visit(name, value))
            if in_block and self.stack[-1].path == parent:
                block = self.stack[-1]
                if child == "mixer":
                    block.mixed = True
                elif not block.mixed and isinstance(output, Tensor):
                    block.before.append(output)
            return output

        self.handles.append(module.register_forward_pre_hook(enter))
        self.handles.append(module.register_forward_hook(leave, always_call=True))  # also when it raises

    def _end(self, module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Any) -> Any:
        name = "nats" if len(args) > 1 or kwargs.get("targets") is not None else "logits"
        return _first(output, lambda value: self.visit(name, value))


class _Watched:
    """A formula that shows its operands and its result to the visitors."""

    def __init__(self, formula: str, function: Callable[..., Any], kernels: Kernels, wire: _Wire, owner: str):
        self.formula, self.function, self.kernels, self.wire = formula, function, kernels, wire
        self.owner = owner  # names the call when no module runs: a head that copies mixes after its forward
        self.parameters, self.roles = parameters_of(formula), ROLES.get(formula)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        wire, frame = self.wire, self.wire.stack[-1]
        number, module = frame.calls[self.formula], frame.path or self.owner
        if len(wire.stack) > 1:  # the model itself may be entered by `last` and `hidden` too, which begin no frame
            frame.calls[self.formula] += 1
        operands = {**dict(zip(self.parameters, args)), **kwargs}
        for parameter, role in self.roles.operands.items() if self.roles else ():
            if parameter in operands:  # a formula of your own may call them otherwise
                operands[parameter] = wire.visit(named_in(module, role, number), operands[parameter])
        args = tuple(operands[name] for name, _ in zip(self.parameters, args))
        kwargs = {name: operands[name] for name in kwargs}
        if self.formula in SOFTMAX_ATTENTION and any(visitor.opens(module) for visitor in wire.visitors):
            if not _is_ours(self.function):
                raise LensError(
                    f"the {self.formula} of {module} is a formula of your own, which nobody can open to change its scores "
                    "or its pattern; change q, k, v or z"
                )
            result = opened(self.formula, operands, partial(self._softmax, module, number))
        else:
            function = self.function
            for visitor in wire.visitors:
                function = visitor.instead(self.formula, module, function)
            result = function(*args, **kwargs)
        call = Call(self.formula, module, operands, result, number, self.kernels)
        values = tuple(wire.visit(name, value) for name, value in zip(call.names, call.results))
        if any(new is not old for new, old in zip(values, call.results)):
            result = (*values, *result[len(values) :]) if isinstance(result, tuple) else values[0]
            call = replace(call, result=result)
        for visitor in wire.visitors:
            visitor.called(replace(call, place=_asked()) if visitor.wants_places else call)
        return result

    def _softmax(self, module: str, number: int, scores: Tensor) -> Tensor:
        scores = self.wire.visit(named_in(module, "scores", number), scores)
        return self.wire.visit(named_in(module, "pattern", number), self.kernels.softmax(scores))


def opened(formula: str, operands: dict[str, Any], softmax: Callable[[Tensor], Tensor]) -> Tensor:
    """Softmax attention written out, with a softmax of the caller's: scores (B, H, T, S) -> weights (B, H, T, S)."""
    if formula == "attention":
        return attention.plain(**operands, softmax=softmax)
    plain = import_module(f"glassformer.kernels.{formula}").plain
    return plain(**operands, attention=partial(attention.plain, softmax=softmax))


def _installed(model: nn.Module) -> _Wire | None:
    """What an outer seam has put into the model."""
    kernels = getattr(model, "kernels", None)
    return getattr(kernels.linear, "wire", None) if isinstance(kernels, Kernels) else None


def _formula(value: Any, kernels: Kernels | None) -> str | None:
    """The name under which a namespace holds this very function."""
    if kernels is None or not callable(value) or isinstance(value, nn.Module):
        return None
    return next((name for name in FORMULAS if getattr(kernels, name) is value), None)


def _is_ours(function: Any) -> bool:
    """Whether a formula is one of kernels/, or composed of those."""
    return (getattr(getattr(function, "func", function), "__module__", None) or "").startswith("glassformer.kernels.")


def _first(output: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The output of a module with its first tensor changed."""
    if isinstance(output, tuple) and output and isinstance(output[0], Tensor):
        return change(output[0]), *output[1:]
    return change(output) if isinstance(output, Tensor) else output


def _write(old: Tensor, new: Tensor) -> None:
    """The stream is read in two places, so a new value is written where the old one stood."""
    if new is not old:
        old.copy_(new)


def _asked() -> tuple[str, int] | None:
    """The file and line of the package, outside of this file, that asked for a formula."""
    frame = inspect.currentframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return (frame.f_code.co_filename, frame.f_lineno) if frame else None

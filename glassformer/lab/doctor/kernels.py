"""Whether every formula computes what it should on this machine: both twins, forward and backward, beside `plain` in
float64 on the CPU.

    error = |result - expected| / max(|expected|, SMALL sqrt(n))       over all n numbers of a result, in each format

Formats differ in how many digits they have, so each has its own limit. A formula that is composed of a broken one is told
with the name of that one, which is the cause.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from glassformer.kernels import Kernels, inner, plain
from glassformer.lab.doctor.cases import Case, cases

LIMITS = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.05}
"""The largest error, by format."""
COARSE = 0.05
"""The same for formulas that compute in bf16 by themselves."""
SMALL = 0.01
"""Numbers that should be below this are compared with it: a sum of 0 is only 0 but for rounding."""
NAMES = {torch.float64: "fp64", torch.float32: "fp32", torch.bfloat16: "bf16"}


@dataclass(frozen=True)
class Fault:
    """A formula that computes something else than it should."""

    name: str
    twin: str
    """plain or fused."""
    where: str
    """Format, direction and shape."""
    what: str
    """The error, or what it raised."""
    because: str = ""
    """The broken formula that it is composed of."""


def names() -> list[str]:
    """Every formula."""
    return [field.name for field in fields(Kernels)]


def faults(name: str, twins: dict[str, Kernels], device: torch.device) -> Iterator[Fault]:
    """The first fault of each twin of a formula, if it has one. `twins` are namespaces by name."""
    reference = getattr(plain(), name)
    for twin, maths in twins.items():
        fault = next(_faults(name, twin, getattr(maths, name), reference, device), None)
        if fault is not None:
            yield fault


def with_causes(found: list[Fault]) -> list[Fault]:
    """The same, each with the broken formula that it is composed of, if there is one."""
    broken = {(fault.name, fault.twin) for fault in found}

    def cause(name: str, twin: str) -> str:
        for part in inner(name):
            if (part, twin) in broken:
                return cause(part, twin) or part
        return ""

    return [Fault(f.name, f.twin, f.where, f.what, cause(f.name, f.twin)) for f in found]


def _faults(name: str, twin: str, formula: Callable, reference: Callable, device: torch.device) -> Iterator[Fault]:
    for case in cases(name):
        tensors = [t.bfloat16().double() for t in case.tensors]  # the same numbers in every format
        expected = _run(case, reference, tensors, torch.float64, torch.device("cpu"))
        for dtype, limit in LIMITS.items():
            if (dtype == torch.bfloat16 and not case.narrow) or (dtype == torch.float64 and device.type == "mps"):
                continue
            where = f"in {NAMES[dtype]} at {case.shape}" + ("" if device.type == "cpu" else f" on {device.type}")
            try:
                found = _run(case, formula, tensors, dtype, device)
            except Exception as error:
                yield Fault(
                    name, twin, where, f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
                )
                continue
            for direction, got, wanted in zip(("forward", "backward"), found, expected):
                error = max((_error(g, w) for g, w in zip(got, wanted, strict=True)), default=0.0)
                if not error <= (max(limit, COARSE) if case.coarse else limit):
                    yield Fault(
                        name, twin, f"{direction} {where}", f"off by {error:.2g}, at most {limit:.0e} is rounding"
                    )


def _run(
    case: Case, formula: Callable, tensors: list[Tensor], dtype: torch.dtype, device: torch.device
) -> tuple[Any, Any]:
    """(values, gradients of their sum weighted by fixed numbers), in float64 on the CPU."""
    leaves = [t.to(device, dtype, copy=True) for t in tensors]
    if case.differentiable:
        leaves = [t.requires_grad_() for t in leaves]
    out = case.call(formula, *leaves)
    values = list(out) if isinstance(out, tuple) else [out]
    gradients: list[Tensor] = []
    if case.differentiable:
        draws = torch.Generator().manual_seed(0)
        weights = [torch.randn(v.shape, generator=draws, dtype=torch.float64) for v in values]
        total = sum((v.double() * w.to(device)).sum() for v, w in zip(values, weights))
        assert isinstance(total, Tensor)
        gradients = list(torch.autograd.grad(total, leaves))
    values, gradients = ([t.detach().double().cpu() for t in some] for some in (values, gradients))
    return values, gradients


def _error(found: Tensor, expected: Tensor) -> float:
    if found.shape != expected.shape:
        return float("inf")
    return ((found - expected).norm() / max(expected.norm().item(), SMALL * expected.numel() ** 0.5, 1e-9)).item()

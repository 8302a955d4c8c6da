"""Machines by name: how fast they multiply, how fast they move bytes, and how much memory they have.

Rates are what the makers state for dense matrices: fp32 without TF32, which is PyTorch's default, and 16 bits with sums
in fp32. No program reaches them; `plan/clock.py` says what share is reached. The rows "laptop-..." are typical laptops
and the Apple rows are reported values; take both as right within a factor of two.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from glassformer.config import suggestion
from glassformer.errors import SettingError
from glassformer.system.machine import machine_facts

GB = 10**9


@dataclass(frozen=True)
class Hardware:
    """One device: a GPU, or the CPU with its memory."""

    name: str
    kind: Literal["cpu", "cuda", "mps"]
    fp32: float
    """Floating-point operations per second in fp32 matrix products."""
    narrow: float
    """The same in its 16-bit format."""
    bandwidth: float
    """Bytes per second between memory and chip."""
    memory: float
    """Bytes of memory."""
    new_pages: float
    """Bytes per second at which the operating system provides memory pages that are new to the program."""
    link: float
    """Bytes per second between two devices of one machine, in one direction."""
    precision: str
    """What `train.precision=auto` chooses on this device."""
    measured: bool = False
    """Whether these numbers were measured a moment ago, rather than taken from the table."""


def _gpu(name: str, fp32: float, narrow: float, bandwidth: float, memory: float, link: float, precision: str = "bf16"):
    return Hardware(name, "cuda", fp32 * 1e12, narrow * 1e12, bandwidth * GB, memory * GB, 1e15, link * GB, precision)


def _apple(name: str, fp32: float, bandwidth: float, memory: float) -> Hardware:
    return Hardware(name, "mps", fp32 * 1e12, fp32 * 1e12, bandwidth * GB, memory * GB, 5 * GB, 1 * GB, "fp32")


def _cpu(name: str, fp32: float, bandwidth: float, memory: float) -> Hardware:
    return Hardware(name, "cpu", fp32 * 1e12, fp32 * 1e12, bandwidth * GB, memory * GB, 5 * GB, 1 * GB, "fp32")


TABLE = [
    # TFLOP/s fp32 and 16 bits, GB/s, GB, GB/s between devices (one direction)
    _cpu("laptop-2core", 0.15, 20, 8), _cpu("laptop-4core", 0.32, 40, 16), _cpu("laptop-8core", 0.70, 60, 16),
    _apple("m1", 2.6, 68, 8), _apple("m2", 3.6, 100, 16), _apple("m3", 4.1, 100, 16), _apple("m4", 4.3, 120, 16),
    _apple("m4-max", 18.4, 546, 64),
    _gpu("t4", 8.1, 65, 320, 16, 12, "fp16"), _gpu("l4", 30.3, 121, 300, 24, 25),
    _gpu("rtx3090", 35.6, 71, 936, 24, 25), _gpu("rtx4090", 82.6, 165, 1008, 24, 25),
    _gpu("rtx5090", 104.8, 209, 1792, 32, 50),
    _gpu("a100-40", 19.5, 312, 1555, 40, 300), _gpu("a100-80", 19.5, 312, 2039, 80, 300),
    _gpu("h100", 67, 989, 3350, 80, 450), _gpu("h200", 67, 989, 4800, 141, 450),
]  # fmt: skip


def names() -> list[str]:
    """Every name that `--hardware` accepts."""
    return ["this", *(row.name for row in TABLE)]


def named(name: str) -> Hardware:
    """The machine called `name`; "this" is measured now. Raises SettingError, with a suggestion."""
    if name == "this":
        return this()
    for row in TABLE:
        if row.name == name.lower():
            return row
    close = suggestion(name.lower(), names())
    raise SettingError(f"--hardware={name}: there is no such machine; {close}")


def this() -> Hardware:
    """This machine (its GPU if torch sees one, else its CPU), measured by one product and one copy in under a
    second."""
    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    n = 4096 if cuda else 1024
    narrow = torch.bfloat16 if not cuda or torch.cuda.is_bf16_supported() else torch.float16
    rates = {}
    for dtype in (torch.float32, narrow):
        a = torch.ones(n, n, device=device, dtype=dtype)
        rates[dtype] = 2 * n**3 / fastest(lambda a=a: a @ a, device)
    source = torch.ones(2**24, device=device)
    target = torch.empty_like(source)
    bandwidth = 2 * source.nbytes / fastest(lambda: target.copy_(source), device)
    new = fastest(lambda: torch.empty_like(source).copy_(source), device) - 2 * source.nbytes / bandwidth
    memory = torch.cuda.get_device_properties(device).total_memory if cuda else machine_facts()["memory_gb"] * 2**30
    found = "fp16" if narrow == torch.float16 else "bf16"
    precision = found if cuda or rates[narrow] > rates[torch.float32] else "fp32"
    return Hardware(
        "this", "cuda" if cuda else "cpu", rates[torch.float32], rates[narrow], bandwidth, memory,
        1e15 if cuda else source.nbytes / max(new, 1e-6), 12 * GB, precision, measured=True,
    )  # fmt: skip


def fastest(run: Callable[[], object], device: torch.device, seconds: float = 0.15, most: int = 20) -> float:
    """Seconds of the fastest of a few calls, after one warm-up call."""
    times, end = [], time.perf_counter() + seconds
    run()
    while len(times) < 2 or (len(times) < most and time.perf_counter() < end):
        _finish(device)
        start = time.perf_counter()
        run()
        _finish(device)
        times.append(time.perf_counter() - start)
    return min(times)


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()

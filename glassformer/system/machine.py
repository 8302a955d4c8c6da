"""What this machine is: the facts that a run records, so that its speed can be judged. Uses the standard library
only."""

import contextlib
import ctypes
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from glassformer.system.threads import cores

CONTROL_GROUPS = Path("/sys/fs/cgroup")


def machine_facts() -> dict[str, Any]:
    """{"cpu": name, "cores": usable ones, "memory_gb": GiB, "os": name, "gpu": names with memory, or None}."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "memory_gb": round(_memory() / 2**30, 1),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "gpu": _output("nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader").replace("\n", "; ")
        or None,
    }


def peak_memory() -> int | None:
    """The most bytes of memory that this process has had; None on Windows.

    On Linux it is not taken from ru_maxrss, which begins with the peak of the parent process.
    """
    if (peak := _status("VmHWM")) is not None:
        return peak
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def resident_memory() -> int:
    """Bytes of main memory that this process has now; on systems that do not say, the most it has had (0 on Windows)."""
    return _status("VmRSS") or peak_memory() or 0


def forget_peak_memory() -> None:
    """Let `peak_memory` begin anew from what is in use now. Only Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")


def available_memory() -> int:
    """Bytes that this process can still take: of the machine, or of its control group if that has less. Half of the whole
    memory where the system does not say."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return _memory() // 2
    lines = meminfo.read_text(encoding="utf-8").splitlines()
    free = next((1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable")), _memory() // 2)
    return max(0, min([free, *(limit - used for limit, used in _control_groups())]))


def _control_groups() -> Iterator[tuple[int, int]]:
    """(limit, in use) in bytes of each control group with a limit, as containers have them: version 2, then version 1."""
    for limit, used in (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes")):
        with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
            yield _number(CONTROL_GROUPS / limit), _number(CONTROL_GROUPS / used)


def _number(path: Path) -> int:
    return int(path.read_text(encoding="utf-8"))


def _status(key: str) -> int | None:
    """Bytes, from this process's status on Linux; None elsewhere."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    lines = status.read_text(encoding="utf-8").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(key))


def git_commit() -> str | None:
    try:
        root = Path(__file__).parent
        return (
            subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, timeout=5
            ).stdout.strip()
            or None
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return _output("sysctl", "-n", "machdep.cpu.brand_string") or platform.processor() or platform.machine()


def _memory() -> int:
    """Bytes of main memory, 0 where the system does not say."""
    if hasattr(os, "sysconf"):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    status = (ctypes.c_ulonglong * 8)()  # Windows' MEMORYSTATUSEX: two 32-bit fields, then 64-bit counts, total first
    ctypes.cast(status, ctypes.POINTER(ctypes.c_ulong))[0] = ctypes.sizeof(status)
    return status[1] if ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)) else 0  # type: ignore


def _output(*command: str) -> str:
    """What a command prints, "" where it does not exist, fails or takes over five seconds."""
    try:
        done = subprocess.run(command, check=True, capture_output=True, text=True, errors="replace", timeout=5)
        return done.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""

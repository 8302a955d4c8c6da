"""What this machine is: the facts that a run records, so that its speed can be judged. Uses the standard library
only."""

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from glassformer.system.threads import cores


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
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


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

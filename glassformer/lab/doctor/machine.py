"""What this machine has and does: number formats and their speed, cores and who else uses them, memory, disk, GPU."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from glassformer.lab.doctor import Check
from glassformer.lab.plan.hardware import fastest
from glassformer.system import cache_folder
from glassformer.system.machine import available_memory, machine_facts
from glassformer.system.threads import cores

SIDE = 1024
"""Rows and columns of the products that are timed."""
MIB = 1 << 20
WRITTEN = 64 * MIB
FEW_BYTES, SLOW_DISK = 2 << 30, 20 * MIB
"""Free space and bytes a second below which there is a note."""
SHARED = 0.7
"""Share of the cores' time from which on down somebody else has the rest."""


def checks(folder: Path) -> Iterator[Check]:
    """Every answer; runs lie below `folder`."""
    facts = machine_facts()
    yield Check("processor", "good", f"{facts['cpu']}, {facts['cores']} cores for this process; {_instructions()}")
    yield from _formats()
    yield _threads()
    yield _sharing()
    yield _compiled()
    yield _memory(facts["memory_gb"])
    yield from _disk(folder)
    yield _gpu(facts["gpu"])


def devices() -> list[torch.device]:
    """Where kernels are checked: the CPU, and a CUDA GPU if there is one."""
    return [torch.device("cpu"), *([torch.device("cuda")] if torch.cuda.is_available() else [])]


def _instructions() -> str:
    """What of the processor's wide instructions there is, in words."""
    info = Path("/proc/cpuinfo")
    flags = set(info.read_text(encoding="utf-8", errors="replace").split()) if info.exists() else set()
    known = {"amx_bf16": "AMX", "avx512_bf16": "AVX-512 bf16", "avx512f": "AVX-512", "avx2": "AVX2"}
    found = [name for flag, name in known.items() if flag in flags]
    return f"PyTorch uses {torch.backends.cpu.get_cpu_capability()}" + (
        f", the chip has {', '.join(found)}" if found else ""
    )


def _formats() -> Iterator[Check]:
    cpu, rates = torch.device("cpu"), {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        a = torch.ones(SIDE, SIDE, dtype=dtype)
        rates[name] = 2 * SIDE**3 / fastest(lambda a=a: a @ a, cpu) / 1e9
    ratio = rates["bf16"] / rates["fp32"]
    said = f"products: fp32 {rates['fp32']:,.0f} GFLOP/s, bf16 {rates['bf16']:,.0f}"
    if ratio >= 1.1:
        yield Check(
            "formats",
            "good",
            f"{said}: bf16 is {ratio:.1f} times as fast, and train.precision=auto takes it where it helps",
        )
    else:
        yield Check(
            "formats", "note", f"{said}: this chip gains nothing by bf16", "train.precision=auto will take fp32"
        )


def _threads() -> Check:
    n, own = torch.get_num_threads(), cores()
    said = f"{n} of PyTorch on {own} cores"
    if n > own:
        return Check("threads", "note", said, f"threads wait for each other: set OMP_NUM_THREADS={own}")
    if n < own and own > 1:
        return Check("threads", "note", said, "the other cores are idle: OMP_NUM_THREADS is set, unset it to use all")
    return Check("threads", "good", said)


def _sharing() -> Check:
    """Whether this process gets the cores it may use: the processor's time in a second of products."""
    a, n = torch.ones(SIDE, SIDE), torch.get_num_threads()
    torch.mm(a, a)
    clock, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() - clock < 1.0:
        torch.mm(a, a)
    share = (time.process_time() - cpu) / (time.perf_counter() - clock) / min(n, cores())
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    if share < SHARED:
        what = f"this process got {share:.0%} of its cores' time{load}"
        return Check("other programs", "note", what, "training will be slower by as much: end what else computes")
    return Check("other programs", "good", f"this process gets {min(share, 1):.0%} of its cores' time{load}")


def _compiled() -> Check:
    try:
        folder = cache_folder.folder()
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        what = f"{cache_folder.folder()} cannot be written ({error.strerror})"
        return Check(
            "compiled kernels", "note", what, "fast code is compiled anew in every process: set XDG_CACHE_HOME"
        )
    return Check("compiled kernels", "good", f"kept in {folder}")


def _memory(total: float) -> Check:
    free = available_memory() / 2**30
    said = f"{free:.1f} of {total:.1f} GiB free"
    return Check("memory", "note", said, "train.memory_gb=auto divides batches until they fit") if free < 2 else Check(
        "memory", "good", said)  # fmt: skip


def _disk(folder: Path) -> Iterator[Check]:
    folder = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(folder).free
    if free < FEW_BYTES:
        yield Check(
            "disk",
            "note",
            f"{free / 2**30:.1f} GiB free in {folder}",
            "make room: a checkpoint takes 12 bytes a parameter",
        )
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            block, start = os.urandom(MIB), time.perf_counter()
            for _ in range(WRITTEN // MIB if free > 4 * WRITTEN else 1):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())
            speed = file.tell() / (time.perf_counter() - start)
    except OSError as error:
        yield Check(
            "disk",
            "broken",
            f"{folder} cannot be written ({error.strerror})",
            "runs are kept there: go to another folder",
        )
        return
    said = f"{free / 2**30:,.0f} GiB free in {folder}, written at {speed / 1e6:,.0f} MB/s"
    yield Check("disk", "note", said, "checkpoints will take long: a larger train.checkpoint_every saves time") if (
        speed < SLOW_DISK) else Check("disk", "good", said)  # fmt: skip


def _gpu(named: str | None) -> Check:
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        formats = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
        return Check(
            "GPU", "good", f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, trains in {formats}"
        )
    if named:
        what = f"the system has {named}, and this PyTorch ({torch.__version__}) cannot use it"
        return Check("GPU", "note", what, "install PyTorch for CUDA (pytorch.org), or update the driver")
    return Check("GPU", "good", "none; training uses the processor")

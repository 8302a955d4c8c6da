"""`glass doctor` on a terminal: what is good, what should be known, and what is broken, with what to do."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from glassformer.kernels import Kernels, fused, plain
from glassformer.lab.doctor import Check, machine, training
from glassformer.lab.doctor.kernels import Fault, faults, names, with_causes

WORDS = {"good": "[green]good[/]  ", "note": "[yellow]note[/]  ", "broken": "[red]broken[/]"}


def examine(console: Console, maths: Kernels | None = None, folder: Path = Path("runs")) -> bool:
    """Ask everything about this machine, with `maths` in place of the fused kernels; says whether nothing is broken."""
    twins = {"plain": plain(), "fused": maths or fused()}
    console.print("[bold]Kernels[/]  every formula, plain and fused, forward and backward, beside float64")
    found = [fault for device in machine.devices() for fault in _faults(console, twins, device)]
    for fault in with_causes(found):
        _fault(console, fault)
    n_broken = len({fault.name for fault in found})
    if not found:
        console.print(f"  {WORDS['good']} all {len(names())} formulas")
    broken = [bool(found)]
    console.print("[bold]Training[/]  whole small models")
    broken += [
        _check(console, check) for device in machine.devices() for check in training.checks(twins["fused"], device)
    ]
    console.print("[bold]Machine[/]")
    broken += [_check(console, check) for check in machine.checks(folder)]
    if any(broken):
        what = f"{n_broken} of {len(names())} formulas are broken" if found else "Something is broken"
        console.print(f"{what}: see above for what to do.", soft_wrap=True)
        return False
    console.print("Everything works.")
    return True


def _faults(console: Console, twins: dict[str, Kernels], device: Any) -> list[Fault]:
    found: list[Fault] = []
    with console.status("") as status:
        for number, name in enumerate(names(), 1):
            status.update(f"{number} of {len(names())}: {name}")
            found += faults(name, twins, device)
    return found


def _fault(console: Console, fault: Fault) -> None:
    console.print(
        f"  {WORDS['broken']} {fault.name}, {fault.twin}: {escape(fault.where)}, {escape(fault.what)}", soft_wrap=True
    )
    if fault.because:
        remedy = f"it is composed of {fault.because}, which is broken"
    elif fault.twin == "fused":
        remedy = f"train.plain_kernels={fault.name} takes its plain twin; another version of PyTorch or numba may mend it"
    else:
        remedy = "PyTorch itself computes wrongly here: install another version, and report this"
    console.print(f"           {remedy}", highlight=False, soft_wrap=True)


def _check(console: Console, check: Check) -> bool:
    """Print an answer; says whether it is a fault."""
    console.print(f"  {WORDS[check.state]} {check.name}: {escape(check.said)}", highlight=False, soft_wrap=True)
    if check.remedy:
        console.print(f"           {escape(check.remedy)}", highlight=False, soft_wrap=True)
    return check.state == "broken"

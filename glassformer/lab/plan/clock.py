"""How long operators take: the roofline (Williams, Waterman and Patterson, 2009).

    seconds = max(FLOPs / (peak * share), bytes / (bandwidth * share)) + new pages / rate + overhead

Three numbers of a machine and three of ours. Products are bound by the first term, norms, activations, casts and the
optimizer by the second, the operators of tiny models by the last. Timing every operator at its own shapes instead was
tried: 20 to 45 % too quick, since it finds in its cache what a whole step has to fetch (LOG.md).
"""

from collections import Counter

from glassformer.lab.plan.hardware import Hardware
from glassformer.lab.plan.operator import ATTENTION, Operator

PRODUCTS = {"cpu": 0.75, "cuda": 0.6, "mps": 0.5}
"""The share of the peak that products reach. CPU: measured here (bench/plan.py), as a share of a large product's speed;
the others: as the field reports for eager PyTorch, not measured by us."""
BYTES = {"cpu": 0.6, "cuda": 0.75, "mps": 0.6}
"""The share of the bandwidth that everything else reaches; likewise."""
OVERHEAD = {"cpu": 6e-6, "cuda": 6e-6, "mps": 20e-6}
"""Seconds from one operator to the next: Python, autograd, dispatch; a GPU's is hidden behind a longer kernel."""
NEW_PAGES = 2.2
"""How much faster new pages come than a copy into them lets one think: what is written to them stays in the cache."""
VIEW = 2e-6
"""Seconds of an operator that only looks at the same numbers in another shape, on a CPU."""


def seconds(op: Operator, hardware: Hardware) -> float:
    """One operator."""
    kind = hardware.kind
    if op.bytes == 0 and op.flops == 0:
        return VIEW if kind == "cpu" else 0.0
    slow = op.width >= 4 or (kind == "cpu" and op.name in ATTENTION)  # its bf16 takes as long as its fp32, measured
    peak = hardware.fp32 if slow else hardware.narrow
    kernel = max(op.flops / (peak * PRODUCTS[kind]), op.bytes / (hardware.bandwidth * BYTES[kind]))
    return (
        kernel + op.fresh / (hardware.new_pages * NEW_PAGES) + OVERHEAD[kind]
        if kind == "cpu"
        else max(kernel, OVERHEAD[kind])
    )


def total(operators: Counter[Operator], hardware: Hardware) -> float:
    """Seconds of all of them, one after another."""
    return sum(seconds(op, hardware) * count for op, count in operators.items())

"""How long operators take, by the roofline model (Williams, Waterman and Patterson, 2009).

    seconds = max(FLOPs / (peak * share), bytes / (bandwidth * share)) + new pages / rate + overhead

Peak, bandwidth and rate belong to the machine; the two shares and the overhead are constants of this file. Matrix
products are limited by the first term, norms, activations, casts and the optimizer by the second, and the operators of
tiny models by the overhead. Timing each operator alone at its own shapes was tried as well. It predicts 20 to 45 % too
little time, since an operator that runs alone finds its operands in the cache, where a whole step has to fetch them
from memory (LOG.md).
"""

from collections import Counter

from glassformer.lab.plan.hardware import Hardware
from glassformer.lab.plan.operator import ATTENTION, Operator

PRODUCTS = {"cpu": 0.75, "cuda": 0.6, "mps": 0.5}
"""The share of the peak that matrix products reach. For a CPU we measured it (bench/plan.py), as a share of a large
product's speed; the others are commonly reported for eager PyTorch and were not measured by us."""
BYTES = {"cpu": 0.6, "cuda": 0.75, "mps": 0.6}
"""The share of the bandwidth that all other operators reach; known in the same way."""
OVERHEAD = {"cpu": 6e-6, "cuda": 6e-6, "mps": 20e-6}
"""Seconds that Python, autograd and dispatch take for each operator. A GPU works meanwhile, so there only kernels that
are shorter than this wait."""
NEW_PAGES = 2.2
"""How much faster new memory pages come than a timed copy into new pages suggests, since what an operator writes to
them stays in the cache."""
VIEW = 2e-6
"""Seconds that a view takes on a CPU: an operator that only gives the same numbers another shape."""


def seconds(op: Operator, hardware: Hardware) -> float:
    """The time of one operator."""
    kind = hardware.kind
    if op.bytes == 0 and op.flops == 0:
        return VIEW if kind == "cpu" else 0.0
    slow = op.width >= 4 or (kind == "cpu" and op.name in ATTENTION)  # measured: in bf16 it takes as long as in fp32
    peak = hardware.fp32 if slow else hardware.narrow
    kernel = max(op.flops / (peak * PRODUCTS[kind]), op.bytes / (hardware.bandwidth * BYTES[kind]))
    return (
        kernel + op.fresh / (hardware.new_pages * NEW_PAGES) + OVERHEAD[kind]
        if kind == "cpu"
        else max(kernel, OVERHEAD[kind])
    )


def total(operators: Counter[Operator], hardware: Hardware) -> float:
    """The time of all operators, one after another."""
    return sum(seconds(op, hardware) * count for op, count in operators.items())

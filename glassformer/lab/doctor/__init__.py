"""Is this machine fit for training? What `glass doctor` asks, in under a minute.

    kernels    every formula, both twins, forward and backward, beside float64 on the CPU (`cases` has the inputs)
    training   whole small models: a step with every optimizer, decoding with a cache, drawing tokens
    machine    number formats and their speed, threads, other programs, memory, disk, GPU

A formula that is broken is named, with the setting that does without it (`train.plain_kernels`).
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """One answer."""

    name: str
    state: Literal["good", "note", "broken"]
    """note: it works, and something should be known."""
    said: str
    remedy: str = ""

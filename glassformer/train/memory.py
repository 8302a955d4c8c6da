"""How much memory training has needed so far."""

import torch

from glassformer.system.machine import peak_memory


def peak_memory_gb(device: torch.device) -> float | None:
    """GiB at the peak: of the GPU when training on one, else of the process; None where the system does not say."""
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
    return None if peak is None else peak / 2**30

"""How much memory a training has needed so far."""

import torch

from glassformer.system.machine import peak_memory


def peak_memory_gb(device: torch.device) -> float | None:
    """The most GiB used so far: of the GPU if training runs on one, else of the process; None if the system cannot say."""
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
    return None if peak is None else peak / 2**30

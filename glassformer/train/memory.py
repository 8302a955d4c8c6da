"""How much memory the process has needed so far."""

import sys

import torch


def peak_memory_gb(device: torch.device) -> float | None:
    """GiB at the peak: of the GPU when training on one, else of the process; None where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**30
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20

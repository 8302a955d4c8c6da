"""How much memory a training has needed so far, and what running out of it looks like."""

import torch

from glassformer.system.machine import peak_memory


def peak_memory_gb(device: torch.device) -> float | None:
    """The most GiB used so far: of the GPU if training runs on one, else of the process; None if the system cannot say."""
    peak = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_memory()
    return None if peak is None else peak / 2**30


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on a GPU or for the process."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)

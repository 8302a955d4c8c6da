"""Whether the compiled loops of `_rows_cpu.py` may take the place of PyTorch's operators. Importing this does not import
numba."""

import torch
from torch import Tensor
from torch.nn import Parameter

ENOUGH = 1 << 17
"""Numbers from which on a compiled loop is worth its call: a guess."""


def serves(*tensors: Tensor, dtypes: tuple[torch.dtype, ...] = (torch.bfloat16,)) -> bool:
    """Whether all tensors are on a CPU and of one of these dtypes, and the first has enough numbers. While torch.compile
    traces a model it makes loops of its own, and a tensor of another class (as `plan` traces with) holds no numbers."""
    return (
        tensors[0].numel() >= ENOUGH
        and all(t.device.type == "cpu" and t.dtype in dtypes and type(t) in (Tensor, Parameter) for t in tensors)
        and not torch.compiler.is_compiling()
    )

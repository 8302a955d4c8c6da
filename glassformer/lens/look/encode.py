"""Numbers in a page: the bytes of a tensor in base64, so that what is read back is the tensor and not its print."""

import base64
from typing import Any

import torch
from torch import Tensor

FORMATS = {torch.float32: "f32", torch.float16: "f16", torch.int32: "i32"}


def encoded(tensor: Tensor, exact: bool = True) -> dict[str, Any]:
    """{"type", "shape", "data"}: float32, or float16 if it need not be exact, and int32 for whole numbers; little-endian.

    >>> encoded(torch.tensor([1.0, -2.0]))
    {'type': 'f32', 'shape': [2], 'data': 'AACAPwAAAMA='}
    """
    dtype = torch.int32 if not tensor.is_floating_point() else torch.float32 if exact else torch.float16
    array = tensor.detach().to("cpu", dtype).contiguous().numpy()
    data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    return {"type": FORMATS[dtype], "shape": list(tensor.shape), "data": base64.b64encode(data).decode()}


def triangle(weights: Tensor) -> Tensor:
    """weights (H, T, T) -> (H, T (T + 1) / 2): row after row without the places that a token never reads."""
    rows, columns = torch.tril_indices(weights.shape[-1], weights.shape[-1])
    return weights[:, rows, columns]

"""Precision: sums, normalisers and states are computed in more digits than the numbers that a formula is given."""

import contextlib

import torch
from torch import Tensor


def wide(t: Tensor) -> Tensor:
    """The same numbers in float32; float64 stays float64."""
    return t if t.dtype == torch.float64 else t.float()


def full_precision(device: torch.device) -> contextlib.AbstractContextManager:
    """A block in which autocast narrows nothing on this device (the "meta" device has no autocast)."""
    known = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if known else contextlib.nullcontext()

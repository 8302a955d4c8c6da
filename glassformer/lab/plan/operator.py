"""An operator as the recorder of `trace` saw it: its FLOPs and its bytes. Two operators that cost the same are
equal."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

MAPPED = 32 << 20
"""Blocks of this size or more get memory pages of their own, which return to the system when freed (glibc,
mallopt(3))."""
GATHERS = ("embedding", "index", "gather", "index_select", "nll_loss_forward")
"""Operators that read only as much of their first tensor as they write."""
ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": 2,
    "_scaled_dot_product_flash_attention_for_cpu_backward": 4,
}
"""How many matrix products of size B H T S D these CPU kernels make, which torch does not count. Products that backward
computes a second time are left out, as is usual for a model's FLOPs."""


class Operator(NamedTuple):
    """A call below autograd. A view has no FLOPs and no bytes."""

    name: str
    flops: int
    """FLOPs of matrix products; 0 for all other operators."""
    bytes: int
    """Bytes read and written."""
    fresh: int
    """Those bytes that are written to new memory pages, which the system must provide first."""
    width: int
    """Bytes of one number."""


def operator(func: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Operator:
    """The operator of the call `func(*args, **kwargs)`, which returned `out`."""
    name, schema = func.overloadpacket.__name__, func._schema
    given = list(_tensors((args, kwargs)))
    width = next((t.dtype.itemsize for t in given if t.dtype.is_floating_point), 4)
    aliases = [returned.alias_info for returned in schema.returns]
    if any(alias is not None and not alias.is_write for alias in aliases):
        return Operator(name, 0, 0, 0, width)
    changed = [
        argument for argument, meant in zip(args, schema.arguments)
        if meant.alias_info is not None and meant.alias_info.is_write
    ]  # fmt: skip
    made = [] if any(aliases) else [_nbytes(t) for t in _tensors(out)]
    read = sum(map(_nbytes, given[1:] if name in GATHERS else given))
    read += sum(made) if name in GATHERS else 0
    written = sum(made) + sum(map(_nbytes, _tensors(changed)))
    flops = _flops(func, args, kwargs, out, given)
    return Operator(name, flops, read + written, sum(size for size in made if size >= MAPPED), width)


def _flops(func: Any, args: Any, kwargs: dict[str, Any], out: Any, given: list[Tensor]) -> int:
    products = ATTENTION.get(func.overloadpacket.__name__)
    if products is not None:
        q, k = given[products // 3], given[products // 3 + 1]  # backward takes the gradient first
        return 2 * products * math.prod(q.shape) * k.shape[2]
    counted = flop_registry.get(func.overloadpacket)
    return int(counted(*args, **kwargs, out_val=out)) if counted else 0


def _tensors(values: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, torch.Tensor))


def _nbytes(tensor: Tensor) -> int:
    """Bytes of the tensor's numbers; a broadcast dimension (stride 0) counts as one."""
    return math.prod(n for n, stride in zip(tensor.shape, tensor.stride()) if stride) * tensor.dtype.itemsize

"""An operator as a recorder saw it: how many multiplications and bytes it takes. Two that cost the same are equal."""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

MAPPED = 32 << 20
"""Blocks of this size have pages of their own, which go back to the system when they are freed (glibc, mallopt(3))."""
GATHERS = ("embedding", "index", "gather", "index_select", "nll_loss_forward")
"""Operators that read of their first tensor only as much as they write."""
ATTENTION = {
    "_scaled_dot_product_flash_attention_for_cpu": 2,
    "_scaled_dot_product_flash_attention_for_cpu_backward": 4,
}
"""Products of B H T S D in CPU kernels that torch does not count. What backward computes anew is not counted: the field
does not call it the model's work."""


class Operator(NamedTuple):
    """A call below autograd. A view has no FLOPs and no bytes."""

    name: str
    flops: int
    """Of matrix products; 0 for everything else."""
    bytes: int
    """Read and written."""
    fresh: int
    """Of these, bytes written to pages that the system must find first."""
    width: int
    """Bytes of one number."""


def operator(func: Any, args: Any, kwargs: dict[str, Any], out: Any) -> Operator:
    """What `func(*args, **kwargs)`, which gave `out`, is."""
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
    """Bytes of its numbers; a broadcast dimension (stride 0) is one."""
    return math.prod(n for n, stride in zip(tensor.shape, tensor.stride()) if stride) * tensor.dtype.itemsize

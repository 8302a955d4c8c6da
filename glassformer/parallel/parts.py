"""How a divided module computes: it sees the local part of each parameter as a plain tensor, so our kernels run as they
are.

Each class here stands in the place of the `forward` of one module (parallel/tensor.py).
"""

from collections.abc import Callable
from typing import Any

from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from glassformer.kernels.linear_cross_entropy import Across
from glassformer.parallel.collectives import entered, scattered, summed, whole


class Part:
    """The forward pass of a leaf that sees the local part of each of its parameters, as a plain tensor."""

    def __init__(self, leaf: nn.Module, group: distributed.ProcessGroup, sums: bool = False):
        self.leaf, self.group, self.sums = leaf, group, sums

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.run(self.local(), *args, **kwargs)

    def local(self) -> dict[str, Tensor | None]:
        """The local parts; `sums`: their gradients are summed over the group."""
        parts = {name: p.to_local() if isinstance(p, DTensor) else p for name, p in self.leaf._parameters.items()}
        if self.sums:
            parts = {name: p if p is None else entered(p, self.group) for name, p in parts.items()}
        return parts

    def run(self, parts: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The leaf's own forward pass with these in place of its parameters."""
        held = self.leaf._parameters
        self.leaf._parameters = parts
        try:
            return type(self.leaf).forward(self.leaf, *args, **kwargs)
        finally:
            self.leaf._parameters = held


class Row(Part):
    """A projection of which each process has some inputs: the outputs are summed, and the bias is added once."""

    def __init__(self, leaf: nn.Module, group: distributed.ProcessGroup, splits: Callable[[], bool]):
        super().__init__(leaf, group)
        self.splits = splits

    def __call__(self, x: Tensor) -> Tensor:
        """x (..., n_in / n) -> (..., n_out); with divided tokens (B, T, n_in / n) -> (B, T / n, n_out)."""
        parts, splits = self.local(), self.splits()
        y = self.run({**parts, "bias": None}, x)
        y = scattered(y, 1, self.group) if splits else summed(y, self.group)
        bias = parts.get("bias")
        if bias is None:
            return y
        return y + (entered(bias, self.group) if splits else bias).to(y.dtype)


class Logits:
    """The forward pass of a head: each process computes the scores of some ids, and all of them get the scores of all."""

    def __init__(self, head: nn.Module, vocabulary: Across, n_ids: int, group: distributed.ProcessGroup):
        self.head, self.vocabulary, self.n_ids, self.group = head, vocabulary, n_ids, group

    def __call__(self, x: Tensor, embedding: DTensor) -> Tensor:
        """x (..., C), embedding (V, C) -> (..., V)."""
        z = type(self.head).forward(self.head, entered(x, self.group), embedding.to_local())
        z = nn.functional.pad(z, (0, self.vocabulary.widest - z.shape[-1]))
        return whole(z, -1, self.group)[..., : self.n_ids]


class OwnHeads:
    """The bias of a position scheme for the heads of this process."""

    def __init__(self, scheme: Any, n_head: int, mesh: DeviceMesh):
        self.scheme, self.each, self.first = scheme, n_head // mesh.size(), mesh.get_local_rank() * n_head // mesh.size()

    def __call__(self, q_index: Tensor, k_index: Tensor) -> Tensor | None:
        """See Scheme.bias."""
        bias = type(self.scheme).bias(self.scheme, q_index, k_index)
        return None if bias is None else bias.narrow(-3, self.first, self.each)

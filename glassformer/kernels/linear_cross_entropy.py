"""The cross-entropy of a linear head, without ever holding the logits of all tokens.

    z_n = W x_n                              (V,)      with a soft-cap, cap tanh(z_n / cap); -inf for absent ids
    loss_n = log sum_v exp(z_nv) - z_n[y_n]
    dloss_n / dz_n = softmax(z_n) - onehot(y_n),  dx_n = W^T dz_n,  dW = sum_n dz_n x_n^T

The logits are the largest tensor of a training step: 4,096 tokens and 50,257 ids are 0.8 GB in float32, and autograd keeps
them several times. `fused` goes through the tokens in chunks and computes the gradients of a chunk while its logits are
there, as Liger Kernel does (Hsu et al., 2024). So each logit is computed once, and stays in the cache if V is small.

The gradients computed in the forward pass are those of the sum of all losses. Autograd says later what each loss counts
for. If they all count alike, as in a mean over tokens, the gradients are multiplied by one number. If not (a weight for
every token, or a second backward pass), the chunks are gone through again. torch.compile takes the formula whole.

With the vocabulary divided among processes (parallel/tensor.py) each of them has some rows of W. Three numbers of every
token are then taken over all parts (`Across`): the largest logit, the sum of the exponentials, and the logit of the
target.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from glassformer.kernels import cross_entropy, linear, softcap
from glassformer.kernels.cross_entropy import IGNORED
from glassformer.kernels.precision import full_precision, wide

ROWS = {"cpu": 512, "cuda": 2048}
"""Tokens in a chunk. Measured on a CPU (LOG.md): with fewer, adding up dW takes longer; more bring little and take memory.
The other number is a guess."""
HELD = {"cpu": 1 << 22, "cuda": 1 << 28}
"""Numbers of a chunk that are worked on at once: as many as stay in the cache of a CPU."""


@dataclass(frozen=True)
class Across:
    """The place of these rows of W in the whole vocabulary, and how a number is taken over all parts of it."""

    first: int
    """The id of the first row."""
    widest: int
    """The rows of the largest part: all processes go through the tokens in chunks of the same size."""
    most: Callable[[Tensor], Tensor]
    """The largest of every element over all parts."""
    sum: Callable[[Tensor], Tensor]
    """The sum of every element over all parts; its gradient passes as it is."""

    def mine(self, targets: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """targets (...) -> the row of each here (0 if it is in another part), and whether it is here."""
        row = targets - self.first
        here = (row >= 0) & (row < rows)
        return row.where(here, 0), here


def plain(
    x: Tensor, weight: Tensor, targets: Tensor, cap: float | None = None, absent: Tensor | None = None,
    across: Across | None = None,
    *, linear: Callable[..., Tensor] = linear.plain, softcap: Callable[..., Tensor] = softcap.plain,
    cross_entropy: Callable[..., Tensor] = cross_entropy.plain,
) -> Tensor:  # fmt: skip
    """x (..., C), weight (V, C), targets (...) ids or -100, absent (V,) booleans -> (...) nats in float32 or wider.

    With `across`, weight and absent are some rows of the whole vocabulary, and the gradient of x is this part's share
    of it.
    """
    z = linear(x, weight)
    z = z if cap is None else softcap(z, cap)
    z = z if absent is None else z.masked_fill(absent, -torch.inf)
    if across is None:
        return cross_entropy(z, targets)
    z = wide(z)
    most = across.most(z.detach().amax(-1))
    total = across.sum((z - most[..., None]).exp().sum(-1))
    row, here = across.mine(targets, len(weight))
    at_target = across.sum(z.gather(-1, row[..., None])[..., 0].where(here, 0))
    return (total.log() + most - at_target).where(targets != IGNORED, 0)


def fused(
    x: Tensor, weight: Tensor, targets: Tensor, cap: float | None = None, absent: Tensor | None = None,
    across: Across | None = None,
) -> Tensor:  # fmt: skip
    """The twin of `plain`, in chunks of tokens."""
    if torch.compiler.is_compiling():
        return plain(
            x, weight, targets, cap, absent, across,
            linear=linear.fused, softcap=softcap.fused, cross_entropy=cross_entropy.fused,
        )  # fmt: skip
    kind = x.device.type
    autocast = torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast and x.dtype != torch.float64 else x.dtype
    wants = [torch.is_grad_enabled() and t.requires_grad for t in (x, weight)]
    return _Chunks.apply(x, weight, targets, cap, absent, dtype, wants, across)  # type: ignore[no-any-return]


def pieces(n: int, size: int) -> Iterator[slice]:
    """0 ... n in slices of `size`; the last may be shorter. What is done with a slice depends on nothing but its length, so
    that whoever counts the work can go through one of them and count it for all."""
    for start in range(0, n, max(1, size)):
        yield slice(start, min(start + size, n))


class _Chunks(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, targets: Tensor, cap: float | None, absent: Tensor | None,
        dtype: torch.dtype, wants: list[bool], across: Across | None,
    ) -> Tensor:  # fmt: skip
        ctx.save_for_backward(x, weight, targets)
        ctx.rest = cap, absent, dtype, wants, across
        nats, *ctx.gradients = _through(x, weight, targets, *ctx.rest)
        return nats

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, g: Tensor) -> Any:
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is not None and _is_one_number(g):
            g = g.flatten()[:1].squeeze() if g.numel() else g.new_ones(())
            for gradient in gradients:
                if gradient is not None:
                    gradient.mul_(g)
        else:
            del gradients
            gradients = _through(*ctx.saved_tensors, *ctx.rest, weights=g)[1:]
        return *gradients, None, None, None, None, None, None


def _is_one_number(g: Tensor) -> bool:
    """Whether every element is the same: known without a look where all are one place in memory, as in the gradient of a
    sum. A GPU is not asked, since the answer would have to be waited for."""
    if g.numel() == 0 or all(stride == 0 for stride, size in zip(g.stride(), g.shape) if size > 1):
        return True
    return type(g) is Tensor and g.device.type == "cpu" and bool((g == g.flatten()[0]).all())


def _through(
    x: Tensor, weight: Tensor, targets: Tensor, cap: float | None, absent: Tensor | None, dtype: torch.dtype,
    wants: list[bool], across: Across | None = None, weights: Tensor | None = None,
) -> tuple[Tensor, Tensor | None, Tensor | None]:  # fmt: skip
    """The nats of every token, and the gradients of their sum weighted by `weights` (all 1 if None) that are wanted.

    Matrix products are in `dtype`, everything else is in float32 or wider.
    """
    kind = x.device.type if x.device.type in ROWS else "cpu"
    with full_precision(x.device):
        rows, W, y = x.reshape(-1, x.shape[-1]).to(dtype), weight.to(dtype), targets.flatten()
        (N, C), V = rows.shape, len(W)
        counts = (y != IGNORED).to(torch.float64 if dtype == torch.float64 else torch.float32)
        scale = counts if weights is None else counts * weights.flatten()
        y, here = (y.where(y != IGNORED, 0), None) if across is None else across.mine(y, V)
        nats = torch.empty_like(counts)
        dx = torch.empty_like(rows) if wants[0] else None
        dW = torch.zeros(weight.shape, dtype=counts.dtype, device=x.device) if wants[1] else None
        # These three serve all chunks: logits, the same in float32, and a part of dW before it is added up.
        n = min(N, ROWS[kind])
        few, part = min(n, max(1, HELD[kind] // (across.widest if across else V))), min(V, max(1, HELD[kind] // C))
        z, narrow = rows.new_empty(n, V), dtype != counts.dtype
        p = counts.new_empty(few, V) if narrow else None
        added = rows.new_empty(part, C) if narrow and dW is not None else None
        for chunk in pieces(N, n):
            x_n, z_n = rows[chunk], z[: chunk.stop - chunk.start]
            torch.mm(x_n, W.T, out=z_n)
            nats_n, y_n, scale_n = nats[chunk], y[chunk], scale[chunk]
            here_n = None if here is None else here[chunk]
            for some in pieces(len(x_n), few):
                z_some = z_n[some]
                p_some = z_some if p is None else p[: len(z_some)]
                parts = None if across is None or here_n is None else (across, here_n[some])
                nats_n[some] = _scored(z_some, p_some, y_n[some], scale_n[some], cap, absent, any(wants), parts)
            if dx is not None:
                torch.mm(z_n, W, out=dx[chunk])
            if dW is not None and added is None:
                torch.addmm(dW, z_n.T, x_n, out=dW)  # the counters of work do not know addmm_
            elif dW is not None and added is not None:
                for words in pieces(V, part):
                    room = added[: words.stop - words.start]
                    dW[words].add_(torch.mm(z_n[:, words].T, x_n, out=room))
        nats = nats.where(counts > 0, 0).view_as(targets)
        return nats, None if dx is None else dx.view_as(x).to(x.dtype), None if dW is None else dW.to(weight.dtype)


def _scored(
    z: Tensor, p: Tensor, y: Tensor, scale: Tensor, cap: float | None, absent: Tensor | None, wanted: bool,
    parts: tuple[Across, Tensor] | None = None,
) -> Tensor:  # fmt: skip
    """z (n, V): W x; y (n,): targets; p (n, V): room in float32 or wider, or z itself. Returns the nats (n,); if `wanted`,
    z becomes dz: the gradients of the nats times scale (n,). `parts`, where V is a part of the vocabulary: how to reach the
    others, and whether each target (n,) is in this one."""
    if p is not z:
        p.copy_(z)
    slope = None
    if cap is not None:
        p.div_(cap).tanh_()
        slope = 1 - p * p if wanted else None
        p.mul_(cap)
    if absent is not None:
        p.masked_fill_(absent, -torch.inf)
    y = y[:, None]
    most, at_target = p.amax(-1, keepdim=True), p.gather(-1, y)
    most = most if parts is None else parts[0].most(most)
    p.sub_(most).exp_()
    total = p.sum(-1, keepdim=True)
    if parts is not None:
        across, here = parts[0], parts[1][:, None]
        total, at_target = across.sum(torch.stack([total, at_target.where(here, 0)])).unbind()
    nats = (total.log() + most - at_target)[:, 0]
    if wanted:
        scale = scale[:, None]
        p.mul_(scale / total)
        hit = scale if parts is None else scale * parts[1][:, None]
        p.scatter_add_(-1, y, -hit if absent is None else -hit.where(~absent[y], 0))
        if slope is not None:
            p.mul_(slope)
        if p is not z:
            z.copy_(p)
    return nats

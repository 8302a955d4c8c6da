"""The selective state-space model (Gu and Dao, 2023, algorithm 2): a memory that decides what to keep.

    h_t = exp(dt_t A) h_{t-1} + dt_t B_t x_t        (E, N)     each of E channels has a state of N numbers
    y_t = C_t h_t + D x_t                           (E,)

A < 0 is a parameter; dt, B and C are computed from the token. A large dt forgets the past and writes the token into the
state; with dt = 0 the state stays as it is. No two tokens are compared: the state is all that remains of the past.

Such a recurrence can also be computed by a parallel scan or, if A is one number per head, by matrix products (Dao and Gu,
2024). On a CPU, with N decays per channel, both are slower. `fused` walks through time as `plain` does, but its states stay
in the processor's cache, and its gradient computes them again instead of keeping them. Float32 on a CPU runs as machine
code (`_scan_cpu.py`); elsewhere the same steps are tensor operations.
"""

import torch
from torch import Tensor

from glassformer.kernels.documents import opens
from glassformer.kernels.precision import full_precision, wide

STEPS = 16
"""Tokens that are processed together. Only the state before each group of so many is kept for the gradient."""
ENOUGH = 1 << 16
"""If x has fewer numbers than this, starting a second thread costs more than it saves."""


def plain(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """x and dt (batch, T, E), A (E, N), B and C (batch, T, N), D (E) -> y (batch, T, E) and the last h (batch, E, N) in
    float32 or wider, for T >= 1. `state` is the h before the first token, 0 by default. `documents` (batch, T) numbers the
    documents packed into a row; h is 0 at the start of each.
    """
    dtype = x.dtype
    x, dt, A, B, C, D = (wide(t) for t in (x, dt, A, B, C, D))
    h = x.new_zeros(x.shape[0], *A.shape) if state is None else wide(state)
    first, y = (None if documents is None else opens(documents)), []
    for t in range(x.shape[1]):
        if first is not None:
            h = h * ~first[:, t, None, None]
        h = (dt[:, t, :, None] * A).exp() * h + dt[:, t, :, None] * B[:, t, None] * x[:, t, :, None]
        y.append((h * C[:, t, None]).sum(-1) + D * x[:, t])
    return torch.stack(y, 1).to(dtype), h


def fused(
    x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor,
    state: Tensor | None = None, documents: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The twin of `plain`: one operator computes the states, and one their gradient."""
    dtype, first = x.dtype, (None if documents is None else opens(documents))
    x, dt, A, B, C, D = (wide(t) for t in (x, dt, A, B, C, D))
    h = x.new_zeros(x.shape[0], *A.shape) if state is None else wide(state)
    y, h, _ = _scan(*(t.contiguous() for t in (dt * x, dt, A.T, B, C, h.mT)), first)
    return (y + D * x).to(dtype), h.mT


# In the operators channels come last: u and step (batch, T, E), A (N, E), b and c (batch, T, N), h (batch, N, E), first
# (batch, T). u is dt x.


@torch.library.custom_op("glassformer::selective_scan", mutates_args=())
def _scan(
    u: Tensor, step: Tensor, A: Tensor, b: Tensor, c: Tensor, h: Tensor, first: Tensor | None
) -> tuple[Tensor, Tensor, Tensor]:
    """y, the last h, and every STEPS-th h from the first one on: (T / STEPS, batch, N, E)."""
    if _compiled(u):
        from glassformer.kernels import _scan_cpu

        arrays = [t.numpy() for t in (u, step, A, b, c, h, _booleans(u, first))]
        y, last, starts = map(torch.from_numpy, _scan_cpu.forward(arrays, STEPS, _threads(u)))
        return y, last, starts
    u, step, b, c = (t.transpose(0, 1) for t in (u, step, b, c))  # time first
    y, at_start = torch.empty_like(u, memory_format=torch.contiguous_format), []
    decay, states = _room(u, A, 0), _room(u, A, 1)
    with full_precision(u.device):
        for start in range(0, len(u), STEPS):
            now = slice(start, start + STEPS)
            at_start.append(h.clone())
            n = _states(u[now], step[now], A, b[now], h, None if first is None else first.T[now], decay, states)
            torch.matmul(c[now, :, None], states[1 : n + 1], out=y[now].unsqueeze(2))
            h = states[n]
    return y.transpose(0, 1).contiguous(), h.clone(), torch.stack(at_start)


@torch.library.custom_op("glassformer::selective_scan_backward", mutates_args=())
def _scan_backward(
    dy: Tensor, dh: Tensor, u: Tensor, step: Tensor, A: Tensor, b: Tensor, c: Tensor, at_start: Tensor, first: Tensor | None
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The gradients of u, step, A, b, c and the first h, from those of y and of the last h."""
    if _compiled(u):
        from glassformer.kernels import _scan_cpu

        arrays = [t.numpy() for t in (u, step, A, b, c, at_start, _booleans(u, first))]
        gradients = _scan_cpu.backward(dy.numpy(), dh.numpy(), arrays, STEPS, _threads(u))
        du, dstep, dA, db, dc, dh0 = map(torch.from_numpy, gradients)
        return du, dstep, dA, db, dc, dh0
    dy, u, step, b, c = (t.transpose(0, 1) for t in (dy, u, step, b, c))  # time first
    du, dstep, db, dc = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (u, step, b, c))
    dA, decay, states, slope = torch.zeros_like(A), _room(u, A, 0), _room(u, A, 1), _room(u, A, 0)
    with full_precision(u.device):
        for i in reversed(range(len(at_start))):
            now = slice(i * STEPS, (i + 1) * STEPS)
            n = _states(u[now], step[now], A, b[now], at_start[i], None if first is None else first.T[now], decay, states)
            torch.matmul(states[1 : n + 1], dy[now, ..., None], out=dc[now].unsqueeze(3))
            torch.mul(c[now, :, :, None], dy[now, :, None], out=slope[:n])  # of h_t by way of y_t ...
            slope[n - 1] += dh
            for t in reversed(range(n - 1)):
                slope[t].addcmul_(decay[t + 1], slope[t + 1])  # ... and of h_{t+1}
            dh = decay[0] * slope[0]
            torch.matmul(b[now, :, None], slope[:n], out=du[now].unsqueeze(2))
            torch.matmul(slope[:n], u[now, ..., None], out=db[now].unsqueeze(3))
            exponent = slope[:n].mul_(decay[:n]).mul_(states[:n])  # the gradient of dt A
            torch.sum(exponent * A, 2, out=dstep[now])
            dA += exponent.mul_(step[now, :, None]).sum((0, 1))
    du, dstep, db, dc = (t.transpose(0, 1).contiguous() for t in (du, dstep, db, dc))
    return du, dstep, dA, db, dc, dh


def _compiled(u: Tensor) -> bool:
    return u.device.type == "cpu" and u.dtype == torch.float32


def _booleans(u: Tensor, first: Tensor | None) -> Tensor:
    return torch.zeros(u.shape[:2], dtype=torch.bool) if first is None else first


def _threads(u: Tensor) -> int:
    return torch.get_num_threads() if u.numel() >= ENOUGH else 1


def _room(u: Tensor, A: Tensor, extra: int) -> Tensor:
    return u.new_empty(min(STEPS, len(u)) + extra, u.shape[1], *A.shape)


def _states(u, step, A, b, h, first, decay, states) -> int:
    """Fill decay[t] = exp(dt_t A) and states[t + 1] = h_t from states[0] = h. Returns the number of tokens."""
    n = len(u)
    states[0] = h  # before the rest is overwritten: h may stand there
    torch.mul(step[:, :, None], A, out=decay[:n]).exp_()
    if first is not None:
        decay[:n].masked_fill_(first[:, :, None, None], 0)
    torch.mul(b[..., None], u[:, :, None], out=states[1 : n + 1])
    for t in range(n):
        states[t + 1].addcmul_(decay[t], states[t])
    return n


@_scan.register_fake
def _(u, step, A, b, c, h, first):
    return torch.empty_like(u), torch.empty_like(h), h.new_empty(-(-u.shape[1] // STEPS), *h.shape)


@_scan_backward.register_fake
def _(dy, dh, u, step, A, b, c, at_start, first):
    return *(torch.empty_like(t) for t in (u, step, A, b, c)), torch.empty_like(dh)


def _keep(ctx, inputs, output):
    u, step, A, b, c, _, first = inputs
    ctx.save_for_backward(u, step, A, b, c, output[2], first)


def _backward(ctx, dy, dh, _):
    return *_scan_backward(dy.contiguous(), dh.contiguous(), *ctx.saved_tensors), None


_scan.register_autograd(_backward, setup_context=_keep)

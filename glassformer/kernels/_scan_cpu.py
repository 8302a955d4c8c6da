"""The selective scan compiled to machine code by numba, for float32 on a CPU. `selective_scan.py` has the formula.

The states of LANES channels stay in the processor's first cache while the loop walks through time, and no array of size
T x E x N is ever written. Importing this module imports numba, which takes a third of a second. Compiling takes a few
seconds, once per machine.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from glassformer.kernels._numbers_cpu import exp
from glassformer.system.compiled import sums_in_any_order

LANES = 64
"""Channels that are processed together: 4 vectors of 16 numbers."""

f32 = np.float32


# The numbers of LANES channels are copied to and from local arrays. Loops over these have a fixed length and touch few
# arrays, so the compiler turns them into vector instructions.


@sums_in_any_order
def _forward(u, step, A, b, c, h, first, stride, y, last, at_start, row, low, high):
    N = A.shape[0]
    state, rate = np.zeros((N, LANES), f32), np.zeros((N, LANES), f32)
    ut, dt, total = np.zeros(LANES, f32), np.zeros(LANES, f32), np.zeros(LANES, f32)
    for left in range(low, high, LANES):
        w = min(LANES, high - left)
        for n in range(N):
            for e in range(w):
                state[n, e], rate[n, e] = h[row, n, left + e], A[n, left + e]
        for t in range(u.shape[1]):
            if t % stride == 0:
                for n in range(N):
                    for e in range(w):
                        at_start[t // stride, row, n, left + e] = state[n, e]
            keep = f32(0.0) if first[row, t] else f32(1.0)
            for e in range(w):
                ut[e], dt[e] = u[row, t, left + e], step[row, t, left + e]
            for e in range(LANES):
                total[e] = f32(0.0)
            for n in range(N):
                bn, cn = b[row, t, n], c[row, t, n]
                for e in range(LANES):
                    s = keep * exp(dt[e] * rate[n, e]) * state[n, e] + bn * ut[e]
                    state[n, e] = s
                    total[e] += cn * s
            for e in range(w):
                y[row, t, left + e] = total[e]
        for n in range(N):
            for e in range(w):
                last[row, n, left + e] = state[n, e]


@sums_in_any_order
def _backward(dy, dh, u, step, A, b, c, at_start, first, stride, du, dstep, dA, db, dc, dh0, row, low, high):
    N, T = A.shape[0], u.shape[1]
    states, decay = np.zeros((stride + 1, N, LANES), f32), np.zeros((stride, N, LANES), f32)
    slope, rate, sum_A = np.zeros((N, LANES), f32), np.zeros((N, LANES), f32), np.zeros((N, LANES), f32)
    ut, dt, dyt = np.zeros((stride, LANES), f32), np.zeros((stride, LANES), f32), np.zeros((stride, LANES), f32)
    g, sum_u, sum_step = np.zeros(LANES, f32), np.zeros(LANES, f32), np.zeros(LANES, f32)
    for left in range(low, high, LANES):
        w = min(LANES, high - left)
        for e in range(w, LANES):  # numbers of the previous channels must not enter the sums over channels
            slope[:, e] = ut[:, e] = dyt[:, e] = f32(0.0)
        for n in range(N):
            for e in range(w):
                slope[n, e], rate[n, e], sum_A[n, e] = dh[row, n, left + e], A[n, left + e], f32(0.0)
        for i in range((T - 1) // stride, -1, -1):
            start, count = i * stride, min(stride, T - i * stride)
            for n in range(N):
                for e in range(w):
                    states[0, n, e] = at_start[i, row, n, left + e]
            for j in range(count):
                t = start + j
                keep = f32(0.0) if first[row, t] else f32(1.0)
                for e in range(w):
                    ut[j, e], dt[j, e], dyt[j, e] = u[row, t, left + e], step[row, t, left + e], dy[row, t, left + e]
                for n in range(N):
                    bn = b[row, t, n]
                    for e in range(LANES):
                        d = keep * exp(dt[j, e] * rate[n, e])
                        decay[j, n, e] = d
                        states[j + 1, n, e] = d * states[j, n, e] + bn * ut[j, e]
            for j in range(count - 1, -1, -1):
                t = start + j
                for e in range(LANES):
                    sum_u[e] = sum_step[e] = f32(0.0)
                for n in range(N):
                    bn, cn = b[row, t, n], c[row, t, n]
                    sum_b = sum_c = f32(0.0)
                    for e in range(LANES):
                        g[e] = slope[n, e] + cn * dyt[j, e]  # of h_t
                        sum_c += states[j + 1, n, e] * dyt[j, e]
                    for e in range(LANES):
                        sum_b += g[e] * ut[j, e]
                        sum_u[e] += g[e] * bn
                    for e in range(LANES):
                        g[e] *= decay[j, n, e]
                        slope[n, e] = g[e]
                        g[e] *= states[j, n, e]  # of dt A
                    for e in range(LANES):
                        sum_step[e] += g[e] * rate[n, e]
                        sum_A[n, e] += g[e] * dt[j, e]
                    db[row, t, n] += sum_b
                    dc[row, t, n] += sum_c
                for e in range(w):
                    du[row, t, left + e], dstep[row, t, left + e] = sum_u[e], sum_step[e]
        for n in range(N):
            for e in range(w):
                dh0[row, n, left + e], dA[row, n, left + e] = slope[n, e], sum_A[n, e]


Array = np.ndarray


def forward(arrays: list[Array], stride: int, threads: int) -> tuple[Array, Array, Array]:
    """(u, step, A, b, c, h, first) of `selective_scan._scan`, contiguous -> y, the last h, and every stride-th h."""
    u, h = arrays[0], arrays[5]
    y, last = np.empty_like(u), np.empty_like(h)
    at_start = np.empty((-(-u.shape[1] // stride), *h.shape), f32)
    _each(threads, lambda p: _forward(*arrays, stride, y, last, at_start, *p[1:]), _pieces(u.shape, threads))
    return y, last, at_start


def backward(dy: Array, dh: Array, arrays: list[Array], stride: int, threads: int) -> tuple[Array, ...]:
    """(u, step, A, b, c, at_start, first), and the gradients of y and the last h -> those of u, step, A, b, c and h."""
    u, step, A, b, c = arrays[:5]
    pieces = _pieces(u.shape, threads)
    groups = 1 + max((p[0] for p in pieces), default=0)  # groups of channels, each with its own sums for b and c
    du, dstep, dh0 = np.empty_like(u), np.empty_like(step), np.empty_like(dh)
    dA = np.empty((len(u), *A.shape), f32)
    db, dc = np.zeros((groups, *b.shape), f32), np.zeros((groups, *c.shape), f32)

    def work(p: tuple[int, int, int, int]) -> None:
        _backward(dy, dh, *arrays, stride, du, dstep, dA, db[p[0]], dc[p[0]], dh0, *p[1:])

    _each(threads, work, pieces)
    return du, dstep, dA.sum(0), db.sum(0), dc.sum(0), dh0


def _pieces(shape: tuple[int, ...], threads: int) -> list[tuple[int, int, int, int]]:
    """(group, row, low, high): the channels of each row in so many groups that every thread has work."""
    rows, _, E = shape
    groups = 1 if rows % threads == 0 else min(threads, -(-E // LANES))
    edges = [min(E, -(-E * g // groups // LANES) * LANES) for g in range(groups)] + [E]
    return [(g, row, edges[g], edges[g + 1]) for row in range(rows) for g in range(groups)]


def _each(threads: int, work: Callable, pieces: list) -> None:
    if threads == 1:
        for piece in pieces:
            work(piece)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, pieces))

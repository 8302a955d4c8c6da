"""Formulas that go row by row, compiled to machine code by numba, for float32 and bf16 on a CPU.

PyTorch's operators read a row from memory and write it back for every step of a formula, and its bf16 operators convert
twice. Here a row stays in the processor's first cache from the first step to the last. All sums are in float32.

A kernel works on the rows from `low` to `high`; `in_parallel` gives each thread its share. Importing this module imports
numba, which takes a third of a second. Compiling takes about a second for each kernel, once per machine.
"""

import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from glassformer.kernels._numbers_cpu import exp, f32, load, store
from glassformer.system.compiled import inline, sums_in_any_order

LANES = 16
"""Maxima that are kept side by side, one for each number of a vector."""
BLOCK = 256
"""Rows whose part of a gradient is summed together."""


def array(t: Tensor) -> np.ndarray:
    """The numbers of a tensor; bf16 as its bits."""
    return (t.view(torch.uint16) if t.dtype == torch.bfloat16 else t).detach().numpy()


def in_parallel(kernel: Callable, n_rows: int, *arguments: object) -> None:
    """kernel(*arguments, low, high) for all rows, on as many threads as PyTorch uses."""
    n = min(torch.get_num_threads(), n_rows)
    if n <= 1:
        return kernel(*arguments, 0, n_rows)
    edges = [n_rows * i // n for i in range(n + 1)]
    rest = [_pool(n - 1, os.getpid()).submit(kernel, *arguments, *edges[i : i + 2]) for i in range(1, n)]
    kernel(*arguments, *edges[:2])
    for each in rest:
        each.result()


@functools.cache
def _pool(n: int, process: int) -> ThreadPoolExecutor:
    """Threads of this process: a forked one has none of its parent's."""
    return ThreadPoolExecutor(n)


@sums_in_any_order
def largest(e, n, lanes):
    """The largest of e[:n]; e has room for a multiple of LANES, and `lanes` for LANES numbers."""
    top = -(-n // LANES) * LANES
    for j in range(n, top):
        e[j] = -np.inf
    for k in range(LANES):
        lanes[k] = e[k]
    for j in range(LANES, top, LANES):
        for k in range(LANES):
            lanes[k] = e[j + k] if e[j + k] > lanes[k] else lanes[k]
    most = f32(-np.inf)
    for k in range(LANES):
        most = lanes[k] if lanes[k] > most else most
    return most


@sums_in_any_order
def nats(z, targets, cost, log_sum, low, high):
    """z (N, V), targets (N,), negative where nothing counts -> cost (N,) and log_sum (N,) = log sum exp z."""
    V = z.shape[1]
    e, lanes = np.empty(V + LANES, f32), np.empty(LANES, f32)
    for r in range(low, high):
        for j in range(V):
            e[j] = load(z[r, j])
        most, total = largest(e, V, lanes), f32(0.0)
        for j in range(V):
            total += exp(e[j] - most)
        log_sum[r] = most + np.log(total)
        cost[r] = log_sum[r] - e[targets[r]] if targets[r] >= 0 else f32(0.0)


@sums_in_any_order
def nats_gradient(z, targets, log_sum, weight, gradient, low, high):
    """The gradient of sum_n weight_n cost_n: (N, V)."""
    V = z.shape[1]
    for r in range(low, high):
        y, w, total = targets[r], weight[r] if targets[r] >= 0 else f32(0.0), log_sum[r]
        for j in range(V):
            gradient[r, j] = store(gradient, w * exp(load(z[r, j]) - total))
        if y >= 0:
            gradient[r, y] = store(gradient, w * (exp(load(z[r, y]) - total) - f32(1.0)))


@inline
def sigmoid(x):
    e = exp(-abs(x))
    positive = f32(1.0) / (f32(1.0) + e)
    return positive if x >= 0 else e * positive


@sums_in_any_order
def swiglu(gate, up, y, low, high):
    """y (N, C) = silu(gate) up."""
    for r in range(low, high):
        for j in range(gate.shape[1]):
            x = load(gate[r, j])
            y[r, j] = store(y, x * sigmoid(x) * load(up[r, j]))


@sums_in_any_order
def swiglu_gradient(gate, up, dy, dgate, dup, low, high):
    """The gradients of gate and up, from that of y."""
    for r in range(low, high):
        for j in range(gate.shape[1]):
            x, d = load(gate[r, j]), load(dy[r, j])
            s = sigmoid(x)
            dup[r, j] = store(dup, d * x * s)
            dgate[r, j] = store(dgate, d * load(up[r, j]) * s * (f32(1.0) + x * (f32(1.0) - s)))


@inline
def gelu_gate(x):
    """(1 + tanh(v)) / 2 = sigmoid(2 v), with v = sqrt(2/pi) (x + 0.044715 x^3)."""
    return sigmoid(f32(1.5957691216) * (x + f32(0.044715) * x * x * x))


@sums_in_any_order
def gelu(x, y, low, high):
    """x (N, C) -> y (N, C)."""
    for r in range(low, high):
        for j in range(x.shape[1]):
            number = load(x[r, j])
            y[r, j] = store(y, number * gelu_gate(number))


@sums_in_any_order
def gelu_gradient(x, dy, dx, low, high):
    """The gradient of x, from that of y."""
    for r in range(low, high):
        for j in range(x.shape[1]):
            number = load(x[r, j])
            s, slope = gelu_gate(number), f32(1.5957691216) * (f32(1.0) + f32(0.134145) * number * number)
            dx[r, j] = store(dx, load(dy[r, j]) * s * (f32(1.0) + number * (f32(1.0) - s) * slope))


@sums_in_any_order
def turn(x, cos, sin, time_first, y, low, high):
    """x (B, P, Q, D) -> y (B, Q, P, D), its first 2W numbers turned by the angles of cos and sin (T, W). Time is P if
    `time_first`, and Q otherwise."""
    _, P, Q, D = x.shape
    W = cos.shape[1]
    for b in range(low, high):
        for p in range(P):
            for q in range(Q):
                t = p if time_first else q
                for i in range(W):
                    u, v = load(x[b, p, q, i]), load(x[b, p, q, W + i])
                    y[b, q, p, i] = store(y, u * cos[t, i] - v * sin[t, i])
                    y[b, q, p, W + i] = store(y, u * sin[t, i] + v * cos[t, i])
                for i in range(2 * W, D):
                    y[b, q, p, i] = x[b, p, q, i]


@sums_in_any_order
def rms_norm(x, weight, eps, y, scale, low, high):
    """x (N, C), weight (C,) -> y (N, C), and scale (N,) = 1 / sqrt(mean(x^2) + eps)."""
    C = x.shape[1]
    for r in range(low, high):
        total = f32(0.0)
        for j in range(C):
            total += load(x[r, j]) * load(x[r, j])
        scale[r] = f32(1.0) / np.sqrt(total / f32(C) + eps)
        for j in range(C):
            y[r, j] = store(y, load(x[r, j]) * scale[r] * weight[j])


@sums_in_any_order
def rms_norm_gradient(x, weight, scale, dy, dx, dweight, low, high):
    """The gradients of x (N, C), and of weight as a sum for each BLOCK rows, (N / BLOCK, C). Here `low` and `high` count
    blocks."""
    N, C = x.shape
    for block in range(low, high):
        for r in range(block * BLOCK, min(N, (block + 1) * BLOCK)):
            s, mean = scale[r], f32(0.0)
            for j in range(C):
                product = load(x[r, j]) * load(dy[r, j])
                dweight[block, j] += product * s
                mean += product * weight[j]
            mean *= s * s * s / f32(C)
            for j in range(C):
                dx[r, j] = store(dx, load(dy[r, j]) * weight[j] * s - load(x[r, j]) * mean)

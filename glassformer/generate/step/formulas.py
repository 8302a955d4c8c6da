"""The formulas of a step for one token: norm, rotate, attend, and the activations of the MLP.

Each is the formula of the file in `kernels/` that has its name, and is tested against the `plain` there.
"""

import math

import numpy as np

from glassformer.generate.step.records import (
    GEGLU,
    GELU,
    GELU_EXACT,
    LAYER_NORM,
    NONE,
    RELU,
    RELU2,
    SWIGLU,
    floats,
)
from glassformer.kernels._numbers_cpu import exp, f32, load, store
from glassformer.system.compiled import inline, sums_in_any_order


@sums_in_any_order
def norm(settings, x, y):
    """x (C,) -> y (C,): layer_norm, rms_norm or x itself, as the NORM record says."""
    C = x.shape[0]
    mean, square = f32(0), f32(0)
    if settings.kind == LAYER_NORM:
        for i in range(C):
            mean += x[i]
        mean /= f32(C)
    for i in range(C):
        square += (x[i] - mean) * (x[i] - mean)
    scale = f32(1) if settings.kind == NONE else f32(1) / np.sqrt(square / f32(C) + settings.eps)
    for i in range(C):
        y[i] = (x[i] - mean) * scale
    if settings.gain:
        gain = floats(settings.gain, C)
        for i in range(C):
            y[i] *= gain[i]
    if settings.bias:
        bias = floats(settings.bias, C)
        for i in range(C):
            y[i] += bias[i]


@sums_in_any_order
def rotate(x, cos, sin):
    """x (D,) in place: the pair x[i] and x[i + W] is turned by the angle with cosine cos[i] and sine sin[i]."""
    W = cos.shape[0]
    for i in range(W):
        first, second = x[i], x[W + i]
        x[i] = first * cos[i] - second * sin[i]
        x[W + i] = first * sin[i] + second * cos[i]


@sums_in_any_order
def keep(x, places, place):
    """Write x (D,) into the cache `places` (places, D) of one head."""
    for i in range(x.shape[0]):
        places[place, i] = store(places, x[i])


@sums_in_any_order
def attend(q, keys, values, scores, y):
    """y (D,) = sum_s softmax_s(q . k_s / sqrt(D)) v_s over all keys and values (S, D); `scores` has room for S numbers."""
    S, D = keys.shape
    most, total = f32(-np.inf), f32(0)
    scale = f32(1) / np.sqrt(f32(D))
    for s in range(S):
        dot = f32(0)
        for i in range(D):
            dot += q[i] * load(keys[s, i])
        scores[s] = dot * scale
        most = scores[s] if scores[s] > most else most
    for s in range(S):
        scores[s] = exp(scores[s] - most)
    for s in range(S):
        total += scores[s]
    y[:] = f32(0)
    for s in range(S):
        weight = scores[s] / total
        for i in range(D):
            y[i] += weight * load(values[s, i])


@inline
def sigmoid(x):
    """1 / (1 + e^-x), without an overflow."""
    e = exp(-abs(x))
    positive = f32(1) / (f32(1) + e)
    return positive if x >= 0 else e * positive


@inline
def gelu(x):
    """x/2 (1 + tanh(u)) = x sigmoid(2u)."""
    return x * sigmoid(f32(2 * math.sqrt(2 / math.pi)) * (x + f32(0.044715) * x * x * x))


@sums_in_any_order
def activate(kind, h, gate, first, last):
    """h[first:last] in place; the gated activations multiply it by what they make of `gate`."""
    if kind == GELU:
        for i in range(first, last):
            h[i] = gelu(h[i])
    elif kind == GELU_EXACT:
        for i in range(first, last):
            h[i] = f32(0.5) * h[i] * (f32(1) + math.erf(h[i] * f32(math.sqrt(0.5))))
    elif kind == RELU:
        for i in range(first, last):
            h[i] = max(h[i], f32(0))
    elif kind == RELU2:
        for i in range(first, last):
            h[i] = max(h[i], f32(0)) * max(h[i], f32(0))
    elif kind == SWIGLU:
        for i in range(first, last):
            h[i] *= gate[i] * sigmoid(gate[i])
    elif kind == GEGLU:
        for i in range(first, last):
            h[i] *= gelu(gate[i])

"""Numbers in compiled loops: bf16 as the 16 bits that it is, and e^x. The compiler turns both into vector instructions."""

from typing import Any

import numba
import numpy as np
from numba.extending import overload

from glassformer.system.compiled import inline

f32, i32, u16, u32 = np.float32, np.int32, np.uint16, np.uint32


@inline
def exp(x):
    """e^x for x <= 0, to seven digits. It is 0 below -87, and NaN for NaN."""
    x = f32(-88.0) if x < f32(-88.0) else x
    t = x * f32(1.44269504)
    n = np.floor(t + f32(0.5))
    r = t - n  # 2^t = 2^n 2^r, |r| <= 1/2
    p = f32(1.535336188e-4)
    p = p * r + f32(1.339887441e-3)
    p = p * r + f32(9.618437358e-3)
    p = p * r + f32(5.550332471e-2)
    p = p * r + f32(2.402264791e-1)
    p = p * r + f32(6.931472029e-1)
    p = p * r + f32(1.0)
    power = i32(i32(n + f32(127.0)) << i32(23))
    return p * power.view(f32)


def load(x: Any) -> Any:
    """A float32, from a float32 or from the bits of a bf16, which are the upper half of a float32's."""


@overload(load, inline="always")
def _load(x):
    if x == numba.types.uint16:
        return lambda x: u32(u32(x) << u32(16)).view(f32)
    return lambda x: x


def store(array: Any, x: Any) -> Any:
    """The float32 x as what `array` holds: itself, or the bits of the nearest bf16 (ties to even)."""


@overload(store, inline="always")
def _store(array, x):
    if array.dtype == numba.types.uint16:

        def nearest(array, x):
            bits = f32(x).view(u32)
            return u16(u32(bits + u32(0x7FFF) + u32(u32(bits >> u32(16)) & u32(1))) >> u32(16))

        return nearest
    return lambda array, x: x

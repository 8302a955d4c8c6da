"""Tiles unpacked by compiled loops, in one pass over memory where PyTorch's operators take eight."""

from glassformer.kernels._numbers_cpu import f32, i32, load
from glassformer.system.compiled import kernel


@kernel
def unpack8(tiles, scales, w, low, high):
    """tiles (B, G, 8, 16, 4), scales (B, 16) -> w (16 B, 32 G), for the blocks from `low` to `high`."""
    for b in range(low, high):
        for g in range(tiles.shape[1]):
            for four in range(8):
                for r in range(16):
                    for i in range(4):
                        whole = i32(tiles[b, g, four, r, i]) - i32(128)
                        w[b * 16 + r, g * 32 + 4 * four + i] = f32(whole) * scales[b, r]


@kernel
def unpack4(tiles, scales, w, low, high):
    """tiles (B, G, 4, 16, 4), scales (B, G, 16) -> w (16 B, 32 G), for the blocks from `low` to `high`."""
    for b in range(low, high):
        for g in range(tiles.shape[1]):
            for four in range(4):
                for r in range(16):
                    for i in range(4):
                        both, scale, k = i32(tiles[b, g, four, r, i]), load(scales[b, g, r]), g * 32 + 4 * four + i
                        w[b * 16 + r, k] = f32((both & i32(15)) - i32(8)) * scale
                        w[b * 16 + r, k + 16] = f32((both >> i32(4)) - i32(8)) * scale

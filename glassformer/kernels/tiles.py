"""Tiles: the order in which a quantized matrix is kept, which is the order in which an instruction for whole numbers reads.

The instruction (AVX-512 VNNI's `vpdpbusd`) takes 64 bytes of weights and 4 numbers of x, and adds to each of 16 sums the
product of 4 weights with them. So 16 rows of a matrix lie beside each other, 4 numbers of the first, 4 of the second, ...:

    tile [block of 16 rows] [group of 32 columns] [four of the group's columns] [row of the block] [column of the four]

It multiplies unsigned numbers with signed ones. Weights are therefore kept with an offset (q + 128 in 8 bits, q + 8 in 4),
and whoever multiplies subtracts offset times the sum of x. Two 4-bit numbers share a byte: the four columns i of a group
in the lower half, and the four columns i + 4 of the group's eight in the upper. What is missing in the last block and the
last group is filled with weights of 0.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from glassformer.kernels._rows import serves
from glassformer.kernels.int4 import GROUP

ROWS = 16
"""Rows that lie beside each other."""


def pack(q: Tensor, bits: int) -> Tensor:
    """q (M, K) int8 -> uint8, (blocks, groups, 8, 16, 4) for 8 bits and (blocks, groups, 4, 16, 4) for 4."""
    M, K = q.shape
    q = F.pad(q.to(torch.int16), (0, -K % GROUP, 0, -M % ROWS)) + (1 << bits - 1)
    q = q.to(torch.uint8).unflatten(1, (-1, 8, 4)).unflatten(0, (-1, ROWS)).permute(0, 2, 3, 1, 4)
    return q.contiguous() if bits == 8 else q[:, :, :4] | q[:, :, 4:] << 4


def unpack(tiles: Tensor, bits: int, M: int, K: int) -> Tensor:
    """The inverse of `pack`: (M, K) int8."""
    return _signed(tiles, bits).permute(0, 3, 1, 2, 4).flatten(2).flatten(0, 1)[:M, :K]


def pack_scales(s: Tensor, bits: int) -> Tensor:
    """s (M,) -> (blocks, 16), or s (M, G) -> (blocks, G, 16): the scales of a block's rows beside each other."""
    s = F.pad(s, (0, -len(s) % ROWS)) if bits == 8 else F.pad(s, (0, 0, 0, -len(s) % ROWS))
    s = s.unflatten(0, (-1, ROWS))
    return s.contiguous() if bits == 8 else s.transpose(1, 2).contiguous()


def weights(tiles: Tensor, scales: Tensor, bits: int, M: int, K: int) -> Tensor:
    """The matrix (M, K) in float32; large ones on a CPU by compiled loops (`_tiles_cpu.py`)."""
    if not serves(tiles, dtypes=(torch.uint8,)):
        return plain_weights(tiles, scales, bits, M, K)
    from glassformer.kernels import _rows_cpu, _tiles_cpu

    w = torch.empty(len(tiles) * ROWS, tiles.shape[1] * GROUP)
    unpack = _tiles_cpu.unpack8 if bits == 8 else _tiles_cpu.unpack4
    _rows_cpu.in_parallel(unpack, len(tiles), *map(_rows_cpu.array, (tiles, scales, w)))
    return w[:M, :K]


def plain_weights(tiles: Tensor, scales: Tensor, bits: int, M: int, K: int) -> Tensor:
    """The twin of `weights`."""
    q = _signed(tiles, bits).float()  # (blocks, G, 8, 16, 4)
    w = q * (scales[:, None, None, :, None] if bits == 8 else scales.float()[:, :, None, :, None])
    return w.permute(0, 3, 1, 2, 4).flatten(2).flatten(0, 1)[:M, :K]


def rows(tiles: Tensor, scales: Tensor, bits: int, ids: Tensor, K: int) -> Tensor:
    """The rows `ids` (...) of the matrix -> (..., K) in float32, without unpacking the others."""
    block, row = ids // ROWS, ids % ROWS
    q = _signed(tiles[block, :, :, row], bits, 1).float()  # (..., G, 8, 4)
    s = scales[block, row][..., None, None, None] if bits == 8 else scales[block, :, row].float()[..., None, None]
    return (q * s).flatten(-3)[..., :K]


def _signed(tiles: Tensor, bits: int, after: int = 2) -> Tensor:
    """The numbers that are kept, as int8. The fours of a group are a dimension, with `after` more behind it."""
    if bits == 4:
        tiles = torch.cat([tiles & 15, tiles >> 4], dim=-1 - after)
    return (tiles.to(torch.int16) - (1 << bits - 1)).to(torch.int8)

"""Whole numbers for weights: how wrong they are at most, and that tiles lose nothing."""

import numpy as np
import pytest
import torch

from glassformer.generate.step.integers import add_group4, add_group8, round_to_whole
from glassformer.kernels import int4, int8, tiles
from glassformer.kernels._rows import ENOUGH

SIZES = [(1, 1), (16, 32), (33, 70), (5, 31), (48, 96)]


def matrix(M: int, K: int) -> torch.Tensor:
    w = torch.randn(M, K, generator=torch.Generator().manual_seed(M * K))
    w[0], w[-1, -1] = 0, 40.0  # a row that has no scale, a weight far from the others
    return w


@pytest.mark.parametrize(("M", "K"), SIZES)
def test_no_weight_is_wrong_by_more_than_half_a_step(M, K):
    w = matrix(M, K)
    q, s = int8.quantize(w)
    assert q.abs().max() <= 127 and ((int8.dequantize(q, s) - w).abs() <= s[:, None] * 0.50001).all()
    q, s = int4.quantize(w)
    steps = s.float().repeat_interleave(32, 1)[:, :K]
    assert q.abs().max() <= 7 and ((int4.dequantize(q, s) - w).abs() <= steps * 0.50001).all()
    assert (steps >= w.abs().unsqueeze(-1).amax(-1) / 7.0001).all(), "a scale that was rounded down cuts weights off"


def test_quantizing_twice_changes_nothing():
    w = int8.dequantize(*int8.quantize(matrix(33, 70)))
    assert torch.allclose(int8.dequantize(*int8.quantize(w)), w, rtol=1e-6)


@pytest.mark.parametrize("formula", [int8, int4])
@pytest.mark.parametrize(("M", "K"), SIZES)
def test_tiles_hold_the_same_matrix(M, K, formula):
    bits = 8 if formula is int8 else 4
    q, s = formula.quantize(matrix(M, K))
    kept, scales = tiles.pack(q, bits), tiles.pack_scales(s, bits)
    assert torch.equal(tiles.unpack(kept, bits, M, K), q)
    whole = formula.dequantize(q, s)
    assert torch.equal(tiles.weights(kept, scales, bits, M, K), whole)
    ids = torch.tensor([[0, M - 1], [M // 2, 0]])
    assert torch.equal(tiles.rows(kept, scales, bits, ids, K), whole[ids])


@pytest.mark.parametrize("formula", [int8, int4])
def test_compiled_loops_unpack_the_same_bits(formula):
    bits, (M, K) = (8 if formula is int8 else 4), (521, 1030)
    q, s = formula.quantize(matrix(M, K))
    kept, scales = tiles.pack(q, bits), tiles.pack_scales(s, bits)
    assert kept.numel() > ENOUGH
    assert torch.equal(tiles.weights(kept, scales, bits, M, K), tiles.plain_weights(kept, scales, bits, M, K))


@pytest.mark.parametrize("K", [1, 31, 32, 70])
def test_x_as_whole_numbers(K):
    x = torch.randn(K, generator=torch.Generator().manual_seed(K)).numpy()
    G = -(-K // 32)
    u, d, total = np.ones((G, 32), np.int8), np.ones(G, np.float32), np.ones(G, np.int32)
    round_to_whole(x, u, d, total)
    padded = np.pad(x, (0, -K % 32)).reshape(G, 32)
    assert np.allclose(d, np.abs(padded).max(1) / 127) and (total == u.sum(1)).all()
    assert (np.abs(u * d[:, None] - padded) <= d[:, None] * 0.5001).all()
    round_to_whole(np.zeros(K, np.float32), u, d, total)
    assert not u.any() and not d.any()


def test_a_group_is_multiplied_exactly():
    draw = np.random.default_rng(0)
    u = draw.integers(-127, 128, 32, dtype=np.int8)
    u[:4] = 127, -127, 127, -127
    for bits, low in ((8, -127), (4, -7)):
        q = draw.integers(low, -low + 1, (16, 32), dtype=np.int8)
        q[0], q[1] = low, -low
        kept = tiles.pack(torch.from_numpy(q), bits)[0, 0].numpy()
        y, minus = np.ones(16, np.float32), np.int32(-(1 << bits - 1) * u.astype(int).sum())
        if bits == 8:
            add_group8(kept, u, minus, np.float32(0.5), y)
            expected = 1 + 0.5 * (q.astype(int) @ u.astype(int))
        else:
            scales = torch.full((16,), 0.25, dtype=torch.bfloat16).view(torch.uint16).numpy()
            add_group4(kept, scales, u, minus, np.float32(0.5), y)
            expected = 1 + 0.125 * (q.astype(int) @ u.astype(int))
        assert (y == expected).all()

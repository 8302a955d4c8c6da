"""Newton-Schulz against the singular value decomposition it stands for."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from glassformer.kernels import newton_schulz

SIDES = st.integers(2, 24)


@given(m=SIDES, n=SIDES, seed=st.integers(0, 2**31))
def test_singular_vectors_stay_and_singular_values_come_near_one(m, n, seed):
    gradient = torch.randn(m, n, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    U, sizes, Vh = torch.linalg.svd(gradient, full_matrices=False)
    inside = U.mT @ newton_schulz.plain(gradient) @ Vh.mT  # diagonal if the singular vectors are kept
    torch.testing.assert_close(inside, torch.diag(inside.diagonal()), atol=1e-8, rtol=0)
    visible = sizes.max() * 0.02
    values = inside.diagonal()[sizes > visible]
    assert (values > 0.5).all() and (values < 1.3).all()


@pytest.mark.parametrize("shape", [(3, 32, 48), (2, 48, 32), (16, 16)])
def test_the_twins_agree_to_bf16(shape):
    gradient = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    plain, fused = newton_schulz.plain(gradient), newton_schulz.fused(gradient)
    assert fused.dtype == gradient.dtype
    assert (plain - fused).norm() / plain.norm() < 0.05


@pytest.mark.parametrize("twin", [newton_schulz.plain, newton_schulz.fused])
def test_a_stack_is_each_matrix_alone_and_size_does_not_matter(twin):
    stack = torch.randn(4, 8, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(twin(stack)[2], twin(stack[2]), atol=0.02, rtol=0)
    torch.testing.assert_close(twin(stack * 1024), twin(stack), atol=0.02, rtol=0)
    assert (twin(torch.zeros(3, 5)) == 0).all()

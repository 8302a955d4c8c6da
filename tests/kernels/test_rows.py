"""The compiled loops are the same formulas: compared in float32 and bf16 with the plain twins in float64."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from glassformer.kernels import _rows, cross_entropy, geglu, gelu, rms_norm, rope, swiglu
from glassformer.kernels.cross_entropy import IGNORED

from .cases import FORMULAS, PLAIN, Case, check_close

MODULES = {"cross_entropy": cross_entropy, "gelu": gelu, "rms_norm": rms_norm, "rope": rope, "swiglu": swiglu}
TWINS = {name: module.fused for name, module in MODULES.items()} | {"geglu": geglu.fused}  # which calls gelu's


@pytest.fixture
def loops(monkeypatch):
    """The loops take any number of numbers, and on three threads; counts the calls that they took."""
    taken = []
    for module in MODULES.values():
        monkeypatch.setattr(module, "serves", lambda t, *more, dtypes=(): taken.append(t) or t.numel() > 0)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    return taken


@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 2e-5), (torch.bfloat16, None)], ids=["float32", "bf16"])
@pytest.mark.parametrize("name", TWINS)
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_loops_are_the_formula_in_values_and_gradients(loops, name, dtype, tolerance, data):
    case: Case = data.draw(FORMULAS[name])
    case.tensors = [t.to(dtype).double() for t in case.tensors]  # both sides start from the same numbers
    values, gradients = case.run(TWINS[name], dtype)
    exact = case.run(getattr(PLAIN, name), torch.float64)
    tolerance = tolerance or (2 if name == "rms_norm" else 1) * case.bfloat16_tolerance
    if dtype == torch.float32 or name != "rms_norm":  # whose slope near 0 exceeds what 8 bits resolve
        check_close(values, exact[0], tolerance, case.value_size, "value")
        check_close(gradients, exact[1], tolerance, case.gradient_size, "gradient")


def test_the_loops_are_used_where_there_is_enough_to_do_in_bf16():
    big, small = torch.zeros(_rows.ENOUGH, dtype=torch.bfloat16), torch.zeros(9, dtype=torch.bfloat16)
    assert _rows.serves(big, small) and not _rows.serves(small, big)
    assert not _rows.serves(big.float()) and _rows.serves(big.float(), dtypes=(torch.float32,))
    assert not _rows.serves(big.to("meta"))


def test_nan_and_infinity_are_kept(loops):
    z = torch.randn(4, 50)
    z[1, 7], z[2] = torch.nan, -torch.inf
    z[2, 3], z[3, ::2] = 0.0, -torch.inf
    cost = cross_entropy.fused(z, torch.tensor([1, 1, 3, 1]))
    assert cost[1].isnan() and cost[2] == 0
    torch.testing.assert_close(cost[[0, 3]], cross_entropy.plain(z, torch.tensor([1, 1, 3, 1]))[[0, 3]])
    gate = torch.tensor([[torch.nan, torch.inf, -torch.inf]])
    assert swiglu.fused(gate, torch.ones(1, 3)).isnan().tolist() == [[True, False, True]]
    assert gelu.fused(gate).isnan().tolist() == [[True, False, True]]  # as PyTorch's own
    x = torch.tensor([[torch.nan, 1.0], [2.0, 2.0]])
    assert rms_norm.fused(x, torch.ones(2)).isnan().all(1).tolist() == [True, False]


@pytest.mark.parametrize("target", [50, 1_000_000, -1])
def test_a_target_that_is_no_id_is_refused(loops, target):
    with pytest.raises(IndexError, match=f"a target is {target}, and the ids are 0 to 49"):
        cross_entropy.fused(torch.randn(3, 50), torch.tensor([1, target, IGNORED]))

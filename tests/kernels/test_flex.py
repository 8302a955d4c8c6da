"""FlexAttention's masks: the rule of each pattern, the blocks that may be skipped, and who is handed over to `fused`.

On a CPU PyTorch computes the dense form, which checks the rules but not the blocks, and its gradient only when the check
that refuses it is lifted; compiled for a CPU it skips blocks, without a gradient. The CUDA tests are the real thing.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention import flex_attention as torch_flex

from glassformer import kernels
from glassformer.kernels import block_sparse, flex, sliding_window, strided
from glassformer.kernels.documents import places

from .cases import BLOCK_SPARSE, FORMULAS, SLIDING_WINDOW, STRIDED, check_close

LARGER = {
    "sliding_window": {"window": [1, 100, 128, 129, 300]},
    "block_sparse": {"block": [30, 64, 100, 200], "before": [0, 1], "first": [0, 1, 3]},
    "strided": {"window": [1, 64, 200], "stride": [64, 256, 300]},
}
"""Sizes at which a block more or less matters."""
PATTERNS = {
    "sliding_window": (sliding_window, SLIDING_WINDOW),
    "block_sparse": (block_sparse, BLOCK_SPARSE),
    "strided": (strided, STRIDED),
}
EVERY = pytest.mark.parametrize("name", PATTERNS)
CUDA = pytest.mark.skipif(
    flex.missing(torch.device("cuda")) is not None or not torch.cuda.is_available(), reason="needs a GPU, CUDA and triton"
)


@dataclass
class Call:
    """Tensors to differentiate by (float64), and what else `attend` takes."""

    name: str
    tensors: list[Tensor]
    sizes: tuple[int, ...]
    documents: Tensor | None

    def plain(self, *tensors: Tensor) -> Tensor:
        return PATTERNS[self.name][0].plain(*tensors, *self.sizes, documents=self.documents)

    def attend(self, *tensors: Tensor, kernel: Callable | None = None) -> Tensor:
        documents = self.documents if self.documents is None else self.documents.to(tensors[0].device)
        return flex.attend(*tensors, PATTERNS[self.name][0].visible, self.sizes, documents, kernel)

    def run(self, form: Callable, dtype: torch.dtype, device: str = "cpu") -> tuple[Tensor, list[Tensor]]:
        """The value, and the gradients of its sum weighted by fixed random numbers."""
        leaves = [t.to(device, dtype).requires_grad_() for t in self.tensors]
        y = form(*leaves)
        weights = torch.randn(y.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        return y.detach().cpu(), [g.cpu() for g in torch.autograd.grad((y * weights.to(y)).sum(), leaves)]


def call(name: str, T: int, sizes: tuple[int, ...], rate: float | None, B=2, G=2, repeat=2, D=16, seed=0) -> Call:
    """A document begins at every 1 / rate-th token or so; None: one document a row."""
    generator = torch.Generator().manual_seed(seed)
    shapes = [(B, G * repeat, T, D), (B, G, T, D), (B, G, T, D)]
    tensors = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    documents = None if rate is None else (torch.rand(B, T, generator=generator) < rate).long().cumsum(1) * 2
    return Call(name, tensors, sizes, documents)


@st.composite
def calls(draw, name: str, longest: int, knobs: dict[str, list[int]]) -> Call:
    sizes = tuple(draw(st.sampled_from(values)) for values in knobs.values())
    B, G, repeat, D = (draw(st.integers(1, 2)) for _ in range(4))
    T = draw(st.one_of(st.sampled_from([1, 127, 128, 129]), st.integers(1, longest)))
    rate = draw(st.sampled_from([None, 0.02, 0.003, 0.0005]))
    return call(name, T, sizes, rate, B, G, repeat, D, draw(st.integers(0, 999)))


def dense(*tensors: Tensor, **settings) -> Tensor:
    """FlexAttention not compiled. On a CPU it refuses a gradient, which the compiled form has not and this one has."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_flex, "_validate_device", lambda *tensors: None)
        return torch_flex.flex_attention(*tensors, **settings)


@EVERY
@settings(max_examples=6)
@given(data=st.data())
def test_the_rules_are_those_of_plain_in_values_and_gradients(name, data):
    case = data.draw(calls(name, 300, PATTERNS[name][1]))
    case.tensors = [t.float().double() for t in case.tensors]  # both dtypes start from the same numbers
    value, gradients = case.run(case.plain, torch.float64)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 2e-5)):
        y, found = case.run(lambda *t: case.attend(*t, kernel=dense), dtype)
        assert y.dtype == dtype
        check_close([y, *found], [value, *gradients], tolerance, 30, f"{name} in {dtype}")


@EVERY
@settings(max_examples=100)
@given(data=st.data())
def test_no_visible_pair_is_in_a_block_that_is_skipped(name, data):
    """And where the rule is not asked, all pairs are visible."""
    case = data.draw(calls(name, 1500, LARGER[name]))
    T = case.tensors[0].shape[2] + -case.tensors[0].shape[2] % flex.BLOCK
    index, rule = torch.arange(T), PATTERNS[name][0].visible
    if case.documents is None:
        mask, seen = flex.alone(rule, case.sizes, T, torch.device("cpu")), rule(index[:, None], index, *case.sizes)[None]
    else:
        case.documents = torch.nn.functional.pad(case.documents, (0, T - case.documents.shape[1]), value=10**6)
        mask = flex.packed(rule, case.sizes, case.documents)
        place = places(case.documents)
        seen = rule(place[:, :, None], place[:, None], *case.sizes)
        seen = seen & (case.documents[:, :, None] == case.documents[:, None])
    tiles = seen.unflatten(1, (-1, flex.BLOCK)).unflatten(3, (-1, flex.BLOCK))  # (B, n, BLOCK, n, BLOCK)
    touched = mask.to_dense()[:, 0].bool()
    assert not (tiles.any(4).any(2) & ~touched).any(), "a visible pair is skipped"
    if case.documents is None:
        assert torch.equal(tiles.any(4).any(2), touched), "a block without a visible pair is computed"
        partial = torch_flex.BlockMask.from_kv_blocks(mask.kv_num_blocks, mask.kv_indices, BLOCK_SIZE=flex.BLOCK)
        assert torch.equal(touched & ~partial.to_dense()[:, 0].bool(), tiles.all(4).all(2)), "the rule is not asked"


def test_packing_skips_what_lies_before_the_document():
    """Four documents of 512: a stride touches all blocks of a row, but only those of its own document here."""
    documents = torch.arange(4).repeat_interleave(512)[None]
    n = 4
    for rule, sizes in ((strided.visible, (64, 64)), (sliding_window.visible, (4096,)), (block_sparse.visible, (64, 0, 8))):
        assert int(flex.packed(rule, sizes, documents).to_dense().sum()) == 4 * n * (n + 1) // 2


def test_every_document_keeps_its_own_beginning_in_sight():
    """One begins at 70 and shows its first 192 tokens, 70 to 261, to all: blocks 0 to 2."""
    documents = (torch.arange(1024) >= 70).long()[None]
    last = flex.packed(block_sparse.visible, (64, 0, 3), documents).to_dense()[0, 0, 7]
    assert last.tolist() == [1, 1, 1, 0, 0, 0, 1, 1]


def test_masks_without_data_are_kept():
    first = flex.alone(sliding_window.visible, (50,), 256, torch.device("cpu"))
    assert first is flex.alone(sliding_window.visible, (50,), 256, torch.device("cpu"))
    assert first is not flex.alone(sliding_window.visible, (51,), 256, torch.device("cpu"))


@EVERY
@settings(max_examples=10)
@given(data=st.data())
def test_on_a_cpu_it_is_fused_to_the_bit(name, data):
    """With older keys, biases, documents: whatever the contract allows."""
    case = data.draw(FORMULAS[name])
    values, gradients = case.run(getattr(kernels.fused(), name), torch.float32)
    for a, b in zip((values, gradients), case.run(getattr(kernels.flexible(), name), torch.float32)):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_who_is_handed_over(monkeypatch):
    """Anything but training without dropout and bias, in a format and a width that the compiler knows."""
    monkeypatch.setattr(flex, "missing", lambda device: None)

    def possible(T=256, S=256, D=16, dtype=torch.float32, training=True, bias=None, dropout=0.0):
        q, k = torch.zeros(1, 1, T, D, dtype=dtype, requires_grad=training), torch.zeros(1, 1, S, D, dtype=dtype)
        return flex.possible(q, k, bias, dropout)

    assert possible() and possible(dtype=torch.bfloat16) and possible(bias=lambda q, k: None)  # rope adds nothing
    assert not possible(bias=lambda q, k: q[:, None] - k)
    assert not any(
        possible(**other) for other in ({"dropout": 0.1}, {"training": False}, {"T": 1}, {"D": 8}, {"dtype": torch.float64})
    )
    with torch.no_grad():
        assert not possible()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("g++"), reason="the compiled form needs a C++ compiler")
@EVERY
def test_compiled_it_skips_blocks_and_is_right(name):
    """On a CPU, forward only: no compiling again for other documents, nor for a length in the same last block."""
    sizes = {"sliding_window": (50,), "block_sparse": (16, 1, 1), "strided": (7, 300)}[name]
    torch._dynamo.reset()
    for rate in (None, 0.02):
        for i, T in enumerate((600, 601)):
            case = call(name, T, sizes, rate, seed=i)
            with torch.no_grad(), torch._dynamo.config.patch(error_on_recompile=i > 0):  # pyright: ignore
                y = case.attend(*(t.float() for t in case.tensors))
            check_close([y], [case.plain(*case.tensors)], 2e-5, 1, f"{name}, T={T}")


@CUDA
@EVERY
@pytest.mark.parametrize("rate", [None, 0.02], ids=["alone", "packed"])
@pytest.mark.parametrize("T", [256, 1000])
def test_compiled_for_cuda_values_and_gradients(name, rate, T):
    sizes = {"sliding_window": (200,), "block_sparse": (64, 1, 1), "strided": (64, 300)}[name]
    case = call(name, T, sizes, rate, D=64)
    for dtype, tolerance in ((torch.float32, 1e-4), (torch.bfloat16, 3e-2)):
        case.tensors = [t.to(dtype).double() for t in case.tensors]
        value, gradients = case.run(case.plain, torch.float64)
        y, found = case.run(case.attend, dtype, "cuda")
        check_close([y], [value], tolerance, 1, f"{name} in {dtype}, value")
        check_close(found, gradients, tolerance, 1, f"{name} in {dtype}, gradient")
        again = case.run(case.attend, dtype, "cuda")
        assert torch.equal(y, again[0]) and all(map(torch.equal, found, again[1])), "a second run gives other bits"


@CUDA
@EVERY
def test_on_cuda_training_goes_through_it_and_reading_does_not(name, monkeypatch):
    sizes = {"sliding_window": (50,), "block_sparse": (16, 1, 1), "strided": (7, 16)}[name]
    case, calls = call(name, 256, sizes, None), []
    attend = flex.attend
    monkeypatch.setattr(flex, "attend", lambda *args: calls.append(name) or attend(*args))
    q, k, v = (t.float().cuda().requires_grad_() for t in case.tensors)
    with torch.autocast("cuda", torch.bfloat16):
        y = getattr(kernels.flexible(), name)(q.bfloat16(), k.bfloat16(), v.bfloat16(), *sizes)
    assert calls == [name] and y.requires_grad and y.dtype == torch.bfloat16
    with torch.no_grad():
        getattr(kernels.flexible(), name)(q, k, v, *sizes)
    assert calls == [name]

"""The instruction `vpdpbusd` (AVX-512 VNNI): 64 products of whole numbers, added in fours to 16 sums.

`integers.py` has the same in a loop, with the same results to the last bit. Whether this machine's CPU has the instruction
is asked of the compiler, which knows for which CPU it compiles; no CPU is known by its name.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target

from glassformer.system.compiled import intrinsic

BYTES, INTS, FLOATS = (ir.VectorType(t, n) for t, n in ((ir.IntType(8), 64), (ir.IntType(32), 16), (ir.FloatType(), 16)))
HALVES = ir.VectorType(ir.IntType(16), 16)
INT = ir.IntType(32)


def available() -> bool:
    """Whether the code that is compiled here may use it."""
    context: Any = cpu_target.target_context
    features = context.codegen().magic_tuple()[2].split(",")
    return {"+avx512vnni", "+avx512bw", "+avx512f"} <= {*features}


def _read(builder: Any, address: Any, kind: Any, at: int = 0) -> Any:
    """The vector or number number `at` from the address on."""
    place = builder.inttoptr(address, kind.as_pointer())
    value = builder.load(builder.gep(place, [INT(at)]))
    value.align = 1
    return value


def _everywhere(builder: Any, number: Any, kind: Any) -> Any:
    """A vector of 16 with this number in each place."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), number, INT(0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * 16))


def _add_products(builder: Any, sums: Any, weights: Any, x: Any, four: int) -> Any:
    """sums (16) + weights (16, 4), unsigned, times the four numbers x[4 four ...]."""
    name, kind = "llvm.x86.avx512.vpdpbusd.512", ir.FunctionType(INTS, [INTS, BYTES, BYTES])
    instruction = cgutils.get_or_insert_function(builder.module, kind, name)
    numbers = builder.bitcast(_everywhere(builder, _read(builder, x, INT, four), INTS), BYTES)
    return builder.call(instruction, [sums, weights, numbers])


def _finish(builder: Any, sums: Any, scale: Any, y: Any) -> None:
    """y (16) += sums * scale."""
    place = builder.inttoptr(y, FLOATS.as_pointer())
    total = builder.fadd(_read(builder, y, FLOATS), builder.fmul(builder.sitofp(sums, FLOATS), scale))
    builder.store(total, place).align = 1


@intrinsic
def add_group8(typing: Any, tile: Any, x: Any, minus: Any, d: Any, y: Any) -> Any:
    """`integers.add_group8`: y, x and tile are addresses."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if available():
            tile, x, minus, d, y = arguments
            sums = _everywhere(builder, minus, INTS), ir.Constant(INTS, [0] * 16)
            for four in range(0, 8, 2):  # two sums, so that no instruction waits for the one before it
                sums = tuple(
                    _add_products(builder, s, _read(builder, tile, BYTES, four + i), x, four + i)
                    for i, s in enumerate(sums)
                )
            _finish(builder, builder.add(*sums), _everywhere(builder, d, FLOATS), y)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int32, types.float32, types.int64), code


@intrinsic
def add_group4(typing: Any, tile: Any, scales: Any, x: Any, minus: Any, d: Any, y: Any) -> Any:
    """`integers.add_group4`: y, x, scales and tile are addresses."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if available():
            tile, scales, x, minus, d, y = arguments
            low, high = _everywhere(builder, minus, INTS), ir.Constant(INTS, [0] * 16)
            mask, shift = ir.Constant(BYTES, [15] * 64), ir.Constant(BYTES, [4] * 64)
            for four in range(4):
                both = _read(builder, tile, BYTES, four)
                low = _add_products(builder, low, builder.and_(both, mask), x, four)
                high = _add_products(builder, high, builder.lshr(both, shift), x, four + 4)
            bits = builder.shl(builder.zext(_read(builder, scales, HALVES), INTS), ir.Constant(INTS, [16] * 16))
            scale = builder.fmul(builder.bitcast(bits, FLOATS), _everywhere(builder, d, FLOATS))
            _finish(builder, builder.add(low, high), scale, y)
        return context.get_dummy_value()

    return types.void(types.int64, types.int64, types.int64, types.int32, types.float32, types.int64), code

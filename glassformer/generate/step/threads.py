"""How the threads of a step wait for each other: a barrier of one number that all of them count up.

A step of 124 million weights has 61 places where every thread needs what the others have computed, and it takes 3 to 10 ms;
so a wait must end within a microsecond. A thread looks at the number again and again, 2,000 times; then it lets the
system run somebody else before each look, because on a busy machine it may be the other thread that waits for this core.
"""

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from glassformer.system.compiled import intrinsic, kernel

LOOKS = 2_000
"""How often a thread looks before it yields."""
WORD = ir.IntType(64)


@intrinsic
def count_up(typing: Any, address: Any) -> Any:
    """Add 1 to the int64 at this address, so that no other thread's 1 is lost."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], WORD.as_pointer())
        builder.atomic_rmw("add", place, WORD(1), "seq_cst")
        return context.get_dummy_value()

    return types.void(types.int64), code


@intrinsic
def look(typing: Any, address: Any) -> Any:
    """The int64 at this address, with all that other threads wrote before they changed it."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = builder.inttoptr(arguments[0], WORD.as_pointer())
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(types.int64), code


@intrinsic
def give_way(typing: Any) -> Any:
    """Let the system run another thread on this core."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name = "SwitchToThread" if sys.platform == "win32" else "sched_yield"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), []), name)
        builder.call(function, [])
        return context.get_dummy_value()

    return types.void(), code


@kernel
def meet(arrived, n_threads, meeting):
    """Return when all threads have come to this meeting, the first of a step being number 1."""
    if n_threads == 1:
        return
    count_up(arrived)
    looks = 0
    while look(arrived) < n_threads * meeting:
        looks += 1
        if looks > LOOKS:
            give_way()

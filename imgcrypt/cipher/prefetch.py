"""A hint to the memory that Numba has no name for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _fetch(typing: Any, array: Any, index: Any) -> Any:
    """What ``fetch`` compiles to: LLVM's prefetch of data to be read, into all caches."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        pointer, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        at = builder.bitcast(builder.gep(data, [args[1]]), pointer)
        builder.call(function, [at, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, index), generate


def _nothing(array: Any, index: Any) -> None:
    """What stands for it where nothing is compiled."""


fetch = _nothing if config.DISABLE_JIT else intrinsic(_fetch)
"""``fetch(array, index)``: ask for the bytes at ``array[index]``, which will be read soon. It changes nothing."""

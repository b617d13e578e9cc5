"""The bits of a number, and back, in a loop that stays vectorized: a view of the array would keep it from that."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic


def _to_bits(typing: Any, number: Any) -> Any:
    """What ``to_bits`` compiles to."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.uint64(types.float64), generate


def _to_float(typing: Any, bits: Any) -> Any:
    """What ``to_float`` compiles to."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.uint64), generate


def _plain_to_bits(number: Any) -> Any:
    """What stands for it where nothing is compiled."""
    return np.uint64(struct.unpack("<Q", struct.pack("<d", number))[0])


def _plain_to_float(bits: Any) -> Any:
    """What stands for it where nothing is compiled."""
    return np.float64(struct.unpack("<d", struct.pack("<Q", bits))[0])


to_bits = _plain_to_bits if config.DISABLE_JIT else intrinsic(_to_bits)
"""``to_bits(number)``: the 64 bits of a float64, as uint64."""
to_float = _plain_to_float if config.DISABLE_JIT else intrinsic(_to_float)
"""``to_float(bits)``: the float64 of 64 bits, given as uint64."""

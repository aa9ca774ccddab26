"""From hash bytes to Gaussian integers inside compiled kernels: a table look-up where the CPU can, else a polynomial.

With AVX-512 VBMI, two `vpermi2b` look up 64 bytes in a 256-entry table in registers, some ten times faster than arithmetic.
Both ways give the same integers for all 256 bytes (tested).
"""

from __future__ import annotations

from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils, config
from numba.extending import intrinsic

from .medium import GAUSSIAN_BYTES

# numba may be told to compile for another CPU than this one (NUMBA_CPU_NAME): then nothing of this one is assumed.
HAS_TABLE_LOOKUP = bool(llvm.get_host_cpu_features().get("avx512vbmi", False)) and not config.CPU_NAME

C1, C3, C5 = np.float32(1043 / 2**12), np.float32(-258 / 2**26), np.float32(228 / 2**41)


@intrinsic
def _lookup_64(_typing_context: Any, source: Any, start: Any, target: Any) -> Any:
    """target[start : start + 64] = table[source[start : start + 64]], int8 arrays."""
    signature = types.void(source, start, target)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte = ir.IntType(8)
        vector = ir.VectorType(byte, 64)

        def pointer(k: int) -> Any:
            array = context.make_array(signature.args[k])(context, builder, arguments[k])
            start = builder.gep(builder.bitcast(array.data, byte.as_pointer()), [arguments[1]])
            return builder.bitcast(start, vector.as_pointer())

        def constant(values: Any) -> Any:
            return ir.Constant(vector, [ir.Constant(byte, int(value) & 255) for value in values])

        permute = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(vector, [vector, vector, vector]), "llvm.x86.avx512.vpermi2var.qi.512"
        )
        index = builder.load(pointer(0))
        index.align = 1
        table = GAUSSIAN_BYTES
        low = builder.call(permute, [constant(table[:64]), index, constant(table[64:128])])
        high = builder.call(permute, [constant(table[128:192]), index, constant(table[192:])])
        negative = builder.icmp_signed("<", index, constant([0] * 64))
        store = builder.store(builder.select(negative, high, low), pointer(2))
        store.align = 1
        return context.get_dummy_value()

    return signature, generate


@njit(nogil=True, cache=True)
def lookup_bytes(source: Any, target: Any) -> None:
    """target = table[source], int8 arrays whose length is a multiple of 64; needs AVX-512 VBMI."""
    for start in range(0, source.size, 64):
        _lookup_64(source, start, target)


# "contract" lets the compiler fuse multiply and add; the result is rounded to an integer that all 256 bytes agree on.
@njit(nogil=True, cache=True, fastmath={"contract"})
def polynomial_bytes(source: Any, target: Any) -> None:
    """target = rint(t (C1 + t^2 (C3 + t^2 C5))), t = 2 source + 1, int8 arrays; any CPU."""
    for i in range(source.size):
        t = np.float32(2) * np.float32(source[i]) + np.float32(1)
        square = t * t
        target[i] = np.int8(np.rint(t * (C1 + square * (C3 + square * C5))))


map_bytes = lookup_bytes if HAS_TABLE_LOOKUP else polynomial_bytes

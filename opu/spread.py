"""Errors spread over all inputs of an OPU, so that no light is wasted on a few of them."""

from __future__ import annotations

from array_api_compat import device

from opu.arrays import Array, namespace


def spread(error: Array, n_inputs: int) -> tuple[Array, int]:
    """Each error shown on k = n_inputs // n_errors inputs: (rows, n_inputs), zeros at the end, and k.

    The sum of k i.i.d. N(0, 1) columns over sqrt(k) is N(0, 1) again: divide the projection by sqrt(k).
    """
    xp = namespace(error)
    rows, n_errors = error.shape
    copies, rest = divmod(n_inputs, n_errors)
    repeated = xp.reshape(xp.broadcast_to(error[:, :, None], (rows, n_errors, copies)), (rows, n_errors * copies))
    if rest:
        repeated = xp.concat([repeated, xp.zeros((rows, rest), dtype=error.dtype, device=device(error))], axis=1)
    return repeated, copies

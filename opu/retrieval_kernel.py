"""Anchored retrieval of NumPy readings compiled, bit for bit what `retrieval.field` and the sum over planes give."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

RUN = 64
"""Neighbouring outputs looked at together: a vector load."""


# No fused multiply-add: every operation rounds as NumPy's does.
@njit(nogil=True, cache=True, error_model="numpy")
def sum_of_planes(readings: Any, shown: Any, offsets: Any, top: Any, gain: Any, weights: Any, result: Any) -> None:
    """result[i] = sum over planes k of weights[i, k] gain (difference of plane k - its offset), float32.

    readings: (planes shown, 2 or 4, n_outputs); shown: int64[n, planes], where plane (i, k) is among them, -1 if it is dark
    and was not shown; offsets: float32[planes shown], used with two frames a plane, but where both read 0 or both `top`, if
    that is not 0 (`retrieval.last_of_few_codes`).
    """
    four = readings.shape[1] == 4
    for i in range(result.shape[0]):
        row = result[i]
        row[:] = 0
        for k in range(shown.shape[1]):
            plane = shown[i, k]
            if plane < 0:
                continue
            weight, offset = weights[i, k], offsets[plane]
            plus, minus = readings[plane, 0], readings[plane, 1]
            if four:
                plain_plus, plain_minus = readings[plane, 2], readings[plane, 3]
                for j in range(row.size):
                    anchored = np.float32(np.int32(plus[j]) - np.int32(minus[j]))
                    plain = np.float32(np.int32(plain_plus[j]) - np.int32(plain_minus[j]))
                    row[j] += (anchored - plain) * gain[j] * weight
            elif top > 0:
                for j in range(row.size):
                    if plus[j] != minus[j] or 0 < plus[j] < top:
                        row[j] += (np.float32(np.int32(plus[j]) - np.int32(minus[j])) - offset) * gain[j] * weight
            else:
                for j in range(row.size):
                    row[j] += (np.float32(np.int32(plus[j]) - np.int32(minus[j])) - offset) * gain[j] * weight


@njit(nogil=True, cache=True)
def light_counts(readings: Any, lit: Any, step: Any, saturation: Any, dark_limit: Any) -> Any:
    """(looked at, saturated, dark) among the lit frames' readings, RUN outputs of every RUN step: readings (n, n_outputs)."""
    n_outputs = readings.shape[1]
    looked, saturated, dark = 0, 0, 0
    for f in range(readings.shape[0]):
        if not lit[f]:
            continue
        row = readings[f]
        for start in range(0, n_outputs, RUN * step):
            stop = min(start + RUN, n_outputs)
            some, limits = row[start:stop], dark_limit[start:stop]
            high, low = np.uint8(0), np.uint8(0)
            for j in range(some.size):
                high += np.uint8(some[j] >= saturation)
                low += np.uint8(some[j] <= limits[j])
            looked += some.size
            saturated += int(high)
            dark += int(low)
    return looked, saturated, dark

"""The camera's exact law, compiled: photons -> DN in one pass, as `noise.exact_electrons` and `Camera`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .kernels import GAMMA, S32, hash_word
from .quantiles import normal_quantile, poisson_quantile

S12 = np.uint64(12)
UNIT, HALF = 2.0**-52, 0.5


@njit(nogil=True, cache=True, error_model="numpy")
def exact_readings(
    photons: Any,
    shot_keys: Any,
    read_keys: Any,
    first_frame: Any,
    first_output: Any,
    electrons: Any,
    optics: Any,
    pixel: Any,
    pattern: Any,
    readings: Any,
) -> None:
    """readings = camera(photons), both (n_frames, n_outputs), noise of frames first_frame.. and outputs first_output...

    shot_keys, read_keys: key words of both streams; electrons: float64 (read noise, full well); optics: float32 (gain, largest
    code); pixel, pattern: as in `camera_kernel.fast_readings`.
    """
    read_noise, full_well = electrons
    gain, top = optics
    efficiency, dark, black = pixel
    # Ten standard deviations over the full well: it is full.
    overflowing = (5.0 + np.sqrt(26.0 + full_well)) ** 2
    for f in range(photons.shape[0]):
        at = (np.uint64(first_frame + f) << S32) * GAMMA + np.uint64(first_output) * GAMMA
        for o in range(photons.shape[1]):
            if pattern is not None:
                efficiency, dark, black = pattern[0][o], pattern[1][o] * pattern[3], pattern[2][o]
            mean = photons[f, o] * efficiency + dark
            place = at + np.uint64(o) * GAMMA
            held = full_well
            if mean < overflowing:
                held = min(poisson_quantile(_uniform(shot_keys, place), np.float64(mean)), full_well)
            if read_noise > 0.0:
                held += normal_quantile(_uniform(read_keys, place)) * read_noise
            code = np.rint(np.float32(held) * gain + black)
            readings[f, o] = np.int32(min(max(code, np.float32(0)), top))


@njit(inline="always")
def _uniform(keys: Any, place: Any) -> Any:
    """In (0, 1), 52 bits, as `noise.uniform`."""
    return (np.float64(hash_word(keys[0] + place, keys[1]) >> S12) + HALF) * UNIT

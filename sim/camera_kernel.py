"""The camera's fast law, compiled: photons -> DN in one pass, bit for bit `noise.fast_electrons` and `Camera`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .hashing import GAMMA as GAMMA_INT
from .kernels import GAMMA, S32, hash_word
from .noise import NORMAL_POLYNOMIAL

A1, A3, A5, A7 = (np.float32(value) for value in NORMAL_POLYNOMIAL)
TO_NORMAL = np.float32(np.sqrt(3.0) / 65536)
MIDDLE = np.float32(131070.0)
ONE, TWO, SIX, ZERO = np.float32(1), np.float32(2), np.float32(6), np.float32(0)
LOW_16 = np.uint64(0xFFFF)
CHUNK = 512

assert int(GAMMA) == GAMMA_INT


# No fused multiply-add, no reordering: every operation rounds as NumPy's does, so readings agree to the last bit.
@njit(nogil=True, cache=True, error_model="numpy")
def fast_readings(
    photons: Any,
    seed_keys: Any,
    first_frame: Any,
    first_output: Any,
    optics: Any,
    pixel: Any,
    pattern: Any,
    readings: Any,
) -> None:
    """readings = camera(photons), both (n_frames, n_outputs), noise of frames first_frame.. and outputs first_output...

    seed_keys: the noise stream's two key words; optics: float32 (read noise^2, gain, largest code); pixel: float32
    (electrons per photon, dark electrons, black level) of every pixel; pattern: None, or the fixed pattern's float32
    arrays [n_outputs] (electrons per photon, dark electrons per second, black level) and the exposure, instead of pixel.
    """
    first_key, second_key = seed_keys
    read_variance, gain, top = optics
    efficiency, dark, black = pixel
    sums = np.empty(CHUNK, np.int32)
    for f in range(photons.shape[0]):
        base = first_key + (np.uint64(first_frame + f) << S32) * GAMMA + np.uint64(first_output) * GAMMA
        for start in range(0, photons.shape[1], CHUNK):
            size = min(CHUNK, photons.shape[1] - start)
            for i in range(size):
                word = hash_word(base + np.uint64(start + i) * GAMMA, second_key)
                low = (word & LOW_16) + ((word >> np.uint64(16)) & LOW_16)
                sums[i] = np.int32(low + ((word >> S32) & LOW_16) + (word >> np.uint64(48)))
            light = photons[f, start : start + size]
            out = readings[f, start : start + size]
            if pattern is not None:
                efficiencies = pattern[0][start : start + size]
                darks = pattern[1][start : start + size]
                blacks = pattern[2][start : start + size]
            for i in range(size):
                t = (np.float32(sums[i]) - MIDDLE) * TO_NORMAL
                square = t * t
                z = (((A7 * square + A5) * square + A3) * square + A1) * t
                if pattern is not None:
                    efficiency, dark, black = efficiencies[i], darks[i] * pattern[3], blacks[i]
                mean = light[i] * efficiency + dark
                variance = mean + read_variance
                skew = mean / (SIX * variance)
                spread = np.sqrt(variance - TWO * (skew * skew))
                electrons = mean + z * spread + skew * (z * z - ONE)
                code = np.rint(electrons * gain + black)
                out[i] = np.int32(min(max(code, ZERO), top))

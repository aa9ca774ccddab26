"""How steady the laser is: noise from frame to frame, and slow drift of its power."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .laser_settings import LaserSettings
from .noise import stream_seed
from .wander import normals, wander

RIN_STREAM = 0x52494E
DRIFT_STREAM = 0x504F574552


def brightness(
    settings: LaserSettings, noise_seed: int, first_frame: int, times_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Light of each frame over its mean, (1 + rin z) (1 + drift w), each factor at least 0, float64[n].

    z: one N(0, 1) per frame number; w: an Ornstein-Uhlenbeck process of unit variance at times_s[n], seconds since open(),
    with correlation exp(-|dt| / power_drift_time_s). Both fractions are at most 0.2, so that the floor at 0, five standard
    deviations off, moves the mean by less than 3e-8. All light of a frame scales alike, the reference arm's too.
    """
    light = np.ones(len(times_s))
    if settings.rin_rms:
        numbers = np.arange(first_frame, first_frame + len(times_s), dtype=np.int64)
        light *= _at_least_0(1 + settings.rin_rms * normals(stream_seed(noise_seed, RIN_STREAM), numbers))
    if settings.power_drift_rms:
        slow = wander(stream_seed(noise_seed, DRIFT_STREAM), times_s, settings.power_drift_time_s)
        light *= _at_least_0(1 + settings.power_drift_rms * slow)
    return light


def _at_least_0(factor: NDArray[np.float64]) -> NDArray[np.float64]:
    floored: NDArray[np.float64] = np.maximum(factor, 0.0)
    return floored

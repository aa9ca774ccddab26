"""What differs from pixel to pixel and stays: PRNU, DSNU, hot and dead pixels, as functions of (seed, output)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .camera_settings import CameraSettings
from .noise import standard_normal, stream_seed, uniform

RESPONSE_STREAM = 0x50524E55
OFFSET_STREAM = 0x44534E55
HOT_STREAM = 0x484F5453
DEAD_STREAM = 0x44454144


@dataclass(frozen=True)
class FixedPattern:
    """Per output, float32[n]: electrons per photon, dark current in electrons per second, black level in DN."""

    efficiency: NDArray[np.float32]
    dark_current_e_per_s: NDArray[np.float32]
    black_dn: NDArray[np.float32]

    def of(self, outputs: slice) -> FixedPattern:
        """The pattern of some of these outputs."""
        return FixedPattern(self.efficiency[outputs], self.dark_current_e_per_s[outputs], self.black_dn[outputs])


def fixed_pattern(settings: CameraSettings, outputs: range) -> FixedPattern:
    """The pattern of absolute outputs: the same for any shard that holds them.

    efficiency = QE (1 + prnu N), 0 where dead; dark current = (mean + hot) 2^((T - T_ref) / doubling); black level =
    black + K dsnu N, an offset of the electronics: without shot noise, the same at any exposure. EMVA 1288 release 4,
    sections 2.1 and 4.
    """
    s = settings

    def normal(stream: int) -> NDArray[np.float32]:
        return standard_normal(stream_seed(s.pixel_seed, stream), 0, 1, len(outputs), outputs.start).ravel()

    def drawn(stream: int, fraction: float) -> NDArray[np.bool_]:
        if not fraction:
            return np.zeros(len(outputs), np.bool_)
        return uniform(stream_seed(s.pixel_seed, stream), 0, 1, len(outputs), outputs.start).ravel() < fraction

    efficiency = np.float32(s.quantum_efficiency) * (np.float32(1) + np.float32(s.prnu_rms) * normal(RESPONSE_STREAM))
    efficiency[drawn(DEAD_STREAM, s.dead_fraction)] = 0
    dark = np.full(len(outputs), s.dark_current_e_per_s * s.warming, np.float32)
    dark[drawn(HOT_STREAM, s.hot_fraction)] += np.float32(s.hot_dark_current_e_per_s * s.warming)
    black = np.float32(s.black_dn) + np.float32(s.gain * s.dsnu_e) * normal(OFFSET_STREAM)
    return FixedPattern(efficiency, dark, black)

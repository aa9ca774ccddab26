"""The reference arm's wave: R exp(i (phase + 2 pi tilt . pixel + drift(t)))."""

from __future__ import annotations

from math import cos, sin

import numpy as np
from numpy.typing import NDArray

from .hashing import MASK, mix
from .reference_settings import ReferenceSettings
from .wander import phase_walk

PHASE_STREAM = 0x5048415345


def plane_wave(settings: ReferenceSettings, shape: tuple[int, int] | None, outputs: range) -> NDArray[np.complex64]:
    """exp(2 pi i tilt . pixel) at outputs of a region of that shape, row by row, complex64; 1 where outputs lie nowhere."""
    if shape is None:
        return np.ones(len(outputs), np.complex64)
    row, column = np.divmod(np.arange(outputs.start, outputs.stop), shape[1])
    down, across = settings.tilt_cycles_per_px
    wave: NDArray[np.complex64] = np.exp(2j * np.pi * (down * row + across * column)).astype(np.complex64)
    return wave


def frame_phases(
    settings: ReferenceSettings, noise_seed: int, asked_rad: NDArray[np.float64], times_s: NDArray[np.float64]
) -> NDArray[np.complex64]:
    """exp(i phase) of each frame, complex64: the phase asked for, as the modulator sets it, and the arms' drift since t = 0."""
    phases = asked_rad * (1 + settings.phase_gain_error)
    if settings.coherence_time_s is not None:
        phases = phases + phase_walk(mix((noise_seed ^ PHASE_STREAM) & MASK), times_s, settings.coherence_time_s)
    # One at a time: a vectorised cosine may round differently in its tail, and batches would differ by a bit.
    return np.array([complex(cos(phase), sin(phase)) for phase in phases.tolist()], np.complex64)

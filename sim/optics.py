"""From packed frames to mean photons where light is more than |field|^2 of one still medium, in the order of the physics:

drifting media, two polarisations, the reference wave, speckle grain over the camera's pixels. Elementwise arithmetic is
compiled without fused operations and FFTs are taken frame by frame, so that a frame's photons do not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from opu.threads import get_num_threads, run_tasks

from .compiling import announce_compilation
from .drift import DriftingMedium
from .grain import Grain
from .light import Photons

FIELDS_AT_ONCE = 2**22
"""Frames are taken in blocks of about this many fields (32 MiB)."""


@dataclass(frozen=True)
class Beams:
    """What arrives with each frame: its amplitude's square is the mean photons of the whole panel on.

    times_s: float64[n] since the device was opened, not falling; reference: complex64[n], exp(i phase) of the reference arm
    in each frame, None where it is shut.
    """

    amplitude: float
    times_s: NDArray[np.float64]
    reference: NDArray[np.complex64] | None = None


class Optics:
    """Photons at the camera's outputs, those read of all.

    media: one for each polarisation, of which the reference meets the first; shares: of the light, summing to 1. wave:
    complex64[outputs], the reference wave over the amplitude of the panel's light. grain: how pixels see the media's modes,
    under a wave of that tilt; None: outputs are the media's.
    """

    def __init__(
        self,
        media: list[DriftingMedium],
        shares: list[float],
        wave: NDArray[np.complex64],
        outputs: range,
        grain: Grain | None = None,
        tilt_cycles_per_px: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        self.media, self.shares, self.wave, self.outputs = media, shares, wave, outputs
        self.grain, self.tilt_cycles_per_px = grain, tilt_cycles_per_px

    def expose(
        self,
        packed: NDArray[np.uint8],
        anchored: NDArray[np.float32],
        beams: Beams,
        consume: Callable[[slice, slice, Photons], None],
    ) -> None:
        """Hand out the mean photons of every frame and output, as light.Light.expose does."""
        announce_compilation(add_intensity, add_interference)
        step = max(1, FIELDS_AT_ONCE // self._n_modes)
        for start in range(0, len(packed), step):
            frames = slice(start, min(start + step, len(packed)))
            consume(frames, slice(0, len(self.outputs)), self._photons(packed, anchored, beams, frames))

    def _photons(
        self, packed: NDArray[np.uint8], anchored: NDArray[np.float32], beams: Beams, frames: slice
    ) -> Photons:
        photons = np.zeros((frames.stop - frames.start, len(self.outputs)), np.float32)
        fields = np.empty((len(photons), self._n_modes), np.complex64)
        for k, (medium, share) in enumerate(zip(self.media, self.shares, strict=True)):
            fields[:] = 0
            times_s = beams.times_s[frames]
            medium.add_fields(packed[frames], anchored[frames], beams.amplitude, times_s, fields)
            reference = None if k or beams.reference is None else beams.reference[frames]
            self._add_light(fields, np.float32(share), np.float32(beams.amplitude), reference, photons)
        return photons

    def _add_light(
        self,
        fields: NDArray[np.complex64],
        share: np.float32,
        amplitude: np.float32,
        reference: NDArray[np.complex64] | None,
        photons: Photons,
    ) -> None:
        wave = amplitude * self.wave
        if self.grain is None:
            if reference is None:
                add_intensity(fields, share, photons)
            else:
                add_interference(fields, np.sqrt(share), wave, reference, photons)
            return
        grain, outputs = self.grain, slice(self.outputs.start, self.outputs.stop)

        def task(row: int) -> None:
            light = grain.light(fields[row])[outputs]
            if reference is None:
                photons[row] += share * light
            else:
                mean_field = grain.field(fields[row], self._taper)[outputs]
                add_fringes(light, mean_field, share, wave, reference[row], photons[row])

        run_tasks(task, range(len(fields)), get_num_threads())

    @property
    def _n_modes(self) -> int:
        return len(self.outputs) if self.grain is None else self.grain.n_modes

    @cached_property
    def _taper(self) -> NDArray[np.float32]:
        assert self.grain is not None
        return self.grain.taper(self.tilt_cycles_per_px)


@njit(nogil=True, cache=True)
def add_intensity(fields: Any, share: Any, photons: Any) -> None:
    """photons += share |field|^2, all (n, outputs)."""
    for b in range(fields.shape[0]):
        row, out = fields[b], photons[b]
        for i in range(row.size):
            out[i] += share * (row[i].real * row[i].real + row[i].imag * row[i].imag)


@njit(nogil=True, cache=True)
def add_interference(fields: Any, root_share: Any, wave: Any, phases: Any, photons: Any) -> None:
    """photons += |root_share field + wave phase|^2; wave: (outputs,), phases: (n,), of modulus 1."""
    for b in range(fields.shape[0]):
        row, out = fields[b], photons[b]
        cosine, sine = phases[b].real, phases[b].imag
        for i in range(row.size):
            real = root_share * row[i].real + (wave[i].real * cosine - wave[i].imag * sine)
            imaginary = root_share * row[i].imag + (wave[i].real * sine + wave[i].imag * cosine)
            out[i] += real * real + imaginary * imaginary


@njit(nogil=True, cache=True)
def add_fringes(light: Any, mean_field: Any, share: Any, wave: Any, phase: Any, photons: Any) -> None:
    """photons += share light + |wave|^2 + 2 sqrt(share) Re(conj(wave phase) mean_field), one frame's pixels.

    mean_field: of field times conj(wave) over each pixel, but for the wave's value at its centre.
    """
    cosine, sine, twice = phase.real, phase.imag, np.float32(2) * np.sqrt(share)
    zero = np.float32(0)
    for i in range(light.size):
        real = wave[i].real * cosine - wave[i].imag * sine
        imaginary = wave[i].real * sine + wave[i].imag * cosine
        cross = real * mean_field[i].real + imaginary * mean_field[i].imag
        total = share * light[i] + (real * real + imaginary * imaginary) + twice * cross
        photons[i] += max(total, zero)

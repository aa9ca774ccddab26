"""Speckle grain: the camera's pixels see a band-limited field, and each integrates the light over its square.

The medium's outputs are the modes of a circular pupil, independent of each other; the camera stands in its far field. With
the grain g = wavelength x distance / (pupil diameter x pixel pitch) in pixels, the pupil is the disc of spatial frequencies
up to 1/(2 g) cycles per pixel, and intensities a distance d apart correlate by [2 J1(pi d / g) / (pi d / g)]^2. Source:
Goodman, Speckle Phenomena in Optics, 2nd ed., sections 3 and 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

MARGIN_GRAINS = 4
"""The discrete field repeats itself; opposite edges of the region stay this many grains apart (correlation below 0.2 %)."""
PERIOD_GRAINS = 32
"""Least period, so that the pupil is some 800 modes or more and its jagged rim changes the grain by less than 1 %."""


@dataclass(frozen=True)
class Grain:
    """Pixels of a camera region from the modes of a pupil.

    shape: (rows, columns) of the region; grain_px: as above; modes are in order of frequency, row by row.
    """

    shape: tuple[int, int]
    grain_px: float

    @cached_property
    def periods_px(self) -> tuple[int, int]:
        """After how many pixels the field repeats, down and across."""
        least = [max(size + MARGIN_GRAINS * self.grain_px, PERIOD_GRAINS * self.grain_px) for size in self.shape]
        return fft.next_fast_len(ceil(least[0])), fft.next_fast_len(ceil(least[1]))

    @property
    def subpixels(self) -> int:
        """Samples per pixel and direction: enough for the intensity, whose frequencies reach 1/g."""
        return max(1, ceil(2 / self.grain_px - 1e-9))

    @cached_property
    def frequencies(self) -> NDArray[np.int64]:
        """int64[n_modes, 2]: the modes' frequencies, in cycles per period, down and across."""
        rows, columns = self.periods_px
        reach = [int(period / (2 * self.grain_px)) for period in (rows, columns)]
        fy, fx = (np.arange(-n, n + 1) for n in reach)
        inside = np.add.outer((fy / rows) ** 2, (fx / columns) ** 2) <= (0.5 / self.grain_px) ** 2
        found = np.argwhere(inside)
        return np.stack([fy[found[:, 0]], fx[found[:, 1]]], axis=1)

    @property
    def n_modes(self) -> int:
        """Modes that the pupil lets through."""
        return len(self.frequencies)

    def taper(self, tilt_cycles_per_px: tuple[float, float] = (0.0, 0.0)) -> NDArray[np.float32]:
        """float32[n_modes]: what remains of each mode in a pixel's mean of the field times exp(-2 pi i tilt . r)."""
        frequency = self.frequencies / np.array(self.periods_px) - np.array(tilt_cycles_per_px)
        remains: NDArray[np.float32] = np.sinc(frequency).prod(axis=1).astype(np.float32)
        return remains

    def light(self, modes: NDArray[np.complex64]) -> NDArray[np.float32]:
        """Mean of |field|^2 over each pixel: float32[rows x columns] for one frame's complex64[n_modes].

        Its mean is that of |modes|^2. The pixel's mean is taken on the spectrum, where it is exact.
        """
        field = self._field(modes)
        spectrum = fft.rfft2(field.real * field.real + field.imag * field.imag, overwrite_x=True)
        spectrum *= self._pixel
        mean = self._cut(fft.irfft2(spectrum, s=field.shape, overwrite_x=True))
        positive: NDArray[np.float32] = np.maximum(mean, np.float32(0))  # rounding of the FFTs may leave -1e-7
        return positive

    def field(self, modes: NDArray[np.complex64], taper: NDArray[np.float32] | None = None) -> NDArray[np.complex64]:
        """The field at the pixels' centres, complex64[rows x columns]; with taper(): its mean over the pixels."""
        return self._cut(self._field(modes, taper))

    def _field(self, modes: NDArray[np.complex64], taper: NDArray[np.float32] | None = None) -> NDArray[np.complex64]:
        grid = np.zeros(tuple(self.subpixels * period for period in self.periods_px), np.complex64)
        unit = np.float32(self.n_modes**-0.5)
        parts = modes.view(np.float32).reshape(-1, 2) * (unit if taper is None else unit * taper[:, None])
        grid[self.frequencies[:, 0], self.frequencies[:, 1]] = parts.view(np.complex64)[:, 0]
        field: NDArray[np.complex64] = fft.ifft2(grid, norm="forward", overwrite_x=True)
        return field

    def _cut(self, grid: NDArray[Any]) -> NDArray[Any]:
        s = self.subpixels
        return grid[: s * self.shape[0] : s, : s * self.shape[1] : s].reshape(-1)

    @cached_property
    def _pixel(self) -> NDArray[np.float32]:
        """Spectrum of a pixel's square, float32, at the frequencies of a real FFT of the fine grid."""
        fy, fx = (fft.fftfreq(self.subpixels * period, 1 / self.subpixels) for period in self.periods_px)
        square: NDArray[np.float32] = np.multiply.outer(np.sinc(fy), np.sinc(fx[: len(fx) // 2 + 1])).astype(np.float32)
        return square

"""The camera: photons -> electrons -> DN, EMVA 1288 release 4, linear model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from opu.device import Readings

from .camera_kernel import fast_readings
from .camera_settings import CameraSettings
from .exact_kernel import exact_readings
from .fixed_pattern import FixedPattern, fixed_pattern
from .hashing import keys
from .noise import READ_STREAM, SHOT_STREAM, exact_electrons, fast_electrons, read_noise_only, stream_seed

FAST_READ_NOISE_E = 1.0
"""Below this read noise the fast law's shape shows, and the exact one is used."""


@dataclass(frozen=True)
class Camera:
    """y = clip(rint(K min(Poisson(QE photons + dark t), full well) + K N(0, read noise) + black), 0, 2^bits - 1).

    QE, dark and black differ from pixel to pixel where the settings say so. `outputs`: those whose fixed pattern is kept
    in memory (12 bytes each); others are readable too, their pattern is made anew at each call.
    """

    settings: CameraSettings
    noise_seed: int
    outputs: range = range(0)

    @property
    def temperature_c(self) -> float:
        """Of the sensor."""
        return self.settings.temperature_c

    @property
    def dark_current_e_per_s(self) -> float:
        """Of a pixel that is not hot, at the sensor's temperature."""
        return self.settings.dark_current_e_per_s * self.settings.warming

    @property
    def saturation_dn(self) -> int:
        """Readings from here on are clipped: the converter's end, or four dark noises under a full well that ends first."""
        s = self.settings
        return int(min(s.max_dn, np.floor((s.full_well_e - s.headroom_e) * s.gain + s.black_dn + 1e-6)))

    @cached_property
    def exact(self) -> bool:
        """Whether the exact law must be used: little read noise, or a full well whose clip the converter does not hide."""
        s = self.settings
        hidden = (s.full_well_e - s.headroom_e) * s.gain + s.black_dn >= s.max_dn - 0.5
        return s.read_noise_e < FAST_READ_NOISE_E or not hidden

    @cached_property
    def constants(self) -> tuple[tuple[np.uint64, np.uint64], tuple[np.float32, np.float32, np.float32]]:
        """What the fast law needs besides the pixels: the noise stream's keys; read noise^2 in e^2, gain, largest code."""
        s = self.settings
        optics = np.float32(s.read_noise_e**2), np.float32(s.gain), np.float32(s.max_dn)
        return self._keys(READ_STREAM), optics

    def _keys(self, stream: int) -> tuple[np.uint64, np.uint64]:
        first, second = keys(stream_seed(self.noise_seed, stream))
        return np.uint64(first), np.uint64(second)

    def read(
        self, photons: NDArray[np.float32], exposure_s: float, first_frame: int, first_output: int = 0
    ) -> Readings:
        """Readings of mean photon numbers, (n_frames, n_outputs) DN, with the noise of those frames and outputs."""
        s = self.settings
        if not s.shot_noise:
            return self.reference(photons, exposure_s, first_frame, first_output)
        shape = photons.shape
        readings: Readings = np.empty(shape, np.uint8) if s.bit_depth <= 8 else np.empty(shape, np.uint16)
        pattern = self.pattern(first_output, shape[1])
        kept = None
        if pattern is not None:
            kept = pattern.efficiency, pattern.dark_current_e_per_s, pattern.black_dn, np.float32(exposure_s)
        pixel = self.uniform_pixel(exposure_s)
        read_keys, optics = self.constants
        if self.exact:
            electrons = float(s.read_noise_e), float(s.full_well_e)
            shot_keys = self._keys(SHOT_STREAM)
            exact_readings(
                photons, shot_keys, read_keys, first_frame, first_output, electrons, optics[1:], pixel, kept, readings
            )
        else:
            fast_readings(photons, read_keys, first_frame, first_output, optics, pixel, kept, readings)
        return readings

    def reference(
        self, photons: NDArray[np.float32], exposure_s: float, first_frame: int, first_output: int = 0
    ) -> Readings:
        """The same in NumPy: what the compiled laws must equal, and the only way without shot noise."""
        s = self.settings
        pattern = self.pattern(first_output, photons.shape[1])
        efficiency: NDArray[np.float32] | np.float32
        black: NDArray[np.float32] | np.float32
        if pattern is None:
            efficiency, dark, black = self.uniform_pixel(exposure_s)
            mean = photons * efficiency + dark
        else:
            efficiency, black = pattern.efficiency, pattern.black_dn
            mean = photons * efficiency + pattern.dark_current_e_per_s * np.float32(exposure_s)
        where = self.noise_seed, first_frame, first_output
        if not s.shot_noise:
            electrons = read_noise_only(mean, s.read_noise_e, s.full_well_e, *where)
        elif self.exact:
            electrons = exact_electrons(mean, s.read_noise_e, s.full_well_e, *where)
        else:
            electrons = fast_electrons(mean, s.read_noise_e, *where)
        level = electrons * np.float32(s.gain) + black
        codes: NDArray[np.float32] = np.clip(np.rint(level), 0, s.max_dn)
        return codes.astype(np.uint8) if s.bit_depth <= 8 else codes.astype(np.uint16)

    def uniform_pixel(self, exposure_s: float) -> tuple[np.float32, np.float32, np.float32]:
        """Electrons per photon, dark electrons and black level in DN where all pixels are alike."""
        s = self.settings
        return (
            np.float32(s.quantum_efficiency),
            np.float32(self.dark_current_e_per_s * exposure_s),
            np.float32(s.black_dn),
        )

    def pattern(self, first_output: int, n_outputs: int) -> FixedPattern | None:
        """The fixed pattern of outputs first_output..., None where all pixels are alike."""
        if self.settings.uniform:
            return None
        asked = range(first_output, first_output + n_outputs)
        if self.outputs.start <= asked.start and asked.stop <= self.outputs.stop:
            return self._kept.of(slice(asked.start - self.outputs.start, asked.stop - self.outputs.start))
        return fixed_pattern(self.settings, asked)

    @cached_property
    def _kept(self) -> FixedPattern:
        return fixed_pattern(self.settings, self.outputs)

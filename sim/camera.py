"""The camera: photons -> electrons -> DN, EMVA 1288 release 4, linear model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.device import Readings

from .camera_settings import CameraSettings
from .hashing import keys
from .noise import READ_STREAM, exact_electrons, fast_electrons, read_noise_only, stream_seed

FAST_READ_NOISE_E = 1.0
"""Below this read noise the fast law's shape shows, and the exact one is used."""


@dataclass(frozen=True)
class Camera:
    """y = clip(rint(K min(Poisson(QE photons + dark t), full well) + K N(0, read noise) + black), 0, 2^bits - 1)."""

    settings: CameraSettings
    noise_seed: int

    @property
    def saturation_dn(self) -> int:
        """Readings from here on are clipped: the converter's end, or four read noises under a full well that ends first."""
        s = self.settings
        return int(min(s.max_dn, np.floor((s.full_well_e - 4 * s.read_noise_e) * s.gain + s.black_level_dn + 1e-6)))

    @property
    def exact(self) -> bool:
        """Whether the exact law must be used: little read noise, or a full well whose clip the converter does not hide."""
        s = self.settings
        hidden = (s.full_well_e - 4 * s.read_noise_e) * s.gain + s.black_level_dn >= s.max_dn - 0.5
        return s.read_noise_e < FAST_READ_NOISE_E or not hidden

    def read(
        self, photons: NDArray[np.float32], exposure_s: float, first_frame: int, first_output: int = 0
    ) -> Readings:
        """Readings of mean photon numbers, (n_frames, n_outputs) DN, with the noise of those frames and outputs."""
        s = self.settings
        if not s.shot_noise or self.exact:
            return self.reference(photons, exposure_s, first_frame, first_output)
        from .camera_kernel import fast_readings

        shape = photons.shape
        readings: Readings = np.empty(shape, np.uint8) if s.bit_depth <= 8 else np.empty(shape, np.uint16)
        dark = s.dark_current_e_per_s * exposure_s
        optics = (s.quantum_efficiency, dark, s.read_noise_e**2, s.gain, s.black_level_dn, s.max_dn)
        first, second = keys(stream_seed(self.noise_seed, READ_STREAM))
        fast_readings(
            photons,
            (np.uint64(first), np.uint64(second)),
            first_frame,
            first_output,
            tuple(np.float32(value) for value in optics),
            readings,
        )
        return readings

    def reference(
        self, photons: NDArray[np.float32], exposure_s: float, first_frame: int, first_output: int = 0
    ) -> Readings:
        """The same in NumPy: what the compiled law must equal bit for bit, and the only way for the exact one."""
        s = self.settings
        mean = photons * np.float32(s.quantum_efficiency) + np.float32(s.dark_current_e_per_s * exposure_s)
        where = self.noise_seed, first_frame, first_output
        if not s.shot_noise:
            electrons = read_noise_only(mean, s.read_noise_e, s.full_well_e, *where)
        elif self.exact:
            electrons = exact_electrons(mean, s.read_noise_e, s.full_well_e, *where)
        else:
            electrons = fast_electrons(mean, s.read_noise_e, *where)
        level = electrons * np.float32(s.gain) + np.float32(s.black_level_dn)
        codes: NDArray[np.float32] = np.clip(np.rint(level), 0, s.max_dn)
        return codes.astype(np.uint8) if s.bit_depth <= 8 else codes.astype(np.uint16)

"""The simulated OPU: frames -> mirrors -> medium -> camera, as a `Device`. Instant; it reports the time light would take."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray
from scipy.constants import c as speed_of_light
from scipy.constants import h as planck

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError
from opu.frames import checked_frames

from .camera import Camera
from .hashing import MASK, mix
from .medium import PART_STD, DenseMedium
from .panel import lay_out
from .settings import SimSettings

BLOCK_READINGS = 2**18
FRAME_GAP_S = 50e-6
NOISE_OF_SEED = 0x4E4F495345


class SimulatedDevice:
    """E = A diag(g) (b + eps (1 - b)); reading = camera(|E|^2 exposure power). PHYSICS section 1; see SimSettings for units."""

    def __init__(self, settings: SimSettings) -> None:
        self.settings = settings
        self._panel = lay_out(settings.n_inputs, settings.anchor_share, settings.dmd, settings.laser)
        self._medium = DenseMedium(settings.seed, len(self._panel.weights), settings.n_outputs)
        noise_seed = settings.noise_seed
        self._camera = Camera(
            settings.camera, mix((settings.seed ^ NOISE_OF_SEED) & MASK) if noise_seed is None else noise_seed
        )
        self._leak_field: NDArray[np.float64] | None = None
        self._is_open = False
        self._acquisition: Acquisition | None = None
        self._frames_shown = 0
        self._saturated = 0
        self._device_seconds = 0.0
        camera, has_anchor = settings.camera, self._panel.has_anchor
        self._spec = DeviceSpec(
            kind="sim",
            model=f"simulator ({settings.preset})",
            serial=f"sim-{settings.seed}",
            n_inputs=settings.n_inputs + has_anchor,
            n_outputs=settings.n_outputs,
            bit_depth=camera.bit_depth,
            saturation_dn=self._camera.saturation_dn,
            frame_rate_hz=1 / self._shortest_frame_s(camera.exposure_min_s),
            exposure_min_s=camera.exposure_min_s,
            exposure_max_s=camera.exposure_max_s,
            fingerprint=_digest(
                f"dense {settings.seed} {settings.n_inputs} {settings.n_outputs} {settings.anchor_share} "
                f"{settings.dmd!r} {settings.laser.profile} {settings.laser.beam_radius_m}"
            ),
            response=_digest(f"{settings.laser!r} {camera!r}"),
            anchor_input=settings.n_inputs if has_anchor else None,
            anchor_share=self._panel.anchor_share,
            medium="dense",
        )

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities."""
        return self._spec

    def open(self) -> None:
        """Take the device; counters start at 0."""
        if self._is_open:
            raise DeviceError(f"simulated device {self.spec.serial!r} is already open; close() it first")
        self._is_open = True
        self._acquisition = None
        self._frames_shown = self._saturated = 0
        self._device_seconds = 0.0

    def close(self) -> None:
        """Light off; idempotent."""
        self._is_open = False
        self._acquisition = None

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure and frame time; DeviceError outside the camera's limits."""
        self._check_open("configure")
        low, high = self.spec.exposure_min_s, self.spec.exposure_max_s
        if not low <= acquisition.exposure_s <= high:
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: exposure_s = {acquisition.exposure_s:g} s is outside the camera's "
                f"{low:g} to {high:g} s; choose one inside, or change the laser power"
            )
        shortest = self._shortest_frame_s(acquisition.exposure_s)
        asked = acquisition.frame_time_s
        if asked is not None and not asked >= shortest:
            raise DeviceError(
                f"simulated device {self.spec.serial!r}: frame_time_s = {asked:g} s is shorter than {shortest:g} s, the "
                "longest of exposure and readout plus 50 µs, and of the mirrors' pattern time; lengthen it or pass None"
            )
        self._acquisition = replace(acquisition, frame_time_s=shortest if asked is None else asked)
        return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, and read the camera: DN, (n, n_outputs)."""
        self._check_open("measure")
        acquisition = self._acquisition
        if acquisition is None:
            raise DeviceError(f"simulated device {self.spec.serial!r}: configure() an exposure before measure()")
        bits = checked_frames(frames, self.spec.n_inputs)
        result = np.empty((len(bits), self.spec.n_outputs), dtype=self.spec.reading_dtype)
        step = max(1, BLOCK_READINGS // self.spec.n_outputs)
        for start in range(0, len(bits), step):
            block = slice(start, start + step)
            photons = self._photons(bits[block], acquisition)
            result[block] = self._camera.read(photons, acquisition.exposure_s, self._frames_shown + start)
        self._frames_shown += len(bits)
        self._saturated += int(np.count_nonzero(result >= self.spec.saturation_dn))
        self._device_seconds += len(bits) * (acquisition.frame_time_s or 0.0)
        return result

    def status(self) -> DeviceStatus:
        """State now. device_seconds is what a real device would have taken for the frames shown."""
        return DeviceStatus(
            is_open=self._is_open,
            light_on=self._acquisition is not None and self._acquisition.light,
            frames_shown=self._frames_shown,
            saturated_fraction=self._saturated / max(1, self._frames_shown * self.spec.n_outputs),
            device_seconds=self._device_seconds,
            acquisition=self._acquisition,
        )

    def _photons(self, bits: NDArray[np.bool_], acquisition: Acquisition) -> NDArray[np.float32]:
        """Mean photon numbers; the whole panel on gives power * exposure * coupling / (h c / wavelength) on average."""
        if not acquisition.light:
            return np.zeros((len(bits), self.spec.n_outputs), dtype=np.float32)
        frames = np.concatenate([bits, np.zeros((len(bits), 1), dtype=np.bool_)], axis=1)
        field = self._medium.fields(frames, self._panel.weights)
        leak = self.settings.dmd.leak
        if leak:
            field *= 1 - leak
            field += self._leak()
        np.multiply(field, field, out=field)
        laser = self.settings.laser
        energy_j = laser.power_w * acquisition.exposure_s * laser.coupling
        full_panel = energy_j * laser.wavelength_m / (planck * speed_of_light)
        intensity: NDArray[np.float64] = field[..., 0] + field[..., 1]
        intensity *= full_panel / (2 * PART_STD**2 * self._panel.power)
        return intensity.astype(np.float32)

    def _leak(self) -> NDArray[np.float64]:
        """eps A g, the field of a panel whose mirrors are all off."""
        if self._leak_field is None:
            everything = np.ones((1, len(self._panel.weights)), dtype=np.bool_)
            self._leak_field = self.settings.dmd.leak * self._medium.fields(everything, self._panel.weights)[0]
        return self._leak_field

    def _shortest_frame_s(self, exposure_s: float) -> float:
        camera = self.settings.camera
        return max(max(camera.readout_s, exposure_s) + FRAME_GAP_S, self.settings.dmd.pattern_time_min_s)

    def _check_open(self, action: str) -> None:
        if not self._is_open:
            raise DeviceClosed(
                f"simulated device {self.spec.serial!r} is not open, so it cannot {action}; use `with`, or call open() first"
            )


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:16]

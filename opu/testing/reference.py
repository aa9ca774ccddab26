"""The smallest honest device: a stored matrix and a noiseless 16-bit camera, to compare others and the OPU with."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import DeviceClosed, DeviceError
from opu.frames import checked_frames


class ReferenceDevice:
    """reading = clip(rint(|A b|^2 * exposure * brightness), 0, 65535), A given as complex[n_outputs, n_inputs].

    anchor_input: which input serves as the anchor, if any. Make A large in that column, and not symmetric.
    """

    def __init__(
        self, matrix: NDArray[np.complex128], anchor_input: int | None = None, brightness: float = 1e6
    ) -> None:
        self.matrix = matrix
        self.brightness = brightness
        self._acquisition: Acquisition | None = None
        self._is_open = False
        self._frames_shown = 0
        self._device_seconds = 0.0
        share = 0.0
        if anchor_input is not None:
            power = (np.abs(matrix) ** 2).sum(axis=0)
            share = float(power[anchor_input] / power.sum())
        self._spec = DeviceSpec(
            kind="reference",
            model="stored matrix",
            serial="ref-0",
            n_inputs=matrix.shape[1],
            n_outputs=matrix.shape[0],
            bit_depth=16,
            saturation_dn=65535,
            frame_rate_hz=1000.0,
            exposure_min_s=1e-6,
            exposure_max_s=1.0,
            fingerprint=f"{hash(matrix.tobytes()):x}",
            anchor_input=anchor_input,
            anchor_share=share,
            medium="stored",
        )

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities."""
        return self._spec

    def open(self) -> None:
        """Take the device."""
        if self._is_open:
            raise DeviceError("reference device is already open; close() it first")
        self._is_open, self._frames_shown, self._device_seconds = True, 0, 0.0

    def close(self) -> None:
        """Light off; idempotent."""
        self._is_open, self._acquisition = False, None

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure (1 µs to 1 s) and frame time (at least the exposure)."""
        if not self._is_open:
            raise DeviceClosed("reference device is not open; open() it before configure()")
        exposure_s, frame_time_s = acquisition.exposure_s, acquisition.frame_time_s
        if not self._spec.exposure_min_s <= exposure_s <= self._spec.exposure_max_s:
            raise DeviceError(f"reference device: exposure_s = {exposure_s} is outside 1e-06 to 1 s; choose one inside")
        if frame_time_s is not None and not frame_time_s >= exposure_s:
            raise DeviceError(
                f"reference device: frame_time_s = {frame_time_s} is shorter than the exposure, {exposure_s} s"
            )
        self._acquisition = replace(
            acquisition, frame_time_s=max(1e-3, exposure_s) if frame_time_s is None else frame_time_s
        )
        return self._acquisition

    def measure(self, frames: Frames) -> Readings:
        """Show frames and read the camera, DN."""
        if not self._is_open:
            raise DeviceClosed("reference device is not open; open() it before measure()")
        if self._acquisition is None:
            raise DeviceError("reference device: configure() an exposure before measure()")
        bits = checked_frames(frames, self._spec.n_inputs)
        # One row at a time: a matrix product may round differently for another number of rows.
        intensity = np.stack([np.abs(self.matrix[:, row].sum(axis=1)) ** 2 for row in bits])
        light = self._acquisition.exposure_s * self.brightness * self._acquisition.light
        self._frames_shown += len(bits)
        self._device_seconds += len(bits) * (self._acquisition.frame_time_s or 0.0)
        return np.clip(np.rint(intensity * light), 0, 65535).astype(np.uint16)

    def status(self) -> DeviceStatus:
        """State now."""
        return DeviceStatus(
            is_open=self._is_open,
            light_on=self._acquisition is not None and self._acquisition.light,
            frames_shown=self._frames_shown,
            device_seconds=self._device_seconds,
            acquisition=self._acquisition,
        )

"""The seam: what every device, simulated or real, must be. Everything above it is shared code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Frames: TypeAlias = NDArray[np.bool_] | NDArray[np.uint8]
Readings: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]
ReferenceArm: TypeAlias = Literal["none", "static", "phase"]
Interlock: TypeAlias = Literal["closed", "open", "none"]


@dataclass(frozen=True)
class DeviceSpec:
    """What a device is and can do; constant while it is open.

    `n_inputs` counts every logical input a frame addresses, the anchor included; `anchor_input` is the anchor's index
    (None: the device has none) and `anchor_share` the fraction of the illuminating power that its mirrors receive.
    A reading at or above `saturation_dn` is clipped (by the converter, or by a full well that fills before it does).
    `fingerprint` changes whenever the scattering matrix does, `response` whenever the same light reads differently
    (laser, optics, camera): a calibration made under another of either is refused. `frame_arrays` names the kinds of
    array that measure() takes, NumPy's always: readings come back as the kind of the frames, on their device.

    `reference_arm` is a second beam onto the camera: "static" can be let in or shut, "phase" also stepped. Where outputs
    are the pixels of a camera region, row by row, `output_shape` gives its (rows, columns), `grain_px` the diameter of a
    speckle grain in pixels (0: outputs are independent) and `reference_tilt_cycles_per_px` the fringes' frequency along
    rows and columns. `power_w` is what the device draws from the mains (0: unknown).
    """

    kind: str
    model: str
    serial: str
    n_inputs: int
    n_outputs: int
    bit_depth: int
    saturation_dn: int
    frame_rate_hz: float
    exposure_min_s: float
    exposure_max_s: float
    fingerprint: str
    response: str = ""
    anchor_input: int | None = None
    anchor_share: float = 0.0
    reference_arm: ReferenceArm = "none"
    can_blank: bool = True
    packed_input: bool = True
    medium: str = "unknown"
    output_shape: tuple[int, int] | None = None
    grain_px: float = 0.0
    reference_tilt_cycles_per_px: tuple[float, float] = (0.0, 0.0)
    power_w: float = 0.0
    frame_arrays: tuple[str, ...] = ("numpy",)

    @property
    def n_data_inputs(self) -> int:
        """Inputs left for data once the anchor is reserved."""
        return self.n_inputs - (self.anchor_input is not None)

    @property
    def reading_dtype(self) -> np.dtype[Any]:
        """uint8 up to 8 bits, uint16 above."""
        return np.dtype(np.uint8 if self.bit_depth <= 8 else np.uint16)


@dataclass(frozen=True)
class Acquisition:
    """How frames are taken. `frame_time_s` None asks for the shortest; `light` False blanks the laser (dark frames).

    `reference_rad`: phases of the reference arm, frame i of a measure() call under phase i modulo their number, which the
    number of frames must be a multiple of (InputError); empty: the arm is shut. A static arm takes (0.0,) alone.
    """

    exposure_s: float
    frame_time_s: float | None = None
    light: bool = True
    reference_rad: tuple[float, ...] = ()


@dataclass(frozen=True)
class DeviceStatus:
    """What a device says of itself now; None means the device cannot tell.

    Counters start at open() and include calibration, whose exposure search saturates frames on purpose.
    """

    is_open: bool
    light_on: bool | None
    interlock: Interlock = "none"
    temperature_c: float | None = None
    frames_shown: int = 0
    frames_dropped: int = 0
    saturated_fraction: float = 0.0
    device_seconds: float = 0.0
    device_joules: float = 0.0
    acquisition: Acquisition | None = None
    message: str = ""


@runtime_checkable
class Device(Protocol):
    """Binary frames in, camera readings out. `opu.testing` holds the laws that every device obeys."""

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities; readable before open()."""
        ...

    def open(self) -> None:
        """Take the device. Opening an open device raises DeviceError."""
        ...

    def close(self) -> None:
        """Release the device with its light off; idempotent."""
        ...

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set and return what was really set; out of range raises DeviceError before any light."""
        ...

    def measure(self, frames: Frames) -> Readings:
        """Show frames and read the camera.

        frames: bool[n, n_inputs], or uint8[n, ceil(n_inputs / 8)] packed most significant bit first, padding bits 0.
        Returns readings in DN, shape (n, n_outputs), dtype `spec.reading_dtype`. InputError for anything else. NumPy
        arrays, and those of other kinds that `spec.frame_arrays` names.
        """
        ...

    def status(self) -> DeviceStatus:
        """State now; never raises, open or closed."""
        ...

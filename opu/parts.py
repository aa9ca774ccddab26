"""The parts of a bench: modulator, camera, laser and power meter. `opu.drivers` makes a device of them (kind `bench`).

Every part: `spec` is known after open(); open() leaves it dark and at rest, opening twice raises DeviceError; close() is
idempotent and leaves it dark; status() never raises. DeviceError names the part, the value, the limit and the remedy,
DeviceLost says that it no longer answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from opu.device import Interlock

Trigger: TypeAlias = Literal["software", "hardware"]


@dataclass(frozen=True)
class ModulatorSpec:
    """A micromirror panel. `max_patterns` fit into its memory at once; `triggered` it can wait for a pulse per pattern."""

    model: str
    serial: str
    rows: int
    columns: int
    frame_time_min_s: float
    max_patterns: int
    triggered: bool = False


@dataclass(frozen=True)
class PartStatus:
    """What a modulator or camera says of itself now; None means that it cannot tell. `frames`: patterns begun, or frames
    taken, since the last start(): with a hardware trigger, the pulses obeyed."""

    is_open: bool
    frames: int | None = None
    frames_dropped: int = 0
    temperature_c: float | None = None
    message: str = ""


@runtime_checkable
class Modulator(Protocol):
    """Shows binary patterns, uint8[n, rows, ceil(columns / 8)], most significant bit leftmost, 1 towards the medium."""

    @property
    def spec(self) -> ModulatorSpec:
        """What it is and can do."""
        ...

    def open(self) -> None:
        """Take it, dark and at rest."""
        ...

    def close(self) -> None:
        """Halt, free what was loaded, park the mirrors; idempotent."""
        ...

    def load(self, patterns: NDArray[np.uint8]) -> None:
        """Put patterns into the panel's memory in place of those there; shows nothing yet, and keeps no view of them."""
        ...

    def show(self, index: int) -> None:
        """Show one loaded pattern and hold it; returns when the mirrors stand still."""
        ...

    def start(self, frame_time_s: float, trigger: Trigger = "software") -> None:
        """Show every loaded pattern once, in order; returns at once.

        software: on its own clock, each for frame_time_s, with a pulse out per pattern. hardware: one at each pulse in, the
        first at the first.
        """
        ...

    def wait(self, timeout_s: float) -> None:
        """Until the last pattern has been shown; DeviceError, after stop(), if that takes longer."""
        ...

    def stop(self) -> None:
        """Stop showing; mirrors park, what is loaded stays. Idempotent."""
        ...

    def status(self) -> PartStatus:
        """State now."""
        ...


@dataclass(frozen=True)
class Region:
    """A rectangle of pixels: its first row and column, and how many of each."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True)
class CameraSpec:
    """A camera in the pixel format it was opened in. Regions begin and extend in multiples of `step` (rows, columns)."""

    model: str
    serial: str
    rows: int
    columns: int
    bit_depth: int
    exposure_min_s: float
    exposure_max_s: float
    frame_rate_max_hz: float
    gain_max_db: float = 0.0
    step: tuple[int, int] = (1, 1)


@dataclass(frozen=True)
class CameraSettings:
    """How frames are taken. software: one per trigger() call; hardware: one per pulse on the camera's trigger line.

    `frame_time_s` is an answer of configure(): the shortest time from frame to frame, None if the camera cannot tell.
    """

    region: Region
    exposure_s: float
    gain_db: float = 0.0
    trigger: Trigger = "software"
    frame_time_s: float | None = None


@dataclass(frozen=True)
class CameraFrame:
    """One frame. `number` is the camera's own count of exposures since start(), from 0: a gap is frames lost, a repetition
    one delivered twice. `complete` False: packets are missing and the pixels are not to be trusted. `pixels` may be the
    driver's buffer, good until the next grab() or stop(). `timestamp_s`: the camera's own clock, None if it has none."""

    number: int
    pixels: NDArray[Any]
    complete: bool = True
    timestamp_s: float | None = None


@runtime_checkable
class Camera(Protocol):
    """Gives frames of uint8 or uint16 [rows, columns] of the region, in DN."""

    @property
    def spec(self) -> CameraSpec:
        """What it is and can do."""
        ...

    def open(self) -> None:
        """Take it, dark and at rest."""
        ...

    def close(self) -> None:
        """Release it, dark; idempotent."""
        ...

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Set and return what was really set; out of range raises DeviceError. Not between start() and stop()."""
        ...

    def start(self) -> None:
        """Arm; the next frame has number 0."""
        ...

    def trigger(self) -> None:
        """Take one frame (software trigger)."""
        ...

    def grab(self, timeout_s: float) -> CameraFrame:
        """The next frame; DeviceError if none comes in time, DeviceLost if the camera is gone."""
        ...

    def stop(self) -> None:
        """Disarm and forget frames not grabbed; idempotent."""
        ...

    def status(self) -> PartStatus:
        """State now."""
        ...


@dataclass(frozen=True)
class LaserSpec:
    """A laser. `power_max_w` is the most it may be set to."""

    model: str
    serial: str
    power_max_w: float
    wavelength_m: float | None = None


@dataclass(frozen=True)
class LaserStatus:
    """What a laser says of itself now; None means that it cannot tell. `fault` is empty while all is well."""

    is_open: bool
    light_on: bool | None
    interlock: Interlock = "none"
    power_w: float | None = None
    temperature_c: float | None = None
    fault: str = ""


@runtime_checkable
class Laser(Protocol):
    """Light on command. open() turns it off first, whatever it finds, and sets the power that its settings ask for.

    off(), status() and close() may be called from any thread.
    """

    @property
    def spec(self) -> LaserSpec:
        """What it is and can do."""
        ...

    def open(self) -> None:
        """Take it, dark and at rest."""
        ...

    def close(self) -> None:
        """Release it, dark; idempotent."""
        ...

    def set_power(self, power_w: float) -> float:
        """Set the optical power in W and return what was really set; never turns the light on."""
        ...

    def on(self) -> None:
        """Light; DeviceError with the light off if the interlock is open or a fault stands."""
        ...

    def off(self) -> None:
        """Dark; idempotent."""
        ...

    def status(self) -> LaserStatus:
        """State now."""
        ...


@runtime_checkable
class PowerMeter(Protocol):
    """Optical power."""

    @property
    def model(self) -> str:
        """Its name and serial number."""
        ...

    def open(self) -> None:
        """Take it, dark and at rest."""
        ...

    def close(self) -> None:
        """Release it, dark; idempotent."""
        ...

    def zero(self) -> None:
        """Take the present reading, in the dark, as zero."""
        ...

    def read_w(self) -> float:
        """Power in W now."""
        ...

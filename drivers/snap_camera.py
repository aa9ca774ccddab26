"""Cameras that other laboratory software drives, as `opu.parts.Camera`: one picture when asked, and no frame counter.

Such a camera cannot say that it lost or repeated a frame: numbers are our own count of pictures asked for, every one is
taken alone, and hardware triggers are refused. Prefer a driver that reads the camera's counter where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from opu.errors import CapabilityError, DeviceClosed, DeviceError, DeviceLost, OPUError
from opu.parts import CameraFrame, CameraSettings, CameraSpec, PartStatus, Region


class Snapper(Protocol):
    """What the other software must do. Any exception is a refusal, or a camera that is gone: alive() tells."""

    def open(self) -> CameraSpec:
        """Connect."""
        ...

    def close(self) -> None:
        """Disconnect; idempotent."""
        ...

    def alive(self) -> bool:
        """Whether the camera answers."""
        ...

    def set(self, region: Region, exposure_s: float) -> tuple[Region, float]:
        """Set both, and return what came of it."""
        ...

    def snap(self, timeout_s: float) -> NDArray[Any]:
        """A picture of the region whose exposure began after the call."""
        ...

    def temperature_c(self) -> float | None:
        """Of the sensor, None if it cannot tell."""
        ...


class SnapCamera:
    """Software trigger alone; trigger() notes the wish, grab() takes the picture."""

    def __init__(self, make: Callable[[], Snapper]) -> None:
        self._make = make
        self._snapper: Snapper | None = None
        self._spec: CameraSpec | None = None
        self._in_force: CameraSettings | None = None
        self._started = False
        self._wanted = self._taken = 0
        self._who = "camera"

    @property
    def spec(self) -> CameraSpec:
        """What it is and can do."""
        if self._spec is None:
            raise DeviceClosed("the camera has not been opened, so what it can do is not known; open() it first")
        return self._spec

    def open(self) -> None:
        """Connect."""
        if self._snapper is not None:
            raise DeviceError(f"{self._who} is already open; close() it first")
        snapper = self._make()
        try:
            self._spec = snapper.open()
        except OPUError:
            raise
        except Exception as error:
            with suppress(Exception):
                snapper.close()
            raise DeviceError(
                f"{self._who}: opening it: {error}; check its power, its cable and the settings"
            ) from error
        self._who = f"camera {self._spec.model} {self._spec.serial}".rstrip()
        self._snapper, self._in_force, self._taken = snapper, None, 0

    def close(self) -> None:
        """Disconnect; idempotent."""
        snapper, self._snapper = self._snapper, None
        self._started, self._in_force = False, None
        if snapper is not None:
            with suppress(Exception):  # it may be gone
                snapper.close()

    def configure(self, settings: CameraSettings) -> CameraSettings:
        """Region and exposure; DeviceError for what the camera cannot."""
        snapper, spec = self._opened("configure"), self.spec
        if self._started:
            raise DeviceError(f"{self._who} is taking frames; stop() it before configure()")
        if settings.trigger == "hardware":
            raise CapabilityError(
                f"{self._who} takes software triggers alone: it has no frame counter to match frames to patterns with; "
                'set trigger = "software", or use another driver'
            )
        if settings.gain_db != 0:
            raise DeviceError(
                f"{self._who}: gain_db = {settings.gain_db:g} dB: set gain in its own software, and gain_db = 0"
            )
        if not spec.exposure_min_s <= settings.exposure_s <= spec.exposure_max_s:
            raise DeviceError(
                f"{self._who}: exposure_s = {settings.exposure_s:g} s is outside {spec.exposure_min_s:g} to "
                f"{spec.exposure_max_s:g} s; choose one inside, or change the laser power"
            )
        r = settings.region
        if (
            min(
                r.row,
                r.column,
                r.rows - 1,
                r.columns - 1,
                spec.rows - r.row - r.rows,
                spec.columns - r.column - r.columns,
            )
            < 0
        ):
            raise DeviceError(
                f"{self._who}: {r} is not inside its {spec.rows} x {spec.columns} pixels; shrink or move it"
            )
        with self._watched(snapper, f"setting {settings}"):
            region, exposure_s = snapper.set(r, settings.exposure_s)
        if region != r:
            raise DeviceError(f"{self._who}: {r} is not possible; the nearest is {region}")
        self._in_force = replace(settings, exposure_s=exposure_s, frame_time_s=None)
        return self._in_force

    def start(self) -> None:
        """Arm; the next frame has number 0."""
        self._opened("start")
        if self._in_force is None:
            raise DeviceError(f"{self._who}: configure() it before start()")
        if self._started:
            raise DeviceError(f"{self._who} is already taking frames; stop() it first")
        self._started, self._wanted, self._taken = True, 0, 0

    def trigger(self) -> None:
        """Ask for one frame; it is exposed by grab()."""
        self._armed("trigger")
        if self._wanted:
            raise DeviceError(f"{self._who} takes one frame at a time; grab() before the next trigger()")
        self._wanted = 1

    def grab(self, timeout_s: float) -> CameraFrame:
        """Take the picture; DeviceError if none was asked for or none comes, DeviceLost if the camera is gone."""
        snapper = self._armed("grab")
        if not self._wanted:
            raise DeviceError(f"{self._who}: no frame within {timeout_s:g} s: none was triggered; trigger() first")
        self._wanted = 0
        with self._watched(snapper, "taking a frame"):
            pixels = np.asarray(snapper.snap(timeout_s))
        region, dtype = (
            self._in_force.region if self._in_force else None,
            np.uint8 if self.spec.bit_depth <= 8 else np.uint16,
        )
        if region is None or pixels.shape != (region.rows, region.columns) or pixels.dtype.kind not in "ui":
            raise DeviceError(
                f"{self._who}: a picture of {pixels.dtype} {pixels.shape}, and {region} was set; it must be monochrome, not "
                "averaged"
            )
        self._taken += 1
        return CameraFrame(self._taken - 1, pixels.astype(dtype, copy=False))

    def stop(self) -> None:
        """Disarm; idempotent."""
        self._started, self._wanted = False, 0

    def status(self) -> PartStatus:
        """State now."""
        snapper, temperature_c, message = self._snapper, None, ""
        if snapper is not None:
            try:
                temperature_c = snapper.temperature_c()
                if not snapper.alive():
                    message = f"{self._who} no longer answers"
            except Exception as error:
                message = f"{self._who}: {error}"
        return PartStatus(snapper is not None, self._taken, 0, temperature_c, message)

    def _opened(self, action: str) -> Snapper:
        if self._snapper is None:
            raise DeviceClosed(f"{self._who} is not open, so it cannot {action}; call open() first")
        return self._snapper

    def _armed(self, action: str) -> Snapper:
        snapper = self._opened(action)
        if not self._started:
            raise DeviceError(f"{self._who} is not taking frames, so it cannot {action}; call start() first")
        return snapper

    @contextmanager
    def _watched(self, snapper: Snapper, doing: str) -> Iterator[None]:
        try:
            yield
        except OPUError:
            raise
        except Exception as error:
            if not _answers(snapper):
                raise DeviceLost(
                    f"{self._who} no longer answers ({doing}: {error}); check its power and cable, then close and open again"
                ) from error
            raise DeviceError(f"{self._who}: {doing}: {error}") from error


def _answers(snapper: Snapper) -> bool:
    try:
        return snapper.alive()
    except Exception:
        return False

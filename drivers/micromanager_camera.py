"""Cameras that Micro-Manager drives (hundreds of devices), as an adapter over pymmcore-plus.

Tested with pymmcore-plus 0.18.1 and Micro-Manager's demonstration camera. It has not met a real camera.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from opu.errors import DeviceError
from opu.part_kinds import PartKind
from opu.parts import CameraSpec, Region

from .checked import Settings
from .maker_library import maker_library
from .snap_camera import SnapCamera

LABEL = "camera"


class MicroManagerSettings(Settings):
    """Settings of the camera kind `micromanager`.

    configuration: a Micro-Manager .cfg file; or adapter and device, as in its hardware wizard ("DemoCamera", "DCam").
    camera: the device's label in the configuration; left out, the one that the file makes the camera. adapter_folder: where
    Micro-Manager's device adapters lie; left out, where pymmcore-plus finds them. properties: device properties set at
    open, in order. exposure_min_s, exposure_max_s: limits, for a device that states none.
    """

    configuration: str | None = None
    adapter: str | None = None
    device: str | None = None
    camera: str | None = None
    adapter_folder: str | None = None
    properties: dict[str, str] = Field(default_factory=dict)
    exposure_min_s: float = Field(1e-4, gt=0)
    exposure_max_s: float = Field(1.0, gt=0)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.configuration is None) == (self.adapter is None) or (self.adapter is None) != (self.device is None):
            raise ValueError("give either configuration, or adapter and device")
        return self


class MicroManagerSnapper:
    """One camera of a Micro-Manager core of our own. Exposures there are in ms."""

    def __init__(self, settings: MicroManagerSettings) -> None:
        self._settings = settings
        self._core: Any = None
        self._label = LABEL

    def open(self) -> CameraSpec:
        """Load the device and start it."""
        settings, core = self._settings, maker_library("pymmcore_plus", "micromanager", "micromanager").CMMCorePlus()
        self._core = core
        if settings.adapter_folder is not None:
            core.setDeviceAdapterSearchPaths([settings.adapter_folder])
        if settings.configuration is not None:
            path = Path(settings.configuration)
            if not path.is_file():
                raise DeviceError(f"no configuration {path.absolute()}; write one with Micro-Manager's hardware wizard")
            core.loadSystemConfiguration(str(path))
            self._label = settings.camera or core.getCameraDevice()
            if not self._label:
                raise DeviceError(f"{path} makes no device the camera; name it with camera")
        else:
            core.loadDevice(LABEL, settings.adapter, settings.device)
            core.initializeDevice(LABEL)
        core.setCameraDevice(self._label)
        for name, value in settings.properties.items():
            core.setProperty(self._label, name, value)
        core.clearROI()
        if core.getNumberOfComponents() != 1:
            raise DeviceError(
                f"camera {self._label} gives colour; set its pixel type in properties to a monochrome one"
            )
        low_s, high_s = self._exposure_limits_s()
        return CameraSpec(
            model=core.getDeviceName(self._label),
            serial=self._label,
            rows=core.getImageHeight(),
            columns=core.getImageWidth(),
            bit_depth=core.getImageBitDepth(),
            exposure_min_s=low_s,
            exposure_max_s=high_s,
            frame_rate_max_hz=1 / low_s,
        )

    def close(self) -> None:
        """Unload every device."""
        core, self._core = self._core, None
        if core is not None:
            core.unloadAllDevices()

    def alive(self) -> bool:
        """Whether it tells its exposure."""
        return self._core is not None and self._core.getExposure(self._label) >= 0

    def set(self, region: Region, exposure_s: float) -> tuple[Region, float]:
        """Set both."""
        core = self._core
        core.setROI(self._label, region.column, region.row, region.columns, region.rows)
        column, row, columns, rows = core.getROI(self._label)
        core.setExposure(self._label, exposure_s * 1e3)
        return Region(row, column, rows, columns), core.getExposure(self._label) / 1e3

    def snap(self, timeout_s: float) -> NDArray[Any]:
        """One picture, exposed during the call; the core's own time limit is set to ours."""
        self._core.setTimeoutMs(max(1, round((timeout_s + self._core.getExposure(self._label) / 1e3) * 1e3)))
        self._core.snapImage()
        return np.asarray(self._core.getImage())

    def temperature_c(self) -> float | None:
        """The property that most adapters have."""
        for name in ("CCDTemperature", "Temperature", "SensorTemperature"):
            with suppress(Exception):
                return float(self._core.getProperty(self._label, name))
        return None

    def _exposure_limits_s(self) -> tuple[float, float]:
        core, name = self._core, "Exposure"
        low_s, high_s = self._settings.exposure_min_s, self._settings.exposure_max_s
        if core.hasProperty(self._label, name) and core.hasPropertyLimits(self._label, name):
            low_s = max(core.getPropertyLowerLimit(self._label, name) / 1e3, low_s)
            high_s = core.getPropertyUpperLimit(self._label, name) / 1e3
        return low_s, high_s


def build(settings: MicroManagerSettings) -> SnapCamera:
    """A closed camera."""
    return SnapCamera(lambda: MicroManagerSnapper(settings))


MICROMANAGER = PartKind(
    name="micromanager",
    role="camera",
    summary="camera that Micro-Manager drives, through pymmcore-plus; no frame counter, software trigger alone",
    settings=MicroManagerSettings,
    build=build,
    starter="""\
kind = "micromanager"
configuration = "bench.cfg"  # of Micro-Manager's hardware wizard; or: adapter = "DemoCamera", device = "DCam"
# camera = "Camera-1"        # left out: the one that the configuration makes the camera
# properties = { PixelType = "8bit" }
""",
)

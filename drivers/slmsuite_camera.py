"""Cameras that slmsuite drives (about ten makers' kits), as an adapter.

Tested with slmsuite 0.5.0 and a camera written for it in the test. It has not met a real camera.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from opu.errors import DeviceError
from opu.part_kinds import PartKind
from opu.parts import CameraSpec, Region

from .checked import Settings
from .maker_library import maker_library
from .snap_camera import SnapCamera


class SlmsuiteSettings(Settings):
    """Settings of the camera kind `slmsuite`.

    camera: slmsuite's class, "module:Class". arguments: what it is made with (serial, ...). exposure_min_s, exposure_max_s:
    limits, for a class that states none. flush: throw away the frames that wait before each picture; false only for a class
    whose get_image() begins an exposure by itself.
    """

    camera: str = Field(pattern=r"^[\w.]+:\w+$")
    arguments: dict[str, bool | int | float | str] = Field(default_factory=dict)
    exposure_min_s: float = Field(10e-6, gt=0)
    exposure_max_s: float = Field(1.0, gt=0)
    flush: bool = True


class SlmsuiteSnapper:
    """One camera of slmsuite. Its averaging and its series of exposures are left out."""

    def __init__(self, settings: SlmsuiteSettings) -> None:
        self._settings = settings
        self._camera: Any = None

    def open(self) -> CameraSpec:
        """Make slmsuite's object; it connects by that."""
        settings = self._settings
        maker_library("slmsuite", "slmsuite", "slmsuite")
        module, _, name = settings.camera.partition(":")
        made = getattr(maker_library(module, "slmsuite", "slmsuite"), name, None)
        if made is None:
            raise DeviceError(f"{module} has no class {name!r}; correct camera = {settings.camera!r}")
        camera = self._camera = made(**settings.arguments)
        camera.set_woi(None)
        rows, columns = camera.shape
        low, high = camera.exposure_bounds_s or (settings.exposure_min_s, settings.exposure_max_s)
        return CameraSpec(
            model=name,
            serial=str(camera.name),
            rows=int(rows),
            columns=int(columns),
            bit_depth=int(camera.bitdepth),
            exposure_min_s=float(low),
            exposure_max_s=float(high),
            frame_rate_max_hz=1 / float(low),
        )

    def close(self) -> None:
        """Disconnect."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def alive(self) -> bool:
        """Whether it tells its exposure."""
        return self._camera is not None and self._camera.get_exposure() > 0

    def set(self, region: Region, exposure_s: float) -> tuple[Region, float]:
        """Its window of interest is (column, columns, row, rows)."""
        self._camera.set_woi((region.column, region.columns, region.row, region.rows))
        column, columns, row, rows = (int(number) for number in self._camera.woi)
        return Region(row, column, rows, columns), float(self._camera.set_exposure(exposure_s))

    def snap(self, timeout_s: float) -> NDArray[Any]:
        """One picture, turned as its window is, not averaged."""
        if self._settings.flush:
            self._camera.flush(timeout_s)
        return np.asarray(self._camera.get_image(timeout_s=timeout_s, hdr=False, averaging=False))

    def temperature_c(self) -> float | None:
        """slmsuite does not ask."""
        return None


def build(settings: SlmsuiteSettings) -> SnapCamera:
    """A closed camera."""
    return SnapCamera(lambda: SlmsuiteSnapper(settings))


SLMSUITE = PartKind(
    name="slmsuite",
    role="camera",
    summary="camera that slmsuite drives; no frame counter, software trigger alone",
    settings=SlmsuiteSettings,
    build=build,
    starter="""\
kind = "slmsuite"
camera = "slmsuite.hardware.cameras.thorlabs:ThorCam"
arguments = { serial = "08949" }
# flush = false              # only if its get_image() begins an exposure by itself
""",
)

"""A scene for aravis_camera: what the panel shows, scattered by the simulator while the laser is on. Runs in its process.

Every mirror is an input of the simulator, so that the light on a pixel is the sum over single mirrors: nothing here knows
what a driver takes for an input. The speckle falls on a corner of a larger sensor.
"""

import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from opu.sim.device import SimulatedDevice
from opu.sim.settings import SimSettings

from opu.device import Acquisition

from .alp_stub import PICTURE_US, AlpStub
from .aravis_camera import Exposure, ServedCamera
from .laser_peer import LightFile

CORNER = (1000, 640)
"""Row and column of the sensor where the speckle begins."""
RESOLUTION_S = 100e-6


@dataclass(frozen=True)
class Optics:
    """Where the panel's and the laser's files are, and the simulator's settings. wiring: what the camera's line goes to.

    "none": nothing, software triggers. "panel's pulse": each picture of the panel exposes the camera once. "panel's
    trigger": each exposure, at its start, pulses the panel.
    """

    panel: str
    light: str
    shape: tuple[int, int]
    simulator: dict[str, Any]
    wiring: str = "none"

    def write(self, path: Path) -> Path:
        path.write_text(json.dumps(self.__dict__))
        return path


def mirrors(rows: int, columns: int, n_outputs: int, preset: str = "typical", seed: int = 11) -> dict[str, Any]:
    """Settings of a simulator whose inputs are the mirrors, row by row. Preset "noiseless": typical but for all noise."""
    noiseless = {"read_noise_e": 0.0, "shot_noise": False, "prnu_rms": 0.0, "dsnu_e": 0.0, "black_level_dn": 0.0}
    return {
        "n_inputs": rows * columns,
        "n_outputs": n_outputs,
        "preset": "typical" if preset == "noiseless" else preset,
        "seed": seed,
        "anchor_share": 0.0,
        "dmd": {"rows": rows, "columns": columns, "layout": "rows", "pitch_m": 8e-3 / max(rows, columns)},
        "camera": {"exposure_max_s": 10.0, "dark_current_e_per_s": 0.0} | (noiseless if preset == "noiseless" else {}),
    }


class Speckle:
    """The scene. Noise is that of the camera's frame number, from the moment it was switched on."""

    def __init__(self, path: str) -> None:
        optics = Optics(**json.loads(Path(path).read_text()))
        self._panel, self._light = AlpStub.attach(Path(optics.panel)), LightFile(Path(optics.light))
        self._shape, self._wiring = tuple(optics.shape), optics.wiring
        self._device = SimulatedDevice(SimSettings.model_validate(optics.simulator))
        self._device.open()
        self._set: tuple[float, bool] | None = None
        self._drawn = threading.Event()
        self._lose = 0
        self._dark = np.zeros((self._panel.rows, -(-self._panel.columns // 8)), np.uint8)
        for light in (True, False):  # compile now: a camera that is busy for 3 s drops its controller
            self._device.configure(Acquisition(1e-3, light=light))
            self._device.measure(np.ones((1, self._device.spec.n_inputs), np.bool_))

    def __call__(self, exposure: Exposure) -> NDArray[Any]:
        if self._wiring == "panel's trigger":
            if self._lose:
                self._lose -= 1
            else:
                self._panel.pulse()
        sensor = np.zeros((exposure.rows, exposure.columns), f"u{exposure.bits // 8}")
        first = exposure.row - CORNER[0], exposure.column - CORNER[1]
        rows, columns = (
            slice(max(0, -start), max(0, min(length, wide - start)))
            for start, length, wide in zip(first, (exposure.rows, exposure.columns), self._shape, strict=True)
        )
        seen = self._readings(exposure)[
            rows.start + first[0] : rows.stop + first[0], columns.start + first[1] : columns.stop + first[1]
        ]
        assert seen.size == 0 or np.iinfo(sensor.dtype).max >= seen.max()
        sensor[rows, columns] = seen
        self._drawn.set()
        return sensor

    def _readings(self, exposure: Exposure) -> NDArray[Any]:
        share = self._light.share
        exposure_s = max(exposure.exposure_s * (share or 1.0), 10e-6)
        if self._set != (exposure_s, share > 0):
            self._device.configure(Acquisition(exposure_s, light=share > 0))
            self._set = (exposure_s, share > 0)
        pattern = self._panel.displayed().pattern
        bits = (self._dark if pattern is None else pattern)[None]
        if self._panel.columns % 8:
            bits = np.packbits(np.unpackbits(bits, axis=2, count=self._panel.columns).reshape(1, -1), axis=1)
        self._device.seek(exposure.frame)
        return self._device.measure(bits.reshape(1, -1)).reshape(self._shape)

    def command(self, word: str, *rest: str) -> None:
        """`lose-pulses N`: the next N pulses do not get through the wire."""
        assert word == "lose-pulses", word
        self._lose = int(rest[0])

    def attach(self, camera: ServedCamera) -> None:
        """The wire from the panel to the camera: a pulse for each picture, which stays until it was exposed.

        Panel and camera share a clock of their own, on which pictures follow one another exactly as set: a busy machine
        makes the loop slow, not irregular.
        """
        while self._wiring == "panel's pulse":
            shown = self._panel.displayed()
            if not shown.running or shown.slave:
                camera.clock_ns = None
                time.sleep(RESOLUTION_S)
                continue
            camera.clock_ns = (camera.clock_ns or time.time_ns()) + 1000 * self._panel.slot(PICTURE_US)
            self._drawn.clear()
            if self._lose:
                self._lose -= 1
            else:
                camera.pulse()
                self._drawn.wait(1.0)
            self._panel.tick()

"""The optical loop closed through real protocols: ALP library, GigE Vision and SCPI, and in between the simulated light.

A bench's settings come out; the driver on them sees a panel, a camera and a laser, and nothing of what is behind.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray
from opu.drivers.bench_device import BenchDevice
from opu.drivers.bench_settings import BenchSettings
from opu.sim.device import SimulatedDevice
from opu.sim.dmd_settings import DMDSettings
from opu.sim.settings import SimSettings

from opu.device import Acquisition
from opu.layout import mirror_owner

from .alp_stub import ENVIRONMENT, AlpStub, compile_stub
from .aravis_camera import ADDRESS, AravisCamera, gige_port, library, write_description
from .laser_peer import LaserPeer
from .speckle_camera import CORNER, Optics, mirrors

WIRING = {"software": "none", "modulator": "panel's pulse", "camera": "panel's trigger"}
PICTURE_MIN_US = 100


@dataclass(frozen=True)
class Sizes:
    """Of the loop. The camera's region is the speckle, a pixel is an output."""

    n_inputs: int = 20
    anchor_share: float = 0.8
    rows: int = 32
    columns: int = 32
    region: tuple[int, int] = (16, 16)
    memory: int = 512
    preset: str = "typical"
    seed: int = 11

    @property
    def simulator(self) -> dict[str, Any]:
        return mirrors(self.rows, self.columns, self.region[0] * self.region[1], self.preset, self.seed)

    @property
    def pixel_format(self) -> str:
        return "Mono16" if self.preset == "ideal" else "Mono8"


@dataclass
class Loop:
    """What a test may do behind the driver's back, and the bench's settings."""

    sizes: Sizes
    trigger: str
    panel: AlpStub
    laser: LaserPeer
    camera: AravisCamera
    table: dict[str, Any]
    stack: ExitStack = field(repr=False)
    optics: Path
    description: str

    def settings(self, **changes: Any) -> BenchSettings:
        return BenchSettings.model_validate(self.table | changes)

    def bench(self, **changes: Any) -> BenchDevice:
        return BenchDevice(self.settings(**changes))

    def replug_camera(self) -> None:
        """After camera.kill(): another process on the same port, which the loop still holds."""
        self.camera = _camera(self.stack, self.optics, self.description)

    def expected(self, frames: NDArray[np.bool_], exposure_s: float) -> NDArray[Any]:
        """What a noiseless camera must read: the mirrors of the inputs that are on, lit one and all by the simulator."""
        s = self.sizes
        panel = DMDSettings(rows=s.rows, columns=s.columns)
        owner = mirror_owner(s.n_inputs, s.anchor_share, panel).ravel()
        table = np.zeros((frames.shape[1] + 1, owner.size), np.bool_)
        table[owner, np.arange(owner.size)] = True  # parked ones are the last row
        shown = frames @ table[:-1]
        return _simulated(s.simulator, shown, exposure_s)

    def intensities(self) -> NDArray[Any]:
        """|A|^2 of the inputs, [out, in], up to a factor: of an ideal camera, one input at a time."""
        s = self.sizes
        assert s.anchor_share == 0
        ideal = mirrors(s.rows, s.columns, s.region[0] * s.region[1], "ideal", s.seed) | {
            "laser": {"profile": "gaussian"}
        }
        owner = mirror_owner(s.n_inputs, 0.0, DMDSettings(rows=s.rows, columns=s.columns)).ravel()
        one_hot = owner == np.arange(s.n_inputs)[:, None]
        return _simulated(ideal, one_hot, 1e-3).T.astype(np.float64)

    def write_config(self, path: Path, **train: Any) -> Path:
        """A config file: the device `lab` on this loop, and how to train."""
        table = {"kind": "bench"} | self.table
        path.write_text(
            tomli_w.dumps({"device": "lab", "devices": {"lab": table}, "train": {"dataset": "digits"} | train})
        )
        return path


def _simulated(settings: dict[str, Any], patterns: NDArray[np.bool_], exposure_s: float) -> NDArray[Any]:
    device = SimulatedDevice(SimSettings.model_validate(settings))
    device.open()
    device.configure(Acquisition(exposure_s))
    return device.measure(patterns)


def _camera(stack: ExitStack, optics: Path, description: str) -> AravisCamera:
    camera = AravisCamera("speckle_camera:Speckle", str(optics), description)
    stack.callback(camera.close)
    return camera


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def closed_loop(folder: Path, trigger: str = "software", sizes: Sizes | None = None) -> Iterator[Loop]:
    """A running loop; skips the test where a peer cannot be had on this machine."""
    sizes = sizes or Sizes()
    with ExitStack() as stack:
        library_dir = compile_stub(folder)
        if library() is None:
            import pytest

            pytest.skip("needs Aravis: apt-get install aravis-tools")
        panel = AlpStub.create(
            folder / "panel",
            sizes.rows,
            sizes.columns,
            sizes.memory,
            clock="stepped" if trigger == "modulator" else "real",
            min_us=PICTURE_MIN_US,
        )
        stack.enter_context(_environment(ENVIRONMENT, str(folder / "panel")))
        laser = LaserPeer(folder / "light")
        stack.callback(laser.close)
        stack.enter_context(gige_port())
        optics = Optics(str(folder / "panel"), str(folder / "light"), sizes.region, sizes.simulator, WIRING[trigger])
        description = ""
        if trigger == "modulator":
            description = str(write_description(folder / "camera.xml", ('Name="Software"', 'Name="Line1"')))
        path = optics.write(folder / "optics.json")
        camera = _camera(stack, path, description)
        table = {
            "n_inputs": sizes.n_inputs,
            "anchor_share": sizes.anchor_share,
            "trigger": trigger,
            "outputs": {"region": [*CORNER, *sizes.region]},
            "settle_s": 0.0,
            "timeout_s": 0.5,
            "watchdog": False,
            "modulator": {"kind": "alp", "library_dir": str(library_dir), "settle_s": 0},
            "camera": {
                "kind": "viva",
                "address": ADDRESS,
                "first_block": "any",
                "discovery_s": 2.0,
                "pixel_format": sizes.pixel_format,
            },
            "laser": {"kind": "cld101x", "resource": laser.resource, "current_a": 0.1},
        }
        yield Loop(sizes, trigger, panel, laser, camera, table, stack, path, description)

"""A bench in memory: a modulator, a camera and a laser around one optical model, obeying opu/parts.py, with faults to order.

A world is found by its name, so that a part rebuilt from its settings is the same hardware. Faults: `script` maps the
number of an exposure, counted over the world's life, to one of FAULTS; `rates` gives their probabilities.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

import numpy as np
from opu.drivers import bench_settings
from pydantic import BaseModel, ConfigDict

from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost
from opu.part_kinds import PartKind, load_part_kind
from opu.parts import (
    CameraFrame,
    CameraSettings,
    CameraSpec,
    LaserSpec,
    LaserStatus,
    ModulatorSpec,
    PartStatus,
    Region,
)

FAULTS = (
    "trigger_lost",  # the camera does not expose
    "extra",  # it exposes twice, of the same pattern
    "pulse_lost",  # it exposes, and its pulse does not reach the modulator
    "lost",  # exposed, and lost on its way
    "incomplete",
    "twice",  # delivered twice
    "late",  # delivered after the next one
    "frozen",  # the pixels and the time of the frame delivered before, under its own number
    "unplug_camera",
    "unplug_modulator",
    "interlock",
)


@dataclass
class World:
    """The table. Patterns are seen through the matrix, complex[camera pixels, mirrors]."""

    name: str = "fake"
    panel: tuple[int, int] = (12, 20)
    sensor: tuple[int, int] = (20, 24)
    bit_depth: int = 8
    seed: int = 0
    noise_dn: float = 0.0
    timestamps: bool = True
    counts_pulses: bool = True
    max_patterns: int = 1000
    lead_frames: int = 0
    """1: the camera's pulse comes at its exposure's end."""
    script: dict[int, str] = field(default_factory=dict)
    rates: dict[str, float] = field(default_factory=dict)
    light_on: bool = False
    interlock_open: bool = False
    laser_stuck: bool = False
    camera_gone: bool = False
    modulator_gone: bool = False
    exposures: int = 0
    now_s: float = 0.0
    violations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    shown: np.ndarray | None = None
    camera: FakeCamera | None = None
    modulator: FakeModulator | None = None

    def __post_init__(self):
        rng = np.random.default_rng(self.seed)
        shape = (self.sensor[0] * self.sensor[1], self.panel[0] * self.panel[1])
        self.matrix = (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)) / np.sqrt(2 * shape[1])
        self.parts = np.concatenate([self.matrix.real, self.matrix.imag]).astype(np.float32)
        self.rng = np.random.default_rng([self.seed, 1])
        WORLDS[self.name] = self

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def settings(self, **parameters) -> bench_settings.BenchSettings:
        tables = {role: {"kind": "fake", "world": self.name} for role in ("modulator", "camera", "laser")}
        return bench_settings.BenchSettings.model_validate(
            {**tables, "n_inputs": 20, "anchor_share": 0.5, "watchdog": False, "settle_s": 0.0, **parameters}
        )

    def fault(self) -> str:
        """Of the exposure that would be next."""
        number, self.exposures = self.exposures, self.exposures + 1
        if number in self.script:
            return self.script[number]
        left = self.rng.random()
        for name, rate in self.rates.items():
            if left < rate:
                return name
            left -= rate
        return ""

    def image(self, settings: CameraSettings, on: np.ndarray | None) -> np.ndarray:
        """Pixels of the region now."""
        rows, columns = self.sensor
        light = np.zeros((rows, columns))
        if self.light_on and not self.interlock_open and on is not None:
            squares = (self.parts @ on.ravel().astype(np.float32)) ** 2
            brightness = settings.exposure_s * 1e5 * 2 ** (self.bit_depth - 8)
            light = squares.reshape(2, rows, columns).sum(axis=0) * brightness
        if self.noise_dn:
            light = light + self.noise_dn * self.rng.standard_normal(light.shape)
        r = settings.region
        cut = light[r.row : r.row + r.rows, r.column : r.column + r.columns]
        dtype = np.uint8 if self.bit_depth <= 8 else np.uint16
        return np.clip(np.rint(cut), 0, 2**self.bit_depth - 1).astype(dtype)


WORLDS: dict[str, World] = {}


class FakePart:
    role = "part"

    def __init__(self, settings):
        self.settings = settings
        self.is_open = False

    @property
    def world(self) -> World:
        return WORLDS[self.settings.world]

    def open(self):
        if self.is_open:
            raise DeviceError(f"{self.role} is open already; close it first")
        self.check_there()
        self.world.log.append(f"open {self.role}")
        self.is_open = True

    def close(self):
        if self.is_open:
            self.world.log.append(f"close {self.role}")
        self.is_open = False

    def check_there(self):
        pass

    def check_open(self):
        if not self.is_open:
            raise DeviceClosed(f"{self.role} is not open; open it first")
        self.check_there()

    def status(self):
        return PartStatus(self.is_open)


class FakeModulator(FakePart):
    role = "modulator"

    def __init__(self, settings):
        super().__init__(settings)
        self.patterns = None
        self.begun = None
        self.mode = ""

    @property
    def spec(self):
        w = self.world
        return ModulatorSpec("fake DMD", "dmd-1", *w.panel, 1e-4, w.max_patterns, triggered=True)

    def check_there(self):
        if self.world.modulator_gone:
            raise DeviceLost("modulator fake DMD no longer answers; plug it in again")

    def open(self):
        super().open()
        self.world.modulator, self.world.shown, self.mode = self, None, ""

    def close(self):
        super().close()
        self.world.shown, self.patterns, self.mode = None, None, ""

    def load(self, patterns):
        self.check_open()
        rows, columns = self.world.panel
        assert patterns.dtype == np.uint8
        assert patterns.flags.c_contiguous
        assert patterns.shape[1:] == (rows, -(-columns // 8))
        if not 1 <= len(patterns) <= self.world.max_patterns:
            raise DeviceError(
                f"modulator: {len(patterns)} patterns, and 1 to {self.world.max_patterns} fit; load fewer"
            )
        self.patterns = np.unpackbits(patterns, axis=2)[:, :, :columns].astype(bool)
        self.begun = None

    def show(self, index):
        self.check_open()
        self.world.shown = self.patterns[index]

    def start(self, frame_time_s, trigger="software"):
        self.check_open()
        if frame_time_s < self.spec.frame_time_min_s:
            raise DeviceError(
                f"modulator: frame_time_s = {frame_time_s} is below {self.spec.frame_time_min_s} s; take longer"
            )
        self.begun, self.mode = 0, trigger
        if trigger == "software":
            for pattern in self.patterns:
                self.begun += 1
                self.world.shown = pattern
                self.world.camera.pulse(frame_time_s)

    def pulse(self):
        if self.mode == "hardware" and self.begun < len(self.patterns):
            self.world.shown = self.patterns[self.begun]
            self.begun += 1

    def wait(self, timeout_s):
        self.check_open()
        if self.begun is not None and self.begun < len(self.patterns):
            self.stop()
            raise DeviceError(f"modulator: {self.begun} of {len(self.patterns)} patterns shown after {timeout_s} s")

    def stop(self):
        self.check_there()
        self.world.shown, self.mode = None, ""

    def status(self):
        return PartStatus(self.is_open, self.begun if self.world.counts_pulses else None)


class FakeCamera(FakePart):
    role = "camera"

    def __init__(self, settings):
        super().__init__(settings)
        self.in_force = None
        self.armed = False
        self.queue: deque[CameraFrame] = deque()

    @property
    def spec(self):
        w = self.world
        return CameraSpec("fake camera", "cam-1", *w.sensor, w.bit_depth, 1e-5, 1.0, 1000.0, 12.0, (2, 4))

    def check_there(self):
        if self.world.camera_gone:
            raise DeviceLost("camera fake camera no longer answers; look at its cable")

    def open(self):
        super().open()
        self.world.camera, self.in_force, self.armed = self, None, False

    def close(self):
        super().close()
        self.armed = False
        self.queue.clear()

    def configure(self, settings):
        self.check_open()
        if self.armed:
            raise DeviceError("camera: configure() between start() and stop(); stop() first")
        if not self.spec.exposure_min_s <= settings.exposure_s <= self.spec.exposure_max_s:
            raise DeviceError(f"camera: exposure_s = {settings.exposure_s} is out of range; choose 1e-5 to 1 s")
        r = settings.region
        if r.row + r.rows > self.spec.rows or r.column + r.columns > self.spec.columns:
            raise DeviceError(f"camera: {r} is not inside {self.spec.rows} x {self.spec.columns} pixels; shrink it")
        self.in_force = replace(settings, exposure_s=round(settings.exposure_s * 1e6) / 1e6)
        return self.in_force

    def start(self):
        self.check_open()
        self.armed, self.number, self.held = True, 0, None
        self.queue.clear()
        self.last = None

    def trigger(self):
        self.check_open()
        if not self.armed or self.in_force.trigger != "software":
            raise DeviceError("camera: trigger() without start(), or with a hardware trigger")
        self.expose(self.in_force.exposure_s, pulses=True)

    def pulse(self, period_s):
        if self.armed and self.in_force is not None and self.in_force.trigger == "hardware":
            self.expose(period_s, pulses=False)

    def expose(self, period_s, pulses):
        w = self.world
        fault = w.fault()
        if fault == "unplug_camera":
            w.camera_gone = True
        if fault == "unplug_modulator":
            w.modulator_gone = True
        if fault == "interlock":
            w.interlock_open = True
        if fault == "extra":
            self._one(period_s / 3, "", pulses)
            self._one(period_s * 2 / 3, "", pulses)
        elif fault == "trigger_lost":
            w.now_s += period_s
        else:
            self._one(period_s, fault, pulses)

    def _one(self, period_s, fault, pulses):
        w = self.world
        pulses = pulses and fault != "pulse_lost"
        if pulses and not w.lead_frames:
            w.modulator.pulse()
        stamp = w.now_s if w.timestamps else None
        frame = CameraFrame(self.number, w.image(self.in_force, w.shown), fault != "incomplete", stamp)
        if fault == "frozen" and self.last is not None:
            frame = replace(self.last, number=self.number)
        self.number += 1
        w.now_s += period_s
        if pulses and w.lead_frames:
            w.modulator.pulse()
        if fault == "late":
            self.held = frame
            return
        if fault != "lost":
            self.last = frame
            self.queue.extend([frame] * (1 + (fault == "twice")))
        if self.held is not None:
            self.queue.append(self.held)
            self.held = None

    def grab(self, timeout_s):
        self.check_open()
        if not self.queue:
            self.world.now_s += timeout_s
            raise DeviceError(f"camera: no frame within {timeout_s} s; look at the trigger")
        return self.queue.popleft()

    def stop(self):
        self.check_there()
        self.armed = False
        self.queue.clear()

    def status(self):
        return PartStatus(self.is_open, temperature_c=31.5)


class FakeLaser(FakePart):
    role = "laser"

    @property
    def spec(self):
        return LaserSpec("fake laser", "laser-1", 0.1, 532e-9)

    def open(self):
        super().open()
        self.off()

    def close(self):
        if self.is_open:
            self.off()
        super().close()

    def set_power(self, power_w):
        self.check_open()
        if not 0 <= power_w <= self.spec.power_max_w:
            raise DeviceError(f"laser: power_w = {power_w} is not within 0 to {self.spec.power_max_w} W; ask for less")
        return power_w

    def on(self):
        self.check_open()
        w = self.world
        if w.interlock_open:
            raise DeviceError("laser fake laser: interlock open; close the door")
        for part in (w.camera, w.modulator):
            if part is None or not part.is_open:
                w.violations.append("light before camera and modulator were open")
        w.log.append("light on")
        w.light_on = True

    def off(self):
        if self.world.laser_stuck:
            raise DeviceLost("laser fake laser does not answer; turn its key")
        if self.world.light_on:
            self.world.log.append("light off")
        self.world.light_on = False

    def status(self):
        w = self.world
        lit = w.light_on and not w.interlock_open
        return LaserStatus(self.is_open, lit, "open" if w.interlock_open else "closed", 0.01 * lit, 25.0)


class FakeMeter(FakePart):
    role = "power_meter"
    model = "fake meter m-1"

    def zero(self):
        self.check_open()

    def read_w(self):
        self.check_open()
        return 0.01 * self.world.light_on


class FakeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    world: str = "fake"


KINDS = {
    part.role: PartKind("fake", part.role, "for tests", FakeSettings, part)
    for part in (FakeModulator, FakeCamera, FakeLaser, FakeMeter)
}
MODULATOR, CAMERA = KINDS["modulator"], KINDS["camera"]


def fake_kinds(monkeypatch) -> None:
    """The kind `fake` is installed for every role."""

    def load(role, name):
        if name == "fake":
            return KINDS[role]
        if name == "nothing":
            raise ConfigError("unknown kind")
        return load_part_kind(role, name)

    monkeypatch.setattr(bench_settings, "load_part_kind", load)


WHOLE = Region(0, 0, 20, 24)

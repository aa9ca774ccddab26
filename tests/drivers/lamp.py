"""A device whose light can be seen from outside: it writes "on" or "off" to a file. A kind, and a watchdog's hook."""

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from opu.errors import DeviceError
from opu.kinds import DeviceKind
from opu.testing import ReferenceDevice

N_INPUTS, N_OUTPUTS = 20, 48


def matrix(seed=5):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((N_OUTPUTS, N_INPUTS)) + 1j * rng.standard_normal((N_OUTPUTS, N_INPUTS))


class LampSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    lamp: str = ""
    delay_s: float = 0.0
    can_blank: bool = True
    serial: str = "lamp-0"
    light_off: str | None = None


class Lamp(ReferenceDevice):
    """Readings count the frames shown, so that a frame shown twice or left out shows: the noise of a frame is its number."""

    def __init__(self, settings=None, **parameters):
        super().__init__(matrix(), brightness=1e5)
        self.settings = settings or LampSettings(**parameters)
        self._spec = replace(
            self._spec,
            kind="lamp",
            serial=self.settings.serial,
            fingerprint="lamp",
            can_blank=self.settings.can_blank,
        )
        self.interlock = "closed"
        self.fail_at = None
        self.configured = 0
        self.light = False

    def _set(self, light):
        self.light = light
        if self.settings.lamp:
            Path(self.settings.lamp).write_text("on" if light else "off")

    def open(self):
        super().open()
        self._set(False)

    def close(self):
        super().close()
        self._set(False)

    def configure(self, acquisition):
        in_force = super().configure(acquisition)
        self.configured += 1
        self._set(acquisition.light)
        return in_force

    def measure(self, frames):
        first = self._frames_shown
        if self.fail_at is not None and first <= self.fail_at < first + len(frames):
            self.fail_at = None
            raise DeviceError(f"lamp {self.settings.serial!r}: frame {first} jams; show another")
        time.sleep(self.settings.delay_s)
        readings = super().measure(frames)
        return readings ^ (np.arange(first, first + len(frames), dtype=np.uint16)[:, None] & 7)

    def status(self):
        return replace(super().status(), interlock=self.interlock)


def light_off(profile):
    """The hook: what a lab would do through the laser's own interface."""
    Path(profile["lamp"]).write_text("off by watchdog")


KIND = DeviceKind("lamp", "for tests", LampSettings, Lamp)

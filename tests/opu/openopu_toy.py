"""A device kind for workers in other processes: a seeded matrix, noise by (frame, output), and faults on demand."""

import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from opu.device import DeviceSpec
from opu.errors import DeviceError
from opu.frames import checked_packed
from opu.kinds import DeviceKind
from opu.testing import ReferenceDevice


class ToySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    n_inputs: int = 20
    n_outputs: int = 42
    seed: int = 0
    outputs: tuple[int, int] | None = None
    delay_s: float = 0.0
    trace: str | None = None
    """A folder where every process that measures leaves a file named by its id."""
    fail_at: int | None = None
    """DeviceError when this frame number is shown."""


class ToyDevice(ReferenceDevice):
    def __init__(self, settings: ToySettings) -> None:
        rng = np.random.default_rng(settings.seed)
        shape = (settings.n_outputs, settings.n_inputs)
        start, stop = settings.outputs or (0, settings.n_outputs)
        matrix = rng.standard_normal(shape) + 1j * rng.standard_normal(shape)
        super().__init__(matrix[start:stop], brightness=1e5)
        self.settings, self.outputs, self.next_frame = settings, np.arange(start, stop, dtype=np.uint64), 0
        self._spec = replace(self._spec, kind="toy", fingerprint=f"toy {settings.seed} {settings.outputs}")

    @property
    def spec(self) -> DeviceSpec:
        return self._spec

    def open(self) -> None:
        super().open()
        self.next_frame = 0

    def seek(self, frame: int, time_s: float | None = None) -> None:
        self.next_frame = frame

    def measure(self, frames):
        return self.measure_by(self.expose, frames)

    def measure_by(self, expose, frames):
        if not self._is_open or self._acquisition is None:
            return super().measure(frames)  # which raises
        packed = checked_packed(frames, self.settings.n_inputs)
        readings = expose(packed, self.next_frame, self._device_seconds)
        self.next_frame += len(packed)
        self._frames_shown += len(packed)
        self._device_seconds += len(packed) * self._acquisition.frame_time_s
        return readings

    def expose(self, packed, first_frame, time_s):
        if self.settings.trace is not None:
            Path(self.settings.trace, str(os.getpid())).touch()
        time.sleep(self.settings.delay_s)
        shown = self._frames_shown, self._device_seconds
        readings = super().measure(packed)
        self._frames_shown, self._device_seconds = shown
        numbers = np.arange(first_frame, first_frame + len(packed), dtype=np.uint64)
        if self.settings.fail_at is not None and self.settings.fail_at in numbers:
            raise DeviceError(f"toy device: frame {self.settings.fail_at} jams; show another")
        word = (numbers[:, None] * np.uint64(2**20) + self.outputs) * np.uint64(0x9E3779B97F4A7C15)
        return (readings // 2 + (word >> np.uint64(55))).astype(np.uint16)


class Real:
    """Only what the seam asks for, like a real device."""

    def __init__(self, device: ToyDevice) -> None:
        self.spec, self.open, self.close = device.spec, device.open, device.close
        self.configure, self.measure, self.status = device.configure, device.measure, device.status


KIND = DeviceKind("toy", "for tests", ToySettings, ToyDevice)
REAL = DeviceKind("toy-real", "for tests", ToySettings, lambda settings: Real(ToyDevice(settings)))

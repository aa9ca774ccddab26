"""Stand-ins for an OPU: the interface without light."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from opu.device import DeviceStatus


class FakeCalibration:
    reference: None = None

    def save(self, path: Path) -> None:
        Path(path).write_bytes(b"calibration")

    def report(self) -> str:
        return "calibrated a fake"


class FakeOPU:
    """An exact Gaussian projection that counts two frames a row, and ten for its calibration."""

    def __init__(self, n_inputs: int, n_outputs: int, seed: int = 0, encoding: Any = None) -> None:
        self.n_inputs, self.n_linear = n_inputs, n_outputs
        rng = np.random.default_rng([seed, n_inputs, n_outputs])
        self.matrix = rng.standard_normal((n_inputs, n_outputs), dtype=np.float32)
        self.calibration: FakeCalibration | None = None
        self.encoding = encoding
        self.calls: list[np.ndarray] = []
        self.frames = 0
        self.opened = self.closed = 0

    def __enter__(self) -> FakeOPU:
        self.opened += 1
        return self

    def __exit__(self, *_: Any) -> None:
        self.closed += 1

    def calibrate(self, *, fill: float = 0.5) -> FakeCalibration:
        self.frames += 10
        self.calibration = FakeCalibration()
        return self.calibration

    def linear_transform(self, x: np.ndarray) -> np.ndarray:
        assert x.dtype == np.float32
        self.calls.append(x)
        self.frames += 2 * len(x)
        return x @ self.matrix

    def status(self) -> DeviceStatus:
        return DeviceStatus(is_open=True, light_on=True, frames_shown=self.frames, device_seconds=self.frames / 1000)

"""A device as an axis sees it before anything is swept: its settings and, where light was needed, what it measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from opu.calibration import Calibration
from opu.errors import ConfigError
from opu.retrieval import Retrieval

Overrides = dict[str, Any]
"""Dotted keys of the device's table and their values."""


@dataclass(frozen=True)
class Bench:
    """What an axis may use of the device as configured: its checked settings and, for some, what was measured on it.

    snr: signal-to-noise of one projection, a ratio of standard deviations; n_inputs: data inputs; frames_per_step: frames
    that one update shows.
    """

    settings: BaseModel
    calibration: Calibration | None = None
    snr: float | None = None
    n_inputs: int = 0
    retrieval: Retrieval | None = None
    frames_per_step: int = 0

    def get(self, key: str) -> Any:
        """The value of a dotted key. ConfigError where this kind of device has no such key."""
        value: Any = self.settings
        for part in key.split("."):
            if not hasattr(value, part):
                raise ConfigError(f"needs {key}, which this kind of device does not have; sweep one of its own keys")
            value = getattr(value, part)
        return value

    def has(self, key: str) -> bool:
        """Whether this kind of device has that dotted key."""
        try:
            self.get(key)
        except ConfigError:
            return False
        return True

    @property
    def calibrated(self) -> Calibration:
        """The calibration, which every measured axis is given."""
        assert self.calibration is not None, "a measured axis is given a calibrated bench"
        return self.calibration

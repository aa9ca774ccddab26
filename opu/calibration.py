"""Calibration: what must be measured once before intensities mean numbers; a record that can be saved and reused."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from opu.device import Acquisition, DeviceSpec
from opu.errors import CalibrationError
from opu.files import write_atomic

FORMAT = "openopu-calibration-1"


@dataclass(frozen=True)
class Calibration:
    """Dark frame, exposures, anchor reference and scale of one device and one medium.

    dark_dn: float32[n_outputs], laser blanked. intensity / linear: acquisitions for data alone and for anchor + data
    (linear None: no anchor). *_dn_per_input: mean reading that one data input adds, DN. anchor_dn: float32[n_outputs],
    reading of the anchor alone, dark removed. scale: DN^(1/2) per unit of B e, with its relative standard error.
    snr: signal variance over noise variance of one four-frame projection at the reported fill.
    """

    device: str
    fingerprint: str
    response: str
    n_inputs: int
    created_utc: str
    fill: float
    dark_dn: NDArray[np.float32]
    intensity: Acquisition
    intensity_dn_per_input: float
    intensity_saturated: float
    linear: Acquisition | None = None
    linear_dn_per_input: float = 0.0
    linear_saturated: float = 0.0
    anchor_dn: NDArray[np.float32] | None = None
    anchor_floor_dn: float = 0.0
    scale: float = 1.0
    scale_relative_error: float = 0.0
    snr: float = 0.0
    frames_used: int = 0

    @property
    def held_back(self) -> float:
        """Fraction of outputs whose anchor is darker than the floor: their projection is scaled down, not amplified noise."""
        return 0.0 if self.anchor_dn is None else float(np.mean(self.anchor_dn < self.anchor_floor_dn))

    def dark_limit(self, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Readings up to here, within 1 DN of the dark level, cannot be told from it: (n_outputs,) of the readings' type."""
        limit: NDArray[Any] = np.floor(self.dark_dn + 1.0).astype(dtype)
        return limit

    @cached_property
    def row_gain(self) -> NDArray[np.float32]:
        """float32[n_outputs], 1 / (scale sqrt(max(anchor, floor))): turns an anchored difference in DN into B e."""
        if self.anchor_dn is None:
            raise CalibrationError(
                "this calibration has no anchor reference: the device had no anchor when it was made"
            )
        return (1.0 / (self.scale * np.sqrt(np.maximum(self.anchor_dn, self.anchor_floor_dn)))).astype(np.float32)

    def check(self, spec: DeviceSpec) -> None:
        """CalibrationError unless this calibration was made on that device and medium."""
        for name, mine, its in (
            ("medium fingerprint", self.fingerprint, spec.fingerprint),
            ("response of laser and camera", self.response, spec.response),
            ("number of outputs", len(self.dark_dn), spec.n_outputs),
            ("number of inputs", self.n_inputs, spec.n_inputs),
        ):
            if mine != its:
                raise CalibrationError(
                    f"the calibration of {self.device} ({self.created_utc}) does not belong to {spec.kind} device "
                    f"{spec.serial!r}: {name} {mine} there, {its} here. Calibrate again, or load the one made on it"
                )

    def report(self) -> str:
        """A few lines for people."""
        lines = [
            f"calibrated {self.device} at {self.fill:.0%} of inputs on, {self.frames_used} frames",
            f"  dark {self.dark_dn.mean():.2f} DN",
            f"  intensity: exposure {self.intensity.exposure_s * 1e6:.0f} µs, "
            f"{self.intensity_dn_per_input:.3g} DN per input, {self.intensity_saturated:.2%} saturated",
        ]
        if self.linear is not None and self.anchor_dn is not None:
            lines += [
                f"  linear: exposure {self.linear.exposure_s * 1e6:.0f} µs, anchor {self.anchor_dn.mean():.1f} DN, "
                f"{self.linear_dn_per_input:.3g} DN per input, {self.linear_saturated:.2%} saturated",
                f"  scale known to {self.scale_relative_error:.1%}, signal-to-noise {self.snr:.3g} per projection, "
                f"{self.held_back:.1%} of outputs held back (dark anchor)",
            ]
        return "\n".join(lines)

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, atomically: arrays as tensors, the rest as JSON in its metadata."""
        arrays = {"dark_dn": self.dark_dn}
        if self.anchor_dn is not None:
            arrays["anchor_dn"] = self.anchor_dn
        write_atomic(path, save(arrays, metadata={"format": FORMAT, "calibration": json.dumps(self.summary())}))

    def summary(self) -> dict[str, Any]:
        """Everything but the arrays, JSON-safe."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        for name in ("dark_dn", "anchor_dn"):
            del plain[name]
        for name in ("intensity", "linear"):
            plain[name] = asdict(plain[name]) if plain[name] is not None else None
        return plain

    @classmethod
    def load(cls, path: Path | str) -> Calibration:
        """Read what save() wrote; CalibrationError names a file that is missing, damaged or something else."""
        try:
            with safe_open(path, "numpy") as file:
                metadata: dict[str, str] = file.metadata() or {}
                arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise CalibrationError(f"cannot read calibration {path}: {error}") from None
        if metadata.get("format") != FORMAT:
            raise CalibrationError(
                f"{path} is not a calibration of this version ({FORMAT}): {metadata.get('format')!r}"
            )
        try:
            plain = json.loads(metadata["calibration"])
            for name in ("intensity", "linear"):
                plain[name] = Acquisition(**plain[name]) if plain[name] is not None else None
            return cls(**plain, **arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise CalibrationError(f"calibration {path} is incomplete ({error!r}): calibrate again") from None

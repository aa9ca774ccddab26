"""Calibration: what must be measured once before intensities mean numbers; a record that can be saved and reused."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from opu.arrays import Array, namespace
from opu.device import Acquisition, DeviceSpec
from opu.errors import CalibrationError
from opu.files import write_atomic
from opu.reference import Reference

FORMAT = "openopu-calibration-2"


@dataclass(frozen=True)
class Calibration:
    """Dark frame, exposure for plain frames, and the reference of one kind of interferometry, of one device and one medium.

    dark_dn: float32[n_outputs], laser blanked. intensity: acquisition for data alone; intensity_dn_per_input: mean reading that
    one data input adds, DN. reference: None where no interferometry was calibrated.
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
    reference: Reference | None = None
    frames_used: int = 0

    def reference_for(self, probe: str) -> Reference:
        """The reference measured by that kind of retrieval; CalibrationError where it is another or none."""
        if self.reference is None or self.reference.probe != probe:
            has = "has no reference" if self.reference is None else f"was made for {self.reference.probe!r}"
            raise CalibrationError(
                f"the calibration of {self.device} {has}, and this retrieval needs one by {probe!r}; call calibrate() on the "
                "OPU in use"
            )
        return self.reference

    def dark_limit(self, dtype: Any, margin_dn: float = 1.0) -> Array:
        """Readings up to here, within the margin of the dark level, cannot be told from it: (n_outputs,) of that type."""
        xp = namespace(self.dark_dn)
        return xp.astype(xp.floor(self.dark_dn + margin_dn), dtype)

    def beside(self, x: Array) -> Calibration:
        """This calibration with its arrays in x's namespace and on x's device."""
        dark = namespace(x).asarray(self.dark_dn, device=device_of(x))
        return replace(self, dark_dn=dark, reference=None if self.reference is None else self.reference.beside(x))

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
        r = self.reference
        if r is not None:
            lines += [
                f"  linear ({r.probe}): exposure {r.acquisition.exposure_s * 1e6:.0f} µs, reference "
                f"{r.reference_dn.mean():.1f} DN, {r.dn_per_input:.3g} DN per input, {r.saturated:.2%} saturated",
                f"  scale known to {r.scale_relative_error:.1%}, signal-to-noise {r.snr:.3g} per projection, "
                f"{r.held_back:.1%} of rows held back (dark reference)",
            ]
        return "\n".join(lines)

    def save(self, path: Path | str) -> None:
        """Write a safetensors file, atomically: arrays as tensors, the rest as JSON in its metadata."""
        arrays = {"dark_dn": self.dark_dn}
        if self.reference is not None:
            arrays["reference_dn"] = self.reference.reference_dn
        write_atomic(path, save(arrays, metadata={"format": FORMAT, "calibration": json.dumps(self.summary())}))

    def summary(self) -> dict[str, Any]:
        """Everything but the arrays, JSON-safe."""
        plain = _plain(self, "dark_dn", "reference")
        plain["reference"] = None if self.reference is None else _plain(self.reference, "reference_dn")
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
            plain["intensity"] = _acquisition(plain["intensity"])
            if plain["reference"] is not None:
                table = plain["reference"] | {"acquisition": _acquisition(plain["reference"]["acquisition"])}
                plain["reference"] = Reference(**table, reference_dn=arrays.pop("reference_dn"))
            return cls(**plain, **arrays)
        except (KeyError, TypeError, ValueError) as error:
            raise CalibrationError(f"calibration {path} is incomplete ({error!r}): calibrate again") from None


def _plain(record: Calibration | Reference, *without: str) -> dict[str, Any]:
    """A record's fields, JSON-safe, without some."""
    plain = {field.name: getattr(record, field.name) for field in fields(record) if field.name not in without}
    return {key: asdict(value) if isinstance(value, Acquisition) else value for key, value in plain.items()}


def _acquisition(table: dict[str, Any]) -> Acquisition:
    return Acquisition(**{**table, "reference_rad": tuple(table.get("reference_rad", ()))})

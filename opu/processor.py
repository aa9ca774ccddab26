"""The OPU that people hold: random projections from any device, by any encoding and retrieval."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from opu.calibration import Calibration
from opu.calibrator import calibrate
from opu.device import Acquisition, Device, DeviceSpec, DeviceStatus, Frames, Readings
from opu.encodings import BitPlanes, Encoded, Encoding, encoding_from
from opu.errors import CapabilityError, Saturated, TooDark
from opu.exposure import saturated_fraction
from opu.frames import checked_binary, checked_finite, pack
from opu.retrieval import Anchor, Retrieval, retrieval_from, with_anchor

Bits = NDArray[np.bool_]

BLOCK_BYTES = 32 * 2**20
SATURATION_WARNING = 0.02
DARK_WARNING = 0.5
LIGHT_SAMPLE = 2**18
"""Readings looked at, about, to judge the light of one call: a fraction of 2 % is then known to 0.03 %."""

log = logging.getLogger("opu")


class OPU:
    """Random projections by light.

    transform(x) gives intensities |A x|^2 as the camera saw them; linear_transform(e) gives B e with B i.i.d. N(0, 1).
    The device is opened by `with` or open(), calibrated at first use, and closed with its light off. Not thread-safe:
    a device shows one frame at a time.
    """

    def __init__(
        self,
        device: Device,
        *,
        encoding: str | Mapping[str, Any] | Encoding | None = None,
        retrieval: str | Retrieval | None = None,
        calibration: Calibration | str | Path | None = None,
    ) -> None:
        self.device = device
        self.encoding: Encoding = BitPlanes() if encoding is None else encoding_from(encoding)
        self.retrieval: Retrieval = Anchor(4) if retrieval is None else retrieval_from(retrieval)
        if isinstance(calibration, str | Path):
            calibration = Calibration.load(calibration)
        if calibration is not None:
            calibration.check(device.spec)
        self._calibration = calibration
        self._warned: set[type[Warning]] = set()

    @property
    def spec(self) -> DeviceSpec:
        """What the device is and can do."""
        return self.device.spec

    @property
    def n_inputs(self) -> int:
        """Width of x and e: the device's inputs without the anchor."""
        return self.spec.n_data_inputs

    @property
    def n_outputs(self) -> int:
        """Width of every result."""
        return self.spec.n_outputs

    @property
    def calibration(self) -> Calibration | None:
        """The calibration in use; None until the first one."""
        return self._calibration

    def status(self) -> DeviceStatus:
        """What the device says of itself now."""
        return self.device.status()

    def open(self) -> Self:
        """Open the device; `with` does this for you."""
        self.device.open()
        return self

    def close(self) -> None:
        """Light off and device released; may be called again."""
        self.device.close()

    def __enter__(self) -> Self:
        return self if self.status().is_open else self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if self.status().is_open else "closed"
        return f"<OPU {self.n_inputs} -> {self.n_outputs} on {self.spec.kind} {self.spec.serial!r}, {state}>"

    def calibrate(self, *, fill: float = 0.5, seed: int = 0) -> Calibration:
        """Measure dark frame, exposures, anchor reference and scale; use and return them.

        fill: fraction of inputs that is on in typical frames, in (0, 1]; seed: of the random probes. Happens by itself
        at first use with the defaults. Raises CalibrationError when the light cannot be made to fit the camera.
        """
        self._calibration = calibrate(self.device, fill=fill, seed=seed)
        self._warned.clear()
        log.info("%s", self._calibration.report())
        return self._calibration

    def transform(self, x: ArrayLike) -> Readings:
        """y = camera(|A x|^2), the device's native random features.

        x: 0/1, shape (n, n_inputs) or (n_inputs,). Returns readings in DN, (n, n_outputs) or (n_outputs,), uint8 (uint16
        above 8 bits). InputError for any other value or shape; warns if saturated or dark. Kernel of the noiseless
        features: |x|^2 |y|^2 + (x.y)^2 (Saade et al., arXiv:1510.06664).
        """
        rows, single = checked_binary(x, self.n_inputs)
        calibration = self._ready()
        self._configure(calibration.intensity)
        result = np.empty((len(rows), self.n_outputs), dtype=self.spec.reading_dtype)
        for block in self._blocks(len(rows), frames_per_row=1):
            result[block] = self.device.measure(self._packed(with_anchor(rows[block], self.spec, False)))
        lit = rows.any(axis=1)
        self._warn_of_light(result[lit] if not lit.all() else result, calibration, stacklevel=4)
        return result[0] if single else result

    def linear_transform(self, e: ArrayLike) -> NDArray[np.float32]:
        """z = B e, entries of B i.i.d. N(0, 1), the same B every time on the same medium.

        e: finite reals, shape (n, n_inputs) or (n_inputs,). Returns float32 (n, n_outputs) or (n_outputs,); exactly 0
        where e is 0. Frames per row: planes of the encoding x frames of the retrieval. InputError for NaN, infinities
        and shapes; CapabilityError if the device lacks what the retrieval needs. How linear the result is depends on
        encoding and retrieval; the defaults (8 signed bit planes, four-frame anchor) are linear. Camera noise adds to
        z, and outputs whose anchor is dark are scaled down (see the calibration's snr and held_back).
        """
        rows, single = checked_finite(e, self.n_inputs)
        self.retrieval.check(self.spec)
        self.encoding.check(rows)
        calibration = self._ready()
        if isinstance(self.retrieval, Anchor):
            if calibration.linear is None:
                raise CapabilityError("the calibration in use has no anchor reference; call calibrate() on this device")
            self._configure(calibration.linear)
        else:
            self._configure(calibration.intensity)
        result = np.empty((len(rows), self.n_outputs), dtype=np.float32)
        per_row = self.encoding.n_planes * self.retrieval.frames_per_plane
        for block in self._blocks(len(rows), per_row):
            result[block] = self._project(self.encoding.encode(rows[block]), calibration)
        return result[0] if single else result

    def _project(self, encoded: Encoded, calibration: Calibration) -> NDArray[np.float32]:
        n, n_planes, _ = encoded.positive.shape
        weights = (encoded.scale[:, None] * encoded.weights).astype(np.float32)
        # An empty plane carries nothing but noise, and is not shown.
        lit = (encoded.positive | encoded.negative).any(axis=2)
        if lit.all():
            shape = n, n_planes, self.n_outputs
            field = self._field(encoded.positive[lit], encoded.negative[lit], calibration).reshape(shape)
        else:
            field = np.zeros((n, n_planes, self.n_outputs), np.float32)
            if lit.any():
                field[lit] = self._field(encoded.positive[lit], encoded.negative[lit], calibration)
        # Plane by plane, not by a matrix product, whose rounding depends on how many rows share the call.
        field *= weights[:, :, None]
        result = field[:, 0]
        for k in range(1, n_planes):
            result += field[:, k]
        return result

    def _field(self, positive: Bits, negative: Bits, calibration: Calibration) -> NDArray[np.float32]:
        """Planes bool[n, n_data_inputs] -> their linear field, float32[n, n_outputs]."""
        spec = self.spec
        frames = self.retrieval.frames(positive, negative, spec)
        shown = self.device.measure(self._packed(frames.reshape(-1, spec.n_inputs)))
        readings = shown.reshape(len(positive), -1, spec.n_outputs)
        lit = frames.any(axis=2)
        self._warn_of_light(readings if lit.all() else readings[lit], calibration, stacklevel=6)
        return self.retrieval.field(readings, positive, negative, calibration)

    def _packed(self, frames: NDArray[np.bool_]) -> Frames:
        return pack(frames) if self.spec.packed_input else frames

    def _ready(self) -> Calibration:
        return self._calibration or self.calibrate()

    def _configure(self, acquisition: Acquisition) -> None:
        if acquisition != self.device.status().acquisition:
            self.device.configure(acquisition)

    def _blocks(self, n_rows: int, frames_per_row: int) -> Iterator[slice]:
        """Row blocks whose frames and readings stay under BLOCK_BYTES; noise does not depend on where they are cut."""
        bytes_per_row = frames_per_row * (self.spec.n_inputs + self.n_outputs * self.spec.reading_dtype.itemsize)
        step = max(1, BLOCK_BYTES // bytes_per_row)
        return (slice(start, start + step) for start in range(0, n_rows, step))

    def _warn_of_light(self, readings: NDArray[Any], calibration: Calibration, stacklevel: int) -> None:
        if not readings.size:
            return
        # Every frame is looked at, at some of its outputs: outputs are alike, frames are not.
        step = min(-(-readings.size // LIGHT_SAMPLE), max(1, self.n_outputs // 64))
        readings = readings[..., ::step]
        saturated = saturated_fraction(readings, self.spec.saturation_dn)
        if saturated > SATURATION_WARNING:
            self._warn_once(
                f"{saturated:.1%} of readings are saturated at {self.spec.saturation_dn} DN (speckle at the calibrated "
                f"level: 0.03 %): frames are brighter than the {calibration.fill:.0%} fill calibrated for. "
                "Call calibrate(fill=...) with the fraction of inputs your data switch on",
                Saturated,
                stacklevel,
            )
        dark = np.count_nonzero(readings <= calibration.dark_limit(readings.dtype)[::step]) / readings.size
        if dark > DARK_WARNING:
            self._warn_once(
                f"{dark:.1%} of readings lie within 1 DN of the dark level: frames are darker than the "
                f"{calibration.fill:.0%} fill calibrated for. Call calibrate(fill=...) with the fraction of inputs your "
                "data switch on, or raise the laser power",
                TooDark,
                stacklevel,
            )

    def _warn_once(self, message: str, category: type[Warning], stacklevel: int) -> None:
        if category not in self._warned:
            self._warned.add(category)
            warnings.warn(message, category, stacklevel=stacklevel)

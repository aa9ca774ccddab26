"""The OPU that people hold: random projections from any device, by any encoding and retrieval."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from array_api_compat import device as device_of
from numpy.typing import NDArray

from opu.anchor import Anchor, with_anchor
from opu.arrays import Array, kind_of, like, namespace
from opu.calibration import Calibration
from opu.calibrator import calibrate
from opu.device import Acquisition, Device, DeviceSpec, DeviceStatus
from opu.encodings import BitPlanes, Encoded, Encoding, encoding_from
from opu.frames import checked_binary, checked_finite, pack
from opu.light_check import light_warnings
from opu.retrieval import Interferometry, Retrieval, default_retrieval, field, last_of_few_codes, retrieval_from
from opu.threads import run_tasks

BLOCK_BYTES = 32 * 2**20
RETRIEVAL_TASK = 2**20

log = logging.getLogger("opu")


class OPU:
    """Random projections by light.

    transform(x) gives intensities |A x|^2 as the camera saw them; linear_transform(e) gives B e with B i.i.d. N(0, 1).
    The device is opened by `with` or open(), calibrated at first use, and closed with its light off. Not thread-safe:
    a device shows one frame at a time.

    Array in, same kind out: a PyTorch tensor or a CuPy array gives one on its own device, everything else a NumPy array.
    Work stays in the caller's kind if the device takes it (`spec.frame_arrays`), else it goes through NumPy. Tensors are
    detached: no gradient flows through light.
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
        self.retrieval: Retrieval = default_retrieval(device.spec) if retrieval is None else retrieval_from(retrieval)
        if isinstance(calibration, str | Path):
            calibration = Calibration.load(calibration)
        if calibration is not None:
            calibration.check(device.spec)
        self._calibration = calibration
        self._moved: dict[tuple[str, str], Calibration] = {}
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
        """Width of transform's results: the camera's outputs."""
        return self.spec.n_outputs

    @property
    def n_linear(self) -> int:
        """Width of linear_transform's results: as many, or two for each output or mode whose complex field is retrieved."""
        return self.retrieval.n_linear(self.spec)

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
        self._calibration = calibrate(self.device, fill=fill, seed=seed, retrieval=self.retrieval)
        self._moved.clear()
        self._warned.clear()
        log.info("%s", self._calibration.report())
        return self._calibration

    def transform(self, x: Any) -> Array:
        """y = camera(|A x|^2), the device's native random features.

        x: 0/1, shape (n, n_inputs) or (n_inputs,). Returns readings in DN, (n, n_outputs) or (n_outputs,), uint8 (uint16
        above 8 bits), of x's kind. InputError for any other value or shape; warns if saturated or dark. Kernel of the
        noiseless features: |x|^2 |y|^2 + (x.y)^2 (Saade et al., arXiv:1510.06664).
        """
        rows, single = checked_binary(x, self.n_inputs, self.spec.frame_arrays)
        calibration = self._ready(rows)
        self._configure(calibration.intensity)
        xp, dtype = namespace(rows), self.spec.reading_dtype.name
        result = xp.empty((rows.shape[0], self.n_outputs), dtype=getattr(xp, dtype), device=device_of(rows))
        for block in self._blocks(rows.shape[0], frames_per_row=1):
            result[block, :] = self._measured(with_anchor(rows[block, :], self.spec, False))
        self._warn_of_light(result, xp.any(rows, axis=1), calibration, stacklevel=3)
        return like(result[0, :] if single else result, x)

    def linear_transform(self, e: Any) -> Array:
        """z = B e, entries of B i.i.d. N(0, 1), the same B every time on the same medium.

        e: finite reals, shape (n, n_inputs) or (n_inputs,). Returns float32 (n, n_linear) or (n_linear,) of e's kind;
        exactly 0 where e is 0. Frames per row: planes of the encoding x frames of the retrieval. InputError for NaN,
        infinities and shapes; CapabilityError if the device lacks what the retrieval needs. How linear the result is
        depends on encoding and retrieval; the defaults (8 signed bit planes, four-frame anchor) are linear. Camera noise
        adds to z, and rows whose reference is dark are scaled down (see the calibration's reference: snr, held_back).
        """
        rows, single = checked_finite(e, self.n_inputs, self.spec.frame_arrays)
        self.retrieval.check(self.spec)
        self.encoding.check(rows)
        calibration = self._ready(rows)
        # The anchor first: asking a protocol takes 18 us.
        if isinstance(self.retrieval, (Anchor, Interferometry)):
            self._configure(calibration.reference_for(self.retrieval.probe.kind).acquisition)
        else:
            self._configure(calibration.intensity)
        xp = namespace(rows)
        result = xp.empty((rows.shape[0], self.n_linear), dtype=xp.float32, device=device_of(rows))
        per_row = self.encoding.n_planes * self.retrieval.frames_per_plane
        for block in self._blocks(rows.shape[0], per_row):
            encoded = self.encoding.encode(rows[block, :])
            if isinstance(self.retrieval, Anchor) and isinstance(result, np.ndarray):
                self._project_into(result[block], encoded, calibration, self.retrieval)
            else:
                result[block, :] = self._project(encoded, calibration)
        return like(result[0, :] if single else result, e)

    def _project_into(
        self, result: NDArray[np.float32], encoded: Encoded, calibration: Calibration, anchor: Anchor
    ) -> None:
        """`_project` for NumPy and the anchor, compiled: no array of the outputs' size but the readings and the result."""
        from opu.retrieval_kernel import sum_of_planes

        lit = (encoded.positive | encoded.negative).any(axis=2)
        planes = encoded.positive[lit], encoded.negative[lit]
        if not len(planes[0]):
            result[...] = 0
            return
        readings = self._readings(*planes, calibration, stacklevel=5)
        reference = calibration.reference_for(anchor.probe.kind)
        surplus = planes[0].sum(axis=1) - planes[1].sum(axis=1)
        offsets = (surplus * reference.dn_per_input).astype(np.float32)
        weights = (encoded.scale[:, None] * encoded.weights[None, :]).astype(np.float32)
        top = last_of_few_codes(self.spec)
        shown = np.where(lit, np.cumsum(lit).reshape(lit.shape) - 1, -1)

        def task(rows: slice) -> None:
            sum_of_planes(readings, shown[rows], offsets, top, reference.row_gain, weights[rows], result[rows])

        step = max(1, RETRIEVAL_TASK // result.shape[1])
        run_tasks(task, [slice(start, start + step) for start in range(0, len(result), step)])

    def _project(self, encoded: Encoded, calibration: Calibration) -> Array:
        positive, negative = encoded.positive, encoded.negative
        xp = namespace(positive)
        shape = *positive.shape[:2], self.n_linear
        weights = xp.astype(encoded.scale[:, None] * encoded.weights[None, :], xp.float32)
        # An empty plane carries nothing but noise, and is not shown.
        lit = xp.any(positive | negative, axis=2)
        if bool(xp.all(lit)):
            flat = -1, positive.shape[2]
            field = self._field(xp.reshape(positive, flat), xp.reshape(negative, flat), calibration)
            field = xp.reshape(field, shape)
        else:
            field = xp.zeros(shape, dtype=xp.float32, device=device_of(positive))
            if bool(xp.any(lit)):
                field[lit] = self._field(positive[lit], negative[lit], calibration)
        # Plane by plane, not by a matrix product, whose rounding depends on how many rows share the call.
        field *= weights[:, :, None]
        result = field[:, 0, :]
        for k in range(1, shape[1]):
            result += field[:, k, :]
        return result

    def _field(self, positive: Array, negative: Array, calibration: Calibration) -> Array:
        """Planes bool[n, n_data_inputs] -> their linear field, float32[n, n_linear]."""
        readings = self._readings(positive, negative, calibration, stacklevel=6)
        return field(self.retrieval, readings, positive, negative, calibration, self.spec)

    def _readings(self, positive: Array, negative: Array, calibration: Calibration, stacklevel: int) -> Array:
        """Planes bool[n, n_data_inputs] -> what their frames read, (n, frames_per_plane, n_outputs)."""
        spec, xp = self.spec, namespace(positive)
        frames = xp.reshape(self.retrieval.frames(positive, negative, spec), (-1, spec.n_inputs))
        shown = self._measured(frames)
        self._warn_of_light(shown, xp.any(frames, axis=1), calibration, stacklevel)
        return xp.reshape(shown, (positive.shape[0], -1, spec.n_outputs))

    def _measured(self, frames: Array) -> Array:
        return self.device.measure(pack(frames) if self.spec.packed_input else frames)

    def _ready(self, rows: Array) -> Calibration:
        """The calibration, made now if there is none, its arrays beside the rows."""
        calibration = self._calibration or self.calibrate()
        kind = kind_of(rows)
        if kind == "numpy":
            return calibration
        place = kind, str(device_of(rows))
        if place not in self._moved:
            self._moved[place] = calibration.beside(rows)
        return self._moved[place]

    def _configure(self, acquisition: Acquisition) -> None:
        if acquisition != self.device.status().acquisition:
            self.device.configure(acquisition)

    def _blocks(self, n_rows: int, frames_per_row: int) -> Iterator[slice]:
        """Row blocks whose frames and readings stay under BLOCK_BYTES; noise does not depend on where they are cut."""
        bytes_per_row = frames_per_row * (self.spec.n_inputs + self.n_outputs * self.spec.reading_dtype.itemsize)
        step = max(1, BLOCK_BYTES // bytes_per_row)
        return (slice(start, min(start + step, n_rows)) for start in range(0, n_rows, step))

    def _warn_of_light(self, readings: Array, lit: Array, calibration: Calibration, stacklevel: int) -> None:
        """Judge the light by the readings (n, n_outputs) of the frames that are lit; each kind of warning is given once."""
        for message, category in light_warnings(readings, lit, calibration, self.spec.saturation_dn):
            if category not in self._warned:
                self._warned.add(category)
                warnings.warn(message, category, stacklevel=stacklevel)

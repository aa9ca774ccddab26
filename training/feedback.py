"""Where the random projection of the error is computed: in memory, or by light."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import Protocol

import numpy as np

from opu.arrays import Array, namespace
from opu.calibration import Calibration
from opu.device import DeviceStatus
from opu.encodings import Encoding, Ternary
from opu.errors import InputError, TooDark
from opu.spread import spread

from .progress import Place
from .streams import stream

WORST_SNR = 0.01
"""Signal over noise, in variance, of one projection, below which optical DFA stops learning."""
ERROR_FILL = 0.2
"""Fraction of its inputs that an error typically switches on in one frame: 1 to 3 of 10 classes."""


class Feedback(Protocol):
    """A fixed random projection of errors, e -> e B with B of (about) unit-variance Gaussian entries."""

    @property
    def name(self) -> str:
        """'digital' or 'optical'."""
        ...

    @property
    def n_errors(self) -> int:
        """Width of an error row: the number of classes."""
        ...

    @property
    def width(self) -> int:
        """Width of a projection: the sum of the hidden widths."""
        ...

    @property
    def frames_shown(self) -> int:
        """Frames shown for feedback so far (0 when there is no device)."""
        ...

    @property
    def device_seconds(self) -> float:
        """Device time used for feedback so far, in seconds."""
        ...

    def project(self, error: Array) -> Array:
        """Project errors (B, n_errors) to (B, width)."""
        ...


class LinearOPU(Protocol):
    """What optical feedback needs of an `opu.OPU`."""

    @property
    def encoding(self) -> Encoding:
        """How errors become frames."""
        ...

    @property
    def calibration(self) -> Calibration | None:
        """None until calibrated."""
        ...

    def calibrate(self, *, fill: float) -> Calibration:
        """Calibrate for frames with that fraction of inputs on."""
        ...

    @property
    def n_inputs(self) -> int:
        """Inputs open to data."""
        ...

    @property
    def n_linear(self) -> int:
        """Width of one projection."""
        ...

    def linear_transform(self, x: Array, /) -> Array:
        """Project x (B, n_inputs) to (B, n_linear) by an i.i.d. Gaussian matrix."""
        ...

    def status(self) -> DeviceStatus:
        """State now, with the counters of frames and device time."""
        ...


class DigitalFeedback:
    """e -> e B, B i.i.d. N(0, 1) in float32, a function of the seed alone. Nøkland 2016.

    n_errors, width: the shape of B. Raises InputError for sizes below 1.
    """

    name = "digital"
    frames_shown = 0
    device_seconds = 0.0
    device_joules = 0.0

    def __init__(self, n_errors: int, width: int, seed: int) -> None:
        _check_sizes(n_errors, width)
        self.n_errors, self.width = n_errors, width
        self._matrices: dict[object, Array] = {}
        self.matrix: Array = stream(seed, "feedback").standard_normal((n_errors, width), dtype=np.float32)

    def project(self, error: Array) -> Array:
        """Project errors (B, n_errors) to (B, width)."""
        if not isinstance(error, np.ndarray):
            key = getattr(error, "device", None)  # the matrix is moved there once
            if key not in self._matrices:
                self._matrices[key] = namespace(error).asarray(self.matrix)
            return error @ self._matrices[key]
        return error @ self.matrix


class OpticalFeedback:
    """e -> the first `width` outputs of an open OPU shown the error. Launay et al. 2020.

    Where the OPU has k times as many inputs as there are errors, each error is shown on k of them, so that no light is
    wasted: the sum of k columns over sqrt(k) is again i.i.d. N(0, 1). opu: open; calibrated here if it is not yet.
    `frames_shown`, `device_seconds` and `device_joules` count from then on, so the calibration is not among them. Raises
    InputError, before any light, when the OPU is too small.
    """

    name = "optical"

    def __init__(self, opu: LinearOPU, n_errors: int, width: int) -> None:
        _check_sizes(n_errors, width)
        if opu.n_inputs < n_errors:
            raise InputError(
                f"OPU has {opu.n_inputs} inputs, feedback needs {n_errors} (one per class): "
                f"open it with n_inputs={n_errors} or more"
            )
        if opu.n_linear < width:
            raise InputError(
                f"OPU projects to {opu.n_linear} outputs, feedback needs {width} (the sum of the hidden widths): "
                f"open it with n_outputs={width} or more, or train smaller hidden layers"
            )
        self.n_errors, self.width = n_errors, width
        self._opu = opu
        if isinstance(opu.encoding, Ternary):
            opu.encoding.warn_if_below_untrained_error(n_errors)
        if opu.calibration is None:
            opu.calibrate(fill=ERROR_FILL)
        _warn_of_noise(opu.calibration)
        self._start = opu.status()
        self._seek = getattr(getattr(opu, "device", None), "seek", None)
        self._opened = Place(0, 0.0)

    @property
    def frames_shown(self) -> int:
        """Frames shown since the feedback was made."""
        return self._opu.status().frames_shown - self._start.frames_shown

    @property
    def device_seconds(self) -> float:
        """Device time in seconds since the feedback was made."""
        return self._opu.status().device_seconds - self._start.device_seconds

    @property
    def device_joules(self) -> float:
        """Energy in joules that the device has drawn since the feedback was made."""
        return self._opu.status().device_joules - self._start.device_joules

    def place(self) -> Place | None:
        """Where the device stands, counted from its opening; None for one that cannot seek, as no real one can."""
        if self._seek is None:
            return None
        status, opened = self._opu.status(), self._opened
        return Place(opened.frame + status.frames_shown, round(opened.time_s + status.device_seconds, 9))

    def go_to(self, place: Place) -> None:
        """Put the device there, so that its noise and drift go on from that frame and time. No-op without seek()."""
        if self._seek is None:
            return
        self._seek(place.frame, place.time_s)
        status = self._opu.status()
        # Counters do not follow a seek: what they say is counted from here on.
        self._opened = Place(place.frame - status.frames_shown, round(place.time_s - status.device_seconds, 9))

    def project(self, error: Array) -> Array:
        """Project errors (B, n_errors) to float32 (B, width)."""
        xp = namespace(error)
        shown, copies = spread(xp.astype(error, xp.float32, copy=False), self._opu.n_inputs)
        projected = self._opu.linear_transform(shown)[:, : self.width]
        return projected / float(np.float32(np.sqrt(copies)))


def _warn_of_noise(calibration: Calibration | None) -> None:
    reference = None if calibration is None else calibration.reference
    if reference is not None and reference.snr < WORST_SNR:
        warnings.warn(
            f"a projection's signal-to-noise is {sqrt(max(reference.snr, 0.0)):.2g} in amplitude, and training fails below "
            f"about {sqrt(WORST_SNR):.1g} (opu budget --sweep snr=1,0.3,0.1,0.05 shows it): give the data more of the light (a "
            "smaller anchor share, more laser power), use a better camera, or show fewer inputs",
            TooDark,
            stacklevel=3,
        )


def _check_sizes(n_errors: int, width: int) -> None:
    if n_errors < 1 or width < 1:
        raise InputError(f"feedback from {n_errors} errors to {width} signals: both must be 1 or more")

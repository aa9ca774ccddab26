"""Retrieval: intensities -> the real linear field z = B (positive - negative), B i.i.d. N(0, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from opu.calibration import Calibration
from opu.device import DeviceSpec
from opu.errors import CapabilityError, ConfigError
from opu.validation import suggestion

Bits = NDArray[np.bool_]
Field = NDArray[np.float32]


def with_anchor(data: Bits, spec: DeviceSpec, anchor: bool) -> Bits:
    """Data bits (..., n_data_inputs) widened to device frames (..., n_inputs) with the anchor block on or off."""
    if spec.anchor_input is None:
        return data
    return np.insert(data, spec.anchor_input, anchor, axis=-1)


@runtime_checkable
class Retrieval(Protocol):
    """Shows each signed plane as a few frames and recovers its linear projection from the readings."""

    @property
    def kind(self) -> str:
        """Its name in configurations."""
        ...

    @property
    def frames_per_plane(self) -> int:
        """Frames shown for one signed plane."""
        ...

    @property
    def exactly_linear(self) -> bool:
        """Whether the noiseless result is linear in the plane."""
        ...

    def check(self, spec: DeviceSpec) -> None:
        """CapabilityError if the device lacks what this retrieval needs."""
        ...

    def frames(self, positive: Bits, negative: Bits, spec: DeviceSpec) -> Bits:
        """Planes bool[n, n_data_inputs] -> device frames bool[n, frames_per_plane, n_inputs]."""
        ...

    def field(self, readings: NDArray[Any], positive: Bits, negative: Bits, calibration: Calibration) -> Field:
        """Readings (n, frames_per_plane, n_outputs) in DN -> float32[n, n_outputs], in units where B is N(0, 1)."""
        ...


def _need_anchor(spec: DeviceSpec, retrieval: str) -> None:
    if spec.anchor_input is None:
        raise CapabilityError(
            f"retrieval {retrieval!r} needs an anchor block, and {spec.kind} device {spec.serial!r} has none "
            '(anchor_share = 0): give the anchor a share of the panel, or use retrieval "difference", which is not linear'
        )


@dataclass(frozen=True)
class Anchor:
    """Anchor interferometry: |A(x+a)|^2 - |Ax|^2 - |Aa|^2 = 2 Re[conj(Aa) Ax], divided row-wise by |Aa|.

    With 4 frames (x+ + a, x- + a, x+, x-) the signed difference is exact and |Aa|^2 cancels; with 2 frames the terms
    |Ax+|^2 - |Ax-|^2 stay, small where the anchor is strong, and only their mean is removed. Rows whose anchor is dark
    are held back by the calibration's floor. Mirrors that are off leak a static field of relative amplitude eps, which
    the anchor's own reading contains: each row's gain is off by about eps (2.5 % at a contrast of 1000), for all inputs alike.
    """

    frames_per_plane: int = 4

    def __post_init__(self) -> None:
        """ConfigError for other than 2 or 4 frames."""
        if self.frames_per_plane not in (2, 4):
            raise ConfigError(f"Anchor({self.frames_per_plane!r}): the anchor retrieval shows 2 or 4 frames per plane")

    @property
    def kind(self) -> str:
        """anchor2 or anchor4."""
        return f"anchor{self.frames_per_plane}"

    @property
    def exactly_linear(self) -> bool:
        """Only with four frames."""
        return self.frames_per_plane == 4

    def check(self, spec: DeviceSpec) -> None:
        """The device must have an anchor."""
        _need_anchor(spec, self.kind)

    def frames(self, positive: Bits, negative: Bits, spec: DeviceSpec) -> Bits:
        """x+ + a, x- + a (, x+, x-)."""
        shown = [with_anchor(positive, spec, True), with_anchor(negative, spec, True)]
        if self.frames_per_plane == 4:
            shown += [with_anchor(positive, spec, False), with_anchor(negative, spec, False)]
        return np.stack(shown, axis=1)

    def field(self, readings: NDArray[Any], positive: Bits, negative: Bits, calibration: Calibration) -> Field:
        """(difference of the anchored frames - difference of the plain ones) * row gain."""
        difference: Field = np.subtract(readings[:, 0], readings[:, 1], dtype=np.float32)
        if self.frames_per_plane == 4:
            difference -= np.subtract(readings[:, 2], readings[:, 3], dtype=np.float32)
        else:
            surplus = positive.sum(axis=1) - negative.sum(axis=1)
            difference -= (surplus * calibration.linear_dn_per_input).astype(np.float32)[:, None]
        difference *= calibration.row_gain
        return difference


@dataclass(frozen=True)
class Difference:
    """Centred intensity difference |Ax+|^2 - |Ax-|^2 - (n+ - n-) E|m|^2: needs no anchor; odd in x, but not linear.

    Normalised so that E z^2 = n+ + n-, like a linear projection. Uncentred, it does not train (TRAINING).
    """

    kind: ClassVar[str] = "difference"
    frames_per_plane: ClassVar[int] = 2
    exactly_linear: ClassVar[bool] = False

    def check(self, spec: DeviceSpec) -> None:
        """Any device will do."""

    def frames(self, positive: Bits, negative: Bits, spec: DeviceSpec) -> Bits:
        """x+, x-, anchor off."""
        return np.stack([with_anchor(positive, spec, False), with_anchor(negative, spec, False)], axis=1)

    def field(self, readings: NDArray[Any], positive: Bits, negative: Bits, calibration: Calibration) -> Field:
        """Var(|Ax+|^2 - |Ax-|^2) = (n+^2 + n-^2) (E|m|^2)^2 for independent speckle."""
        n_plus, n_minus = positive.sum(axis=1), negative.sum(axis=1)
        per_input = calibration.intensity_dn_per_input
        spread = per_input * np.sqrt((n_plus**2 + n_minus**2) / np.maximum(n_plus + n_minus, 1))
        dn = readings.astype(np.float32)
        field: Field = dn[:, 0] - dn[:, 1] - ((n_plus - n_minus) * per_input).astype(np.float32)[:, None]
        field /= np.where(spread > 0, spread, np.inf).astype(np.float32)[:, None]
        return field


RETRIEVALS: dict[str, Retrieval] = {"anchor2": Anchor(2), "anchor4": Anchor(4), "difference": Difference()}


def retrieval_from(value: str | Retrieval, where: str = "retrieval") -> Retrieval:
    """A retrieval from its name, or itself; ConfigError otherwise."""
    if isinstance(value, str) and value in RETRIEVALS:
        return RETRIEVALS[value]
    if isinstance(value, Retrieval) and not isinstance(value, str | type):
        return value
    raise ConfigError(f"{where} = {value!r}: {suggestion(str(value), list(RETRIEVALS))}")

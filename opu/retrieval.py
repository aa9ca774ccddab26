"""Retrieval: intensities -> the real linear field z = B (positive - negative), B i.i.d. N(0, 1)."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import ClassVar, Protocol, runtime_checkable

from opu.anchor import Anchor, with_anchor
from opu.arrays import Array, namespace
from opu.calibration import Calibration
from opu.device import DeviceSpec
from opu.errors import ConfigError
from opu.holography import Holography
from opu.phase_stepping import PhaseStepping
from opu.reference import difference
from opu.validation import suggestion


@runtime_checkable
class Retrieval(Protocol):
    """Shows each signed plane as a few frames and recovers its linear projection from the readings.

    All arrays of a call, the calibration's too, are of one kind and on one device, and so are its results.
    """

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

    def n_linear(self, spec: DeviceSpec) -> int:
        """Width of the projection on that device."""
        ...

    def check(self, spec: DeviceSpec) -> None:
        """CapabilityError if the device lacks what this retrieval needs."""
        ...

    def frames(self, positive: Array, negative: Array, spec: DeviceSpec) -> Array:
        """Planes bool[n, n_data_inputs] -> device frames bool[n, frames_per_plane, n_inputs]."""
        ...


@runtime_checkable
class Interferometry(Retrieval, Protocol):
    """A retrieval by a reference: interference in DN, divided row by row by the root of the reference's light."""

    @property
    def probe(self) -> Interferometry:
        """The exactly linear retrieval by which the reference is measured."""
        ...

    @property
    def reference_rad(self) -> tuple[float, ...]:
        """Phases of the reference arm that its frames are taken under; empty: the arm stays shut."""
        ...

    @property
    def noise_gain(self) -> float:
        """Variance of the interference per variance of one reading."""
        ...

    def signal_gain(self, spec: DeviceSpec) -> float:
        """Variance of the interference per product of the reference's mean light and the signal's, both in DN."""
        ...

    def reference_frames(self, n: int, like: Array, spec: DeviceSpec) -> Array:
        """Frames of the reference alone, n for each of its phases: bool[..., n_inputs]."""
        ...

    def reference_dn(self, mean_dn: Array, spec: DeviceSpec) -> Array:
        """The reference's light in each row of the projection, from each output's mean reading of it, dark removed."""
        ...

    def interference(self, readings: Array, spec: DeviceSpec) -> Array:
        """Readings (n, frames_per_plane, n_outputs) in DN -> float32[n, n_linear], not yet divided."""
        ...


MANY_CODES = 8
"""From so large a last code on, readings at an end of the range are too few to matter."""


def field(
    retrieval: Retrieval, readings: Array, positive: Array, negative: Array, calibration: Calibration, spec: DeviceSpec
) -> Array:
    """Readings (n, frames_per_plane, n_outputs) in DN -> float32[n, n_linear], in units where B is N(0, 1)."""
    if isinstance(retrieval, Difference):
        return retrieval.field(readings, positive, negative, calibration)
    assert isinstance(retrieval, Interferometry)
    reference = calibration.reference_for(retrieval.probe.kind)
    result = retrieval.interference(readings, spec)
    if not retrieval.exactly_linear:
        xp = namespace(readings)
        surplus = _inputs_on(positive) - _inputs_on(negative)
        result -= xp.astype(surplus * reference.dn_per_input, result.dtype)[:, None]
        if top := last_of_few_codes(spec):
            at_an_end = xp.all(readings == 0, axis=1) | xp.all(readings >= top, axis=1)
            result = xp.where(at_an_end, xp.zeros_like(result), result)
    result *= reference.row_gain
    return result


def last_of_few_codes(spec: DeviceSpec) -> int:
    """The last code of a camera of 3 bits or less, else 0: where most outputs only ever read the first code or the last.

    Such an output tells nothing of x. The mean light of x+ and x-, taken off it as off the others, would be the same sign
    sample after sample; optimisers that scale each gradient, as Adam does, make as much of that as of a signal.
    """
    return spec.saturation_dn if spec.saturation_dn < MANY_CODES else 0


@dataclass(frozen=True)
class Difference:
    """Centred intensity difference |Ax+|^2 - |Ax-|^2 - (n+ - n-) E|m|^2: needs no anchor; odd in x, but not linear.

    Normalised so that E z^2 = n+ + n-, like a linear projection. Uncentred, networks do not train by it.
    """

    kind: ClassVar[str] = "difference"
    frames_per_plane: ClassVar[int] = 2
    exactly_linear: ClassVar[bool] = False

    def n_linear(self, spec: DeviceSpec) -> int:
        """One row an output."""
        return spec.n_outputs

    def check(self, spec: DeviceSpec) -> None:
        """Any device will do."""

    def frames(self, positive: Array, negative: Array, spec: DeviceSpec) -> Array:
        """x+, x-, anchor off."""
        shown = [with_anchor(positive, spec, False), with_anchor(negative, spec, False)]
        return namespace(positive).stack(shown, axis=1)

    def field(self, readings: Array, positive: Array, negative: Array, calibration: Calibration) -> Array:
        """Var(|Ax+|^2 - |Ax-|^2) = (n+^2 + n-^2) (E|m|^2)^2 for independent speckle."""
        xp = namespace(readings)
        n_plus, n_minus = _inputs_on(positive), _inputs_on(negative)
        per_input = calibration.intensity_dn_per_input
        spread = per_input * xp.sqrt((n_plus**2 + n_minus**2) / xp.maximum(n_plus + n_minus, 1.0))
        result = difference(readings, 0, 1)
        result -= xp.astype((n_plus - n_minus) * per_input, xp.float32)[:, None]
        result /= xp.astype(xp.where(spread > 0, spread, inf), xp.float32)[:, None]
        return result


def _inputs_on(planes: Array) -> Array:
    """Inputs on in each plane, float64[n]."""
    xp = namespace(planes)
    return xp.astype(xp.count_nonzero(planes, axis=1), xp.float64)


RETRIEVALS: dict[str, Retrieval] = {
    "anchor2": Anchor(2),
    "anchor4": Anchor(4),
    "phase2": PhaseStepping(2),
    "phase3": PhaseStepping(3),
    "phase4": PhaseStepping(4),
    "holography": Holography(),
    "difference": Difference(),
}


def default_retrieval(spec: DeviceSpec) -> Retrieval:
    """The exactly linear retrieval that a device can do: four-frame anchor, else four phase steps, else holography."""
    if spec.anchor_input is None and spec.reference_arm == "phase":
        return PhaseStepping(4)
    if spec.anchor_input is None and spec.reference_arm == "static":
        return Holography()
    return Anchor(4)


def retrieval_from(value: str | Retrieval, where: str = "retrieval") -> Retrieval:
    """A retrieval from its name, or itself; ConfigError otherwise."""
    if isinstance(value, str) and value in RETRIEVALS:
        return RETRIEVALS[value]
    if isinstance(value, Retrieval) and not isinstance(value, str | type):
        return value
    raise ConfigError(f"{where} = {value!r}: {suggestion(str(value), list(RETRIEVALS))}")

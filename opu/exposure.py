"""Automatic exposure: the longest light that speckle allows before its bright tail saturates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.arrays import Array, namespace
from opu.device import Acquisition, Device
from opu.errors import CalibrationError

TARGET_LEVEL = 1 / 8
"""Mean level as a fraction of the range. Speckle then saturates exp(-8) = 0.03 % of readings."""
ENOUGH_BITS = 7.5
LEVEL_PER_MISSING_BIT = 0.064
SURE_STANDARD_ERRORS = 5.0
MOST_READINGS, MOST_FRAMES = 2**23, 2**14
"""Light is looked for in so many: what does not show there is below 1/500 of one reading's noise."""


def target_level(span_dn: float) -> float:
    """Mean level to expose for, as a fraction of a range of `span_dn`: 1/8 from 8 bits on, more where codes are few.

    With few codes rounding costs more than saturation: the level that brings an anchored projection closest to the truth
    rises by 0.064 per bit below 7.5, to 0.54 for one bit, whose threshold then lies near the median (simulated speckle,
    correlation with the exact projection at 1 / 2 / 3 / 4 bits: 0.42 / 0.66 / 0.80 / 0.86; at 1/8: 0.13 / 0.39 / 0.59 /
    0.75).
    """
    missing = max(0.0, ENOUGH_BITS - float(np.log2(span_dn + 1)))
    return TARGET_LEVEL + LEVEL_PER_MISSING_BIT * missing


def saturated_fraction(readings: Array, saturation_dn: int) -> float:
    """Fraction of readings at the top of the range."""
    clipped = namespace(readings).count_nonzero(readings >= saturation_dn)
    return int(clipped) / max(1, int(readings.size))


def auto_exposure(
    device: Device,
    frames: NDArray[np.bool_],
    dark_dn: float,
    level_wanted: float | None = None,
    purpose: str = "frames",
    reference_rad: tuple[float, ...] = (),
) -> tuple[Acquisition, NDArray[Any], int]:
    """The acquisition at which `frames` read `level_wanted` of the range on average, its readings, and frames shown.

    frames: bool[n, spec.n_inputs]; dark_dn: mean dark reading; level_wanted: target_level() of the range if None;
    reference_rad: phases of the reference arm. Leaves the device so configured. CalibrationError when the shortest exposure
    is too bright, or when at the longest one the light does not stand five standard errors above the dark, with the factor of
    laser power that is missing.
    """
    spec = device.spec
    span = spec.saturation_dn - dark_dn
    if dark_dn > spec.saturation_dn / 2:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: without light the camera already reads {dark_dn:.0f} of "
            f"{spec.saturation_dn} DN; cool it, lower its black level, or shorten the exposure"
        )
    target = target_level(span) if level_wanted is None else level_wanted
    exposure_s = float(np.sqrt(spec.exposure_min_s * spec.exposure_max_s))
    too_dark_s, too_bright_s = 0.0, np.inf
    shown = 0
    for _ in range(24):
        acquisition = device.configure(Acquisition(exposure_s, reference_rad=reference_rad))
        readings = device.measure(frames)
        shown += len(frames)
        level = (float(readings.mean()) - dark_dn) / span
        # A clipped mean is no longer proportional to the light: step down blindly until it is.
        # One bit knows no other light than clipped: its mean is that fraction.
        usual = max(0.1, 3 * target**2, 1.5 * target if span < 2 else 0.0)
        clipped = saturated_fraction(readings, spec.saturation_dn) > usual
        factor = 0.25 if clipped else target / max(level, 1e-3 / span)
        if not clipped and abs(factor - 1) < 0.03:
            return acquisition, readings, shown
        if factor < 1:
            too_bright_s = min(too_bright_s, exposure_s)
        else:
            too_dark_s = max(too_dark_s, exposure_s)
        wanted = min(max(exposure_s * min(factor, 32.0), spec.exposure_min_s), spec.exposure_max_s)
        # Where codes are few the mean is not proportional either: never step past what is known.
        if wanted != exposure_s and not too_dark_s < wanted < too_bright_s:
            wanted = float(np.sqrt(too_dark_s * too_bright_s))
        if abs(wanted / exposure_s - 1) < 1e-4:
            break
        exposure_s = wanted
    if level > 2 * target or clipped:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: {purpose} are too bright, at {level:.0%} of the range on average at "
            f"the shortest exposure, {spec.exposure_min_s * 1e6:.3g} µs (target {target:.1%}); lower the laser "
            f"power by a factor {level / target:.1f} or more"
        )
    if level * span < 1.0 and level < target / 2:
        excess_dn, error_dn, more = _light_over_dark(device, frames, acquisition, dark_dn)
        shown += more
        if not excess_dn > SURE_STANDARD_ERRORS * error_dn:
            raise CalibrationError(
                f"{spec.kind} device {spec.serial!r}: {purpose} are too dark, {excess_dn:.2g} ± {error_dn:.1g} DN above the "
                f"dark level at the longest exposure, {spec.exposure_max_s * 1e3:.3g} ms (target {target * span:.2g} DN); "
                f"raise the laser power by a factor {target / max(level, 1e-6):.0f}, or check that the laser is on"
            )
    return acquisition, readings, shown


def _light_over_dark(
    device: Device, frames: NDArray[np.bool_], acquisition: Acquisition, dark_dn: float
) -> tuple[float, float, int]:
    """Mean of `frames` above the dark with its standard error, in DN, and frames shown; the light is left on.

    The mean of many readings is known far better than 1 DN: more are taken, twice as many each time, until the light is
    sure or they are enough. The dark is measured beside it where the light can be blanked; elsewhere `dark_dn` is taken to
    be known as well as the mean. Rounding counts as noise.
    """
    most = min(MOST_READINGS // (len(frames) * device.spec.n_outputs), MOST_FRAMES // len(frames))
    lit, dark = _Mean(), _Mean()
    repeats = 1
    while True:
        if device.spec.can_blank:
            device.configure(blanked(acquisition))
            dark.add(device, frames, repeats)
        device.configure(acquisition)
        lit.add(device, frames, repeats)
        error_dn = float(np.hypot(lit.error, dark.error if dark.n else lit.error))
        excess_dn = lit.mean - (dark.mean if dark.n else dark_dn)
        shown = (lit.n + dark.n) // device.spec.n_outputs
        if excess_dn > SURE_STANDARD_ERRORS * error_dn or 2 * repeats > most:
            return excess_dn, error_dn, shown
        repeats *= 2


class _Mean:
    """Running mean of readings and its standard error, rounding included."""

    def __init__(self) -> None:
        self.n, self._sum, self._squares = 0, 0, 0

    def add(self, device: Device, frames: NDArray[np.bool_], repeats: int) -> None:
        """Show the frames so many times."""
        for _ in range(repeats):
            readings = device.measure(frames)
            self.n += readings.size
            self._sum += int(readings.sum(dtype=np.int64))
            self._squares += int(np.square(readings, dtype=np.int64).sum())

    @property
    def mean(self) -> float:
        return self._sum / self.n

    @property
    def error(self) -> float:
        return float(np.sqrt((max(self._squares / self.n - self.mean**2, 0.0) + 1 / 12) / self.n))


def blanked(acquisition: Acquisition) -> Acquisition:
    """The same exposure with the laser off and the reference arm shut, for dark frames."""
    return replace(acquisition, light=False, reference_rad=())

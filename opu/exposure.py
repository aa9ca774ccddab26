"""Automatic exposure: the longest light that speckle allows before its bright tail saturates."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device
from opu.errors import CalibrationError

TARGET_LEVEL = 1 / 8
"""Mean level as a fraction of the range. Speckle then saturates exp(-8) = 0.03 % of readings."""


def saturated_fraction(readings: NDArray[Any], saturation_dn: int) -> float:
    """Fraction of readings at the top of the range."""
    return np.count_nonzero(readings >= saturation_dn) / max(1, readings.size)


def auto_exposure(
    device: Device,
    frames: NDArray[np.bool_],
    dark_dn: float,
    target_level: float = TARGET_LEVEL,
    purpose: str = "frames",
) -> tuple[Acquisition, NDArray[Any], int]:
    """The acquisition at which `frames` read `target_level` of the range on average, its readings, and frames shown.

    frames: bool[n, spec.n_inputs]; dark_dn: mean dark reading. Leaves the device so configured. CalibrationError when
    the shortest exposure is too bright or the longest too dark, with the factor of laser power that is missing.
    """
    spec = device.spec
    span = spec.saturation_dn - dark_dn
    if dark_dn > spec.saturation_dn / 2:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: without light the camera already reads {dark_dn:.0f} of "
            f"{spec.saturation_dn} DN; cool it, lower its black level, or shorten the exposure"
        )
    exposure_s = float(np.sqrt(spec.exposure_min_s * spec.exposure_max_s))
    shown = 0
    for _ in range(24):
        acquisition = device.configure(Acquisition(exposure_s))
        readings = device.measure(frames)
        shown += len(frames)
        level = (float(readings.mean()) - dark_dn) / span
        # A clipped mean is no longer proportional to the light: step down blindly until it is.
        clipped = saturated_fraction(readings, spec.saturation_dn) > 0.1
        factor = 0.25 if clipped else target_level / max(level, 1e-3 / span)
        if not clipped and abs(factor - 1) < 0.03:
            return acquisition, readings, shown
        wanted = min(max(exposure_s * min(factor, 32.0), spec.exposure_min_s), spec.exposure_max_s)
        if wanted == exposure_s:
            break
        exposure_s = wanted
    if level > 2 * target_level or clipped:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: {purpose} are too bright, at {level:.0%} of the range on average at "
            f"the shortest exposure, {spec.exposure_min_s * 1e6:.3g} µs (target {target_level:.1%}); lower the laser "
            f"power by a factor {level / target_level:.1f} or more"
        )
    if level * span < 1.0:
        raise CalibrationError(
            f"{spec.kind} device {spec.serial!r}: {purpose} are too dark, {level * span:.2f} DN above the dark level at "
            f"the longest exposure, {spec.exposure_max_s * 1e3:.3g} ms (target {target_level * span:.0f} DN); raise "
            f"the laser power by a factor {target_level / max(level, 1e-6):.0f}, or check that the laser is on"
        )
    return acquisition, readings, shown


def blanked(acquisition: Acquisition) -> Acquisition:
    """The same exposure with the laser off, for dark frames."""
    return replace(acquisition, light=False)

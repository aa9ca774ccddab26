"""Whether the light of a call suits the camera: readings that clip, or that no one could tell from darkness."""

from __future__ import annotations

import numpy as np

from opu.arrays import Array, namespace
from opu.calibration import Calibration
from opu.errors import OPUWarning, Saturated, TooDark
from opu.exposure import target_level

SATURATION_WARNING = 0.02
DARK_WARNING = 0.5
LIGHT_SAMPLE = 2**16
"""Readings looked at, about, to judge the light of one call: a fraction of 2 % is then known to 0.06 %."""


def light_warnings(
    readings: Array, lit: Array, calibration: Calibration, saturation_dn: int
) -> list[tuple[str, type[OPUWarning]]]:
    """Return what is wrong with the light of the frames that are lit, as (message, category); [] where nothing is.

    readings: (n, n_outputs) in DN; lit: bool[n]. Saturated above 2 % at full scale, or twice what the calibration saw;
    TooDark above half within 1 DN of the dark level.
    """
    # Every frame is looked at, at some of its outputs: outputs are alike, frames are not.
    step = min(-(-readings.size // LIGHT_SAMPLE), max(1, readings.shape[1] // 64))
    # A quarter of the level exposed for, where that is below 4 DN, as it is with 3 bits or less.
    margin_dn = min(1.0, target_level(saturation_dn) * saturation_dn / 4)
    limit = calibration.dark_limit(readings.dtype, margin_dn)
    if isinstance(readings, np.ndarray):
        from opu.retrieval_kernel import light_counts

        looked, n_saturated, n_dark = light_counts(readings, lit, step, readings.dtype.type(saturation_dn), limit)
    else:
        some = readings[:, ::step][lit]
        looked, count = int(some.size), namespace(some).count_nonzero
        n_saturated, n_dark = int(count(some >= saturation_dn)), int(count(some <= limit[::step]))
    if not looked:
        return []
    saturated, dark = n_saturated / looked, n_dark / looked
    # With few codes the calibrated level itself reaches the last one often.
    with_reference = 0.0 if calibration.reference is None else calibration.reference.saturated
    usual = max(calibration.intensity_saturated, with_reference)
    found: list[tuple[str, type[OPUWarning]]] = []
    if saturated > max(SATURATION_WARNING, 2 * usual):
        text = (
            f"{saturated:.1%} of readings are saturated at {saturation_dn} DN (speckle at the calibrated "
            f"level: {usual:.2%}): frames are brighter than the {calibration.fill:.0%} fill calibrated for. "
            "Call calibrate(fill=...) with the fraction of inputs your data switch on"
        )
        found.append((text, Saturated))
    if dark > DARK_WARNING:
        text = (
            f"{dark:.1%} of readings lie within {margin_dn:.2g} DN of the dark level: frames are darker than the "
            f"{calibration.fill:.0%} fill calibrated for. Call calibrate(fill=...) with the fraction of inputs your "
            "data switch on, or raise the laser power"
        )
        found.append((text, TooDark))
    return found

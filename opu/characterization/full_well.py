"""Full well: where more light no longer reads higher. A converter that ends first leaves a lower bound."""

from __future__ import annotations

import numpy as np

from opu.device import Acquisition

from .bench import Bench
from .dark import Dark
from .quantity import Quantity, jackknife, unmeasured

N_FRAMES = 8
FLAT = 0.02
"""Outputs whose reading grows by less than this while the light doubles are full."""


def measure_full_well(bench: Bench, acquisition: Acquisition, dark: Dark, gain: Quantity) -> Quantity:
    """Electrons: exposures doubled with every input on until most outputs saturate, the level there over the gain.

    gain: DN/e. The last two exposures tell which outputs are full: those that no longer grow.
    """
    if gain.value is None:
        return unmeasured("e", gain.note)
    frames = bench.everything(N_FRAMES, on=True)
    black, top = dark.black_dn.value or 0.0, 2**bench.spec.bit_depth - 1
    exposure_s = bench.exposure(acquisition.exposure_s / 4).exposure_s
    before = after = bench.show(frames, bench.exposure(exposure_s)).astype(np.float64)
    while exposure_s < bench.spec.exposure_max_s:
        exposure_s = min(2 * exposure_s, bench.spec.exposure_max_s)
        before, after = after, bench.show(frames, bench.exposure(exposure_s)).astype(np.float64)
        if np.mean(before >= bench.spec.saturation_dn) > 0.5:
            break
    was, now = before.mean(axis=0) - black, after.mean(axis=0) - black
    half_way = (bench.spec.saturation_dn - black) / 2
    full = (was > half_way) & (now - was < FLAT * was)
    relative_gain = (gain.standard_error or 0.0) / gain.value
    if np.count_nonzero(full) < 8:
        highest = float(now.max()) / gain.value
        return Quantity(highest, highest * relative_gain, "e", "lower", "no output was filled by the brightest light")
    if np.mean(after[:, full] >= top) > 0.01:
        limit = (top - black) / gain.value
        return Quantity(limit, limit * relative_gain, "e", "lower", "the converter ends before the well is full")
    sums = bench.per_block(np.stack([now * full, full]))
    level, error = jackknife(sums, lambda total: total[0] / max(total[1], 1.0))
    level_error = np.hypot(float(error), dark.black_dn.standard_error or 0.0) / gain.value
    value = float(level) / gain.value
    return Quantity(value, float(np.hypot(level_error, value * relative_gain)), "e")

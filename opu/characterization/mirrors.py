"""The light budget: what the whole panel, the anchor and mirrors that are off send to the camera, as DN per second."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from opu.device import Acquisition
from opu.exposure import TARGET_LEVEL

from .bench import Bench, Bits, Floats
from .dark import Dark
from .quantity import Quantity, jackknife, unmeasured
from .rounding import speckle_rounding_bias

N_FRAMES = 16
N_ROUNDS = 4
N_TRIES = 16


@dataclass(frozen=True)
class Mirrors:
    """contrast: light with every input on over light with every input off. Rates: mean over outputs, dark removed.

    data_dn_per_s: half of the data inputs on, many patterns; anchor_share: anchor alone over everything on.
    """

    contrast: Quantity
    everything_dn_per_s: Quantity
    data_dn_per_s: Quantity
    off_dn_per_s: Quantity
    anchor_share: Quantity


def measure_mirrors(bench: Bench, acquisition: Acquisition, dark: Dark, flicker: float = 0.0) -> Mirrors:
    """acquisition: exposed for half of the data inputs. flicker: relative fluctuation of the light per frame (laser)."""
    bright = _exposed(bench, bench.everything(4, on=True), dark)
    dim = _exposed(bench, bench.everything(4, on=False), dark)
    states = {
        "on": (bench.everything(N_FRAMES, on=True), bright),
        "off": (bench.everything(N_FRAMES, on=False), dim),
        "data": (bench.frames(bench.patterns(N_FRAMES * N_ROUNDS, purpose=4)), acquisition),
    }
    if bench.spec.anchor_input is not None:
        nothing = np.zeros((N_FRAMES, bench.spec.n_data_inputs), dtype=np.bool_)
        alone = bench.frames(nothing, anchor=True)
        states["anchor"] = alone, _exposed(bench, alone[:4], dark)
    size = bench.per_block(np.ones(len(bench.outputs)))
    sums = {name: np.zeros(len(size)) for name in states}
    # States take turns, so that a slow drift of the laser meets them alike.
    for i in range(N_ROUNDS):
        for name, (frames, seen) in states.items():
            some = frames[i * N_FRAMES : (i + 1) * N_FRAMES] if name == "data" else frames
            light = bench.per_block(bench.show(some, seen).mean(axis=0)) - size * dark.block_levels_at(seen.exposure_s)
            light -= size * _rounding(float(light.sum() / size.sum()), dark, seen)
            sums[name] += light / seen.exposure_s / N_ROUNDS
    blocks = np.stack([*sums.values(), size], axis=1)
    names = list(states)

    def law(total: Floats) -> Floats:
        rate = dict(zip(names, total[:-1] / total[-1], strict=True))
        off = rate["off"] / rate["on"]
        return np.array([off, rate["on"], rate["data"], rate["off"], rate.get("anchor", np.nan) / rate["on"]])

    value, error = jackknife(blocks, law)
    common = flicker / np.sqrt(N_FRAMES * N_ROUNDS)
    relative = float(np.hypot(error[0], 2**0.5 * common * value[0]))
    if dark.coarse:  # a level that is uncertain for all outputs alike
        level_error = dark.nearest(dim.exposure_s).level_dn.standard_error or 0.0
        relative = float(np.hypot(relative, level_error / dim.exposure_s / value[1]))
    on, data, off = (Quantity(float(value[k]), float(np.hypot(error[k], common * value[k])), "DN/s") for k in (1, 2, 3))
    share = unmeasured("", "the device has no anchor")
    if "anchor" in states:
        share = Quantity(float(value[4]), float(np.hypot(error[4], common * value[4] * 2**0.5)))
    return Mirrors(_contrast(float(value[0]), relative, dark.blanked), on, data, off, share)


def _rounding(light_dn: float, dark: Dark, seen: Acquisition) -> float:
    """A few DN of speckle over a quiet dark level are not spread evenly over codes: their mean reads some mDN low."""
    if not dark.noise_dn:
        return 0.0
    return speckle_rounding_bias(light_dn, dark.level_at(seen.exposure_s), dark.noise_dn)


def _contrast(off: float, error: float, blanked: bool) -> Quantity:
    if not blanked:
        return unmeasured("", "the device cannot blank its laser, so what mirrors leak cannot be told from dark")
    if off > 3 * error:
        return Quantity(1 / off, error / off**2)
    bound = 1 / max(off + 1.645 * error, 1.645 * error, 1e-12)
    return Quantity(bound, None, "", "lower", "no light seen with every mirror off; 95 % confidence")


def _exposed(bench: Bench, frames: Bits, dark: Dark) -> Acquisition:
    """The longest exposure at which these frames read up to about 1/8 of the range on average."""
    seen, limit = bench.exposure(bench.spec.exposure_max_s), bench.spec.saturation_dn
    for _ in range(N_TRIES):
        readings = bench.show(frames, seen)
        level = (float(readings.mean()) - dark.level_at(seen.exposure_s)) / (limit - dark.level_at(seen.exposure_s))
        if level <= 1.2 * TARGET_LEVEL:
            break
        factor = 0.25 if np.mean(readings >= limit) > 0.1 else TARGET_LEVEL / level
        seen = bench.exposure(seen.exposure_s * factor)
    return seen

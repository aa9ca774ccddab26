"""The outputs one by one: dead, hot and saturated ones, and the signal-to-noise of the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition

from .bench import Bench, Floats
from .quantity import Quantity, jackknife, quantity

N_DARK, N_LIT = 16, 32
DEAD_LEVEL = 0.05
HOT_SIGMAS, HOT_DN = 8.0, 1.0
N_PATTERNS = 64

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class BadOutputs:
    """Indices among all outputs of the device.

    dead: react to random patterns with less than 5 % of the mean. hot: dark reading at the longest exposure more than
    eight robust standard deviations (and 1 DN) above the median. saturated: in over half of frames at the range's end.
    hot_dn_per_s: mean excess of the hot ones.
    """

    dead: Indices
    hot: Indices
    saturated: Indices
    hot_dn_per_s: float
    n_outputs: int

    @property
    def all(self) -> Indices:
        """Each once, sorted."""
        return np.unique(np.concatenate([self.dead, self.hot, self.saturated])).astype(np.intp)


@dataclass(frozen=True)
class SignalToNoise:
    """per_frame: variance of a reading over random patterns, noise removed, over its temporal noise variance.

    per_output: the same ratio output by output, at the indices analysed.
    """

    per_frame: Quantity
    per_output: Floats
    indices: Indices


def find_bad_outputs(bench: Bench, acquisition: Acquisition) -> BadOutputs:
    """All outputs of the device are looked at. acquisition: mean level 1/8 of the range at half of the inputs on."""
    spec = bench.spec
    longest = spec.exposure_max_s if spec.can_blank else acquisition.exposure_s
    off = bench.everything(N_DARK, on=False)
    dark = bench.totals(off, bench.exposure(longest, light=not spec.can_blank)).mean_dn
    floor = bench.totals(off, bench.exposure(acquisition.exposure_s, light=not spec.can_blank)).mean_dn
    lit = bench.totals(bench.frames(bench.patterns(N_LIT, purpose=5)), acquisition)
    middle = float(np.median(dark))
    spread = 1.4826 * float(np.median(np.abs(dark - middle)))
    excess = dark - middle
    hot = np.flatnonzero(excess > max(HOT_SIGMAS * spread, HOT_DN)) if spec.can_blank else np.zeros(0, np.intp)
    saturated = np.flatnonzero(lit.saturated > 0.5)
    light = lit.mean_dn - floor
    dead = np.setdiff1d(np.flatnonzero(light < DEAD_LEVEL * light.mean()), saturated)
    return BadOutputs(dead, hot, saturated, float(excess[hot].mean() / longest) if len(hot) else 0.0, spec.n_outputs)


def measure_signal_to_noise(bench: Bench, acquisition: Acquisition) -> SignalToNoise:
    """Every pattern twice in a row: differences hold the noise, products of the two the signal."""
    n = N_PATTERNS // 2 if bench.quick else N_PATTERNS
    frames = bench.frames(bench.patterns(n, purpose=6))
    shown = bench.show(np.repeat(frames, 2, axis=0), acquisition).reshape(n, 2, -1).astype(np.float64)
    noise = 0.5 * np.mean((shown[:, 0] - shown[:, 1]) ** 2, axis=0)
    centred = shown - shown.mean(axis=0)
    signal = (centred[:, 0] * centred[:, 1]).sum(axis=0) / (n - 1)
    value, error = jackknife(
        bench.per_block(np.stack([signal, noise])), lambda total: total[0] / total[1] if total[1] > 0 else np.nan
    )
    note = "mean level 1/8 of the range, half of the inputs on"
    per_frame = quantity(float(value), float(error), "", "no noise was seen", note)
    per_output = signal / np.maximum(noise, 1e-12)
    return SignalToNoise(per_frame, np.where(noise > 0, per_output, np.inf), bench.outputs)

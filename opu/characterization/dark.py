"""The dark stack: level, temporal noise, fixed pattern and dark current, with the laser blanked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .bench import Bench, Floats
from .quantity import Quantity, jackknife, quantity, unmeasured
from .rounding import rounded_mean, rounded_normal

N_FRAMES = 64
MIN_THIRD = 12
ONE_CODE_ERROR_DN = 12**-0.5
"""Standard deviation of a level that may lie anywhere within one code."""


class DarkReadings(NamedTuple):
    """Dark frames as they were read.

    histograms: (n_blocks, n_exposures, n_codes) by block of outputs, from first_code on. moments: of each exposure,
    (covariance of an output's readings in different frames, half the mean square difference of successive frames).
    """

    exposures_s: list[float]
    histograms: Floats
    first_code: int
    top_code: int
    moments: list[tuple[Quantity, Quantity]]
    blanked: bool


@dataclass(frozen=True)
class DarkFrames:
    """Dark frames at one exposure.

    level_dn, spread_dn: mean and standard deviation, temporal and fixed together, with the rounding undone.
    covariance_dn2, pair_variance_dn2: see DarkReadings, rounding included; the covariance is the fixed pattern's
    variance, where noise dithers.
    """

    exposure_s: float
    level_dn: Quantity
    spread_dn: Quantity
    covariance_dn2: Quantity
    pair_variance_dn2: Quantity
    histogram: NDArray[np.int64]
    first_code: int


@dataclass(frozen=True)
class Dark:
    """Dark stacks over exposure. black_dn: level at no exposure; blanked: False where the device cannot blank its laser.

    coarse: readings take too few values to tell level and noise apart; see `knowing_noise`. noise_dn: all spread of dark
    readings, rounding undone (0: unknown). block_level_dn: level of each
    block of outputs, which has its own share of the fixed pattern, (n_exposures, n_blocks).
    """

    stacks: tuple[DarkFrames, ...]
    block_level_dn: Floats
    black_dn: Quantity
    current_dn_per_s: Quantity
    noise_dn: float
    blanked: bool
    coarse: bool
    readings: DarkReadings

    def level_at(self, exposure_s: float) -> float:
        """Dark level expected at an exposure, DN."""
        return (self.black_dn.value or 0.0) + (self.current_dn_per_s.value or 0.0) * exposure_s

    def block_levels_at(self, exposure_s: float) -> Floats:
        """Dark level of each block of outputs at an exposure, DN."""
        exposures = [stack.exposure_s for stack in self.stacks]
        return np.array([np.interp(exposure_s, exposures, levels) for levels in self.block_level_dn.T])

    def nearest(self, exposure_s: float) -> DarkFrames:
        """The stack taken closest to an exposure."""
        return min(self.stacks, key=lambda stack: abs(stack.exposure_s - exposure_s))


def measure_dark(bench: Bench, exposures_s: tuple[float, ...]) -> Dark:
    """Laser blanked (where it cannot be: mirrors off, shortest exposure alone, and their leak is taken for dark)."""
    blanked = bench.spec.can_blank
    chosen = sorted(set(exposures_s)) if blanked else [min(exposures_s)]
    n = N_FRAMES // 2 if bench.quick else N_FRAMES
    stacks = [bench.show(bench.everything(n, on=False), bench.exposure(t, light=not blanked)) for t in chosen]
    first, last = min(int(s.min()) for s in stacks), max(int(s.max()) for s in stacks)
    histograms = np.stack([_histograms(bench, stack, first, last) for stack in stacks], axis=1)
    moments = [_moments(bench, stack) for stack in stacks]
    return _analysed(DarkReadings(chosen, histograms, first, 2**bench.spec.bit_depth - 1, moments, blanked))


def knowing_noise(dark: Dark, noise_dn: Quantity) -> Dark:
    """A coarse stack read again, its noise known from elsewhere and its outputs held to be alike; others unchanged.

    Two codes tell the level once the noise is known: P(upper) = Phi((level - boundary) / noise).
    """
    return _analysed(dark.readings, noise_dn) if dark.coarse and noise_dn.value else dark


def _analysed(readings: DarkReadings, noise_dn: Quantity | None = None) -> Dark:
    chosen, histograms, first, top, moments, blanked = readings
    known = 0.0 if noise_dn is None else noise_dn.value or 0.0
    k, counts = len(chosen), histograms.sum(axis=0).astype(np.int64)
    # Level and noise come apart by the third commonest code; a stack without one borrows the noise of one that has it.
    third = np.sort(np.pad(counts, ((0, 0), (3, 0))), axis=1)[:, -3]
    richest = int(third.argmax())
    coarse = bool(third[richest] < MIN_THIRD)

    # Exposures are jackknifed together: what they share, an output's fixed pattern, does not blur the slope.
    def laws(rows: Floats, assumed: float = known) -> Floats:
        if coarse:
            law = [(rounded_mean(row, first, top, assumed), np.nan) for row in rows]
        else:
            sigma = rounded_normal(rows[richest], first, top)[1]
            law = [
                rounded_normal(row, first, top) if n >= MIN_THIRD else (rounded_mean(row, first, top, sigma), sigma)
                for row, n in zip(rows, third, strict=True)
            ]
        levels, spreads = np.transpose(law)
        return np.concatenate([levels, spreads, _line(np.array(chosen), levels)])

    value, error = jackknife(histograms, laws)
    one_code = bool((np.count_nonzero(counts, axis=1) < 2).any())
    note = ""
    if known and noise_dn is not None and not one_code:
        moved = laws(histograms.sum(axis=0), known + (noise_dn.standard_error or 0.0)) - value
        error = np.hypot(error, np.nan_to_num(moved))
        note = "readings take two values: the level follows from photon transfer's read noise, outputs held to be alike"
    elif coarse:
        note = "readings take too few values: the level is known to a code only"
        error[:k] = error[-2] = ONE_CODE_ERROR_DN
    black = Quantity(float(value[-2]), float(error[-2]), "DN", note=note)
    if coarse and (one_code or not known):
        current = unmeasured("DN/s", note)
    else:
        current = quantity(value[-1], error[-1], "DN/s", "dark frames at one exposure only")
    if not blanked:
        told = "the device cannot blank its laser, so light that mirrors leak while off counts as dark"
        black, current = Quantity(black.value, black.standard_error, "DN", note=told), unmeasured("DN/s", told)
    frames = []
    for i, exposure_s in enumerate(chosen):
        level = Quantity(float(value[i]), float(error[i]), "DN", note=note)
        spread = unmeasured("DN", note) if coarse else Quantity(float(value[k + i]), float(error[k + i]), "DN")
        frames.append(DarkFrames(exposure_s, level, spread, *moments[i], counts[i], first))
    noise = [known if coarse else float(value[k + i]) for i in range(k)]
    levels = [
        [rounded_mean(block[i], first, top, noise[i]) if noise[i] else value[i] for block in histograms]
        for i in range(k)
    ]
    return Dark(tuple(frames), np.array(levels), black, current, noise[0], blanked, coarse, readings)


def _histograms(bench: Bench, readings: NDArray[np.generic], first: int, last: int) -> Floats:
    """Counts of each code by block of outputs, float64[n_blocks, n_codes]."""
    n_codes, block = last - first + 1, bench.block_of_output
    cell = block * n_codes + (readings.astype(np.int64) - first)
    counts = np.bincount(cell.ravel(), minlength=(int(block.max()) + 1) * n_codes)
    return counts.reshape(-1, n_codes).astype(np.float64)


def _moments(bench: Bench, readings: NDArray[np.generic]) -> tuple[Quantity, Quantity]:
    """Covariance of an output's readings in different frames, and half the mean square of successive differences."""
    floating = readings.astype(np.float64)
    floating -= floating.mean()
    even, odd = floating[0::2], floating[1::2]
    sums = np.stack([even.mean(axis=0) * odd.mean(axis=0), 0.5 * np.mean((even - odd) ** 2, axis=0)])
    blocks = bench.per_block(np.concatenate([sums, np.ones((1, sums.shape[1]))]))
    value, error = jackknife(blocks, lambda total: total[:2] / total[2])
    return quantity(value[0], error[0], "DN^2"), quantity(value[1], error[1], "DN^2")


def _line(exposures_s: Floats, levels: Floats) -> Floats:
    """Intercept and slope of level against exposure; nan for the slope of one point."""
    if len(levels) < 2:
        return np.array([levels[0], np.nan])
    slope, black = np.polyfit(exposures_s, levels, 1)
    return np.array([black, slope])

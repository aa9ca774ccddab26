"""Speckle: histogram, contrast with the noise removed, a test against the exponential law, and the size of a grain."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import j1

from opu.device import Acquisition
from opu.exposure import TARGET_LEVEL

from .bench import Bench, Floats
from .dark import Dark
from .quantity import Quantity, jackknife, quantity, unmeasured

LEVEL = 1 / 12
"""Mean level: exponential speckle then saturates 6e-6 of readings, which moves the contrast by 1e-4."""
N_PATTERNS = 24
N_REPEATS = 16
MAX_TESTED = 2000
N_DRAWS = 400
N_LAGS = 6


@dataclass(frozen=True)
class Speckle:
    """contrast: standard deviation over mean, of the light alone: 1 for fully developed polarised speckle.

    distance, p_value: Kolmogorov's distance of one pattern's intensities from the exponential law of the same mean, and
    how often such a law itself lies as far (nan where outputs are neighbours). correlation: of the light at neighbouring
    pixels, lags 0..6 along rows and columns; grain_px: diameter that explains it. bin_edges, density: of intensity / mean.
    """

    contrast: Quantity
    distance: float
    p_value: float
    grain_px: Quantity
    correlation: Floats | None
    bin_edges: Floats
    density: Floats
    mean_dn: Quantity


def measure_speckle(bench: Bench, acquisition: Acquisition, dark: Dark) -> Speckle:
    """acquisition: mean level 1/8 of the range at half of the inputs on."""
    chosen = bench.exposure(acquisition.exposure_s * LEVEL / TARGET_LEVEL)
    n = N_PATTERNS // 2 if bench.quick else N_PATTERNS
    level = dark.level_at(chosen.exposure_s)
    frames = bench.frames(bench.patterns(n, purpose=2))
    # Two frames of each pattern: their covariance over outputs holds the light's variance and no noise.
    shown = bench.show(np.repeat(frames, 2, axis=0), chosen).reshape(n, 2, -1).astype(np.float64) - level
    first, second = shown[:, 0], shown[:, 1]
    ones = np.ones(shown.shape[2])
    blocks = bench.per_block(np.stack([(first + second).mean(axis=0) / 2, (first * second).mean(axis=0), ones]))

    def law(total: Floats) -> tuple[float, float]:
        mean, product = total[0] / total[2], total[1] / total[2]
        return float(np.sqrt(max(product - mean**2, 0.0))) / mean, mean

    value, error = jackknife(blocks, law)
    contrast, mean = quantity(value[0], error[0]), quantity(value[1], error[1], "DN")
    repeats = bench.show(np.repeat(frames[:1], N_REPEATS, axis=0), chosen).mean(axis=0) - level
    pooled = ((first + second) / 2).ravel() / value[1]
    edges = np.linspace(0, 8, 65)
    density = np.histogram(pooled, edges)[0] / pooled.size / np.diff(edges)
    grid = bench.spec.output_shape
    distance, p_value = _exponential_test(repeats, bench) if grid is None else (float("nan"), float("nan"))
    grain, correlation = _grain(bench, first, second)
    return Speckle(contrast, distance, p_value, grain, correlation, edges, density, mean)


def _exponential_test(light: Floats, bench: Bench) -> tuple[float, float]:
    """Lilliefors's test for the exponential law, its distribution by simulation."""
    step = -(-len(light) // MAX_TESTED)
    sample = light[::step]
    rng = bench.rng(3)
    draws = rng.exponential(size=(N_DRAWS, len(sample)))
    distance = float(_distance(sample[None])[0])
    return distance, float((1 + np.count_nonzero(_distance(draws) >= distance)) / (1 + N_DRAWS))


def _distance(samples: NDArray[np.float64]) -> Floats:
    """Largest difference between the empirical law of sample / mean and 1 - exp(-x), per row."""
    n = samples.shape[1]
    law = -np.expm1(-np.maximum(np.sort(samples, axis=1) / samples.mean(axis=1, keepdims=True), 0.0))
    above = np.arange(1, n + 1) / n - law
    return np.asarray(np.maximum(above.max(axis=1), (1 / n - above).max(axis=1)))


def _grain(bench: Bench, first: Floats, second: Floats) -> tuple[Quantity, Floats | None]:
    if bench.spec.output_shape is None:
        return unmeasured("px", "outputs are not said to be neighbouring pixels"), None
    rows, columns = bench.tiles.shape
    here = bench.outputs - bench.first_row * columns
    images = np.zeros((3, len(first), rows * columns))
    # Outputs left out count as the mean, and pairs with them are not counted.
    images[0][:, here], images[1][:, here], images[2][:, here] = first - first.mean(), second - second.mean(), 1.0
    a, b, seen = images.reshape(3, len(first), rows, columns)
    sums = _tile_sums(a, b, seen, bench.tiles)
    total = sums.sum(axis=0)
    if not (total[:, 0, 0] > 0).all():
        return unmeasured("px", "no speckle to correlate"), None

    def curves(sums: Floats) -> Floats:
        mean = sums[..., 0] / np.maximum(sums[..., 1], 1.0)
        return np.asarray(mean / mean[:, :1])

    value, error = jackknife(sums, lambda some: grain_from(float(curves(some)[:, 1].mean())))
    return quantity(float(value), float(error), "px"), curves(total)


def _tile_sums(a: Floats, b: Floats, seen: Floats, tiles: NDArray[np.intp]) -> Floats:
    """(products, pairs) of pixels 0 to 6 apart down and across, summed over patterns and tiles: (n_tiles, 2, n_lags, 2)."""
    n_patterns, rows, columns = a.shape
    n_lags = min(N_LAGS + 1, rows, columns)
    n_tiles = int(tiles.max()) + 1
    result = np.zeros((n_tiles, 2, n_lags, 2))
    for lag in range(n_lags):
        down = (slice(lag, None), slice(None)), (slice(0, rows - lag), slice(None))
        across = (slice(None), slice(lag, None)), (slice(None), slice(0, columns - lag))
        for axis, (near, far) in enumerate((down, across)):
            products = np.einsum("pij,pij->ij", a[(..., *near)], b[(..., *far)])
            pairs = n_patterns * seen[0][near] * seen[0][far]
            tile = tiles[near].ravel()
            for k, values in enumerate((products, pairs)):
                result[:, axis, lag, k] = np.bincount(tile, values.ravel(), minlength=n_tiles)
    return result


def grain_from(correlation: float) -> float:
    """Grain diameter in pixels whose speckle, integrated over square pixels, has this neighbour correlation."""
    low, high = 0.3, 100.0
    if correlation <= neighbour_correlation(low):
        return 0.0
    return float(brentq(lambda g: neighbour_correlation(g) - correlation, low, high, xtol=1e-4))


@lru_cache(maxsize=4096)
def neighbour_correlation(grain_px: float, lag_px: int = 1) -> float:
    """Correlation of intensities integrated over square pixels one lag apart, for a circular pupil.

    |2 J1(pi r / g) / (pi r / g)|^2 weighted by the overlap of the two pixels. Goodman, Speckle Phenomena, sec. 4.
    """
    return _integrated(grain_px, lag_px) / _integrated(grain_px, 0)


def _integrated(grain_px: float, lag_px: int) -> float:
    nodes, weights = np.polynomial.legendre.leggauss(24)
    u, w = (nodes + 1) / 2, weights / 2
    # The triangle 1 - |u| on (-1, 1), by its two halves.
    offsets = np.concatenate([-u, u])
    triangle = np.concatenate([w * (1 - u), w * (1 - u)])
    r = np.pi / grain_px * np.hypot(lag_px + offsets[:, None], offsets[None, :])
    field = np.where(r > 1e-6, 2 * j1(r) / np.maximum(r, 1e-6), 1.0)
    return float(triangle @ field**2 @ triangle)

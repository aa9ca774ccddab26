"""What rounding to whole DN does to a level and its noise, and how to undo it where noise is too small to dither.

Quantisation adds 1/12 DN^2 only to noise of some 0.4 DN or more; an 8-bit camera's read noise is often half of that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize, minimize_scalar
from scipy.special import ndtr

Floats = NDArray[np.float64]

DITHERED_DN = 0.6
"""Above this much noise a sample's mean and variance - 1/12 are those of the light, to 1e-3."""

_SIGMA = np.concatenate([[0.0], np.geomspace(1e-3, 0.75, 400)])
_K = np.arange(1, 201)


def _within(sigma: Floats) -> Floats:
    s2 = sigma[:, None] ** 2
    kept = np.sum(np.exp(-4 * np.pi**2 * _K**2 * s2) / (2 * np.pi**2 * _K**2), axis=1)
    return np.asarray(sigma**2 + 1 / 12 - kept)


_ROUNDED = _within(_SIGMA)
_ROUNDED -= _ROUNDED[0]


def rounded_variance(variance: ArrayLike) -> Floats:
    """Temporal variance of rint(level + noise), Gaussian noise of that variance, levels spread evenly over whole DN.

    sigma^2 + 1/12 - sum_k exp(-4 pi^2 k^2 sigma^2) / (2 pi^2 k^2): Fourier series of the rounding error. DN^2.
    """
    v = np.maximum(np.asarray(variance, dtype=np.float64), 0.0)
    table: Floats = np.interp(np.sqrt(v), _SIGMA, _ROUNDED)
    return np.where(v < _SIGMA[-1] ** 2, table, v + 1 / 12)


def unrounded_variance(variance: ArrayLike) -> Floats:
    """Inverse of rounded_variance: the noise behind a temporal variance of readings, DN^2; negative stays negative."""
    v = np.asarray(variance, dtype=np.float64)
    small: Floats = np.interp(v, _ROUNDED, _SIGMA) ** 2
    return np.where(v > _ROUNDED[-1], v - 1 / 12, np.where(v < 0, v, small))


def unrounding_slope(variance: ArrayLike) -> Floats:
    """d(rounded variance) / d(variance), at a given noise variance in DN^2: 1 + 2 sum_k exp(-4 pi^2 k^2 sigma^2)."""
    v = np.maximum(np.asarray(variance, dtype=np.float64), 1e-4)[..., None]
    slope: Floats = 1 + 2 * np.sum(np.exp(-4 * np.pi**2 * _K**2 * v), axis=-1)
    return slope


def speckle_rounding_bias(mean_dn: float, black_dn: float, sigma_dn: float) -> float:
    """Mean of rint(black + light + noise) - (black + light), light exponential of that mean: the law's edge at 0 shows.

    sum_k (-1)^k exp(-2 pi^2 k^2 sigma^2) / (pi k) Im[exp(2 pi i k black) / (1 - 2 pi i k mean)], DN.
    """
    phase = 2j * np.pi * _K
    law = np.exp(phase * black_dn) / (1 - phase * max(mean_dn, 0.0))
    return float(np.sum((-1.0) ** _K * np.exp(-2 * (np.pi * _K * sigma_dn) ** 2) / (np.pi * _K) * law.imag))


def rounded_normal(counts: NDArray[np.float64], first_code: int, top_code: int) -> tuple[float, float]:
    """(mean, standard deviation) of the normal law whose readings have this histogram; readings of 0 and top are clipped.

    counts: of codes first_code, first_code + 1 ... Maximum likelihood where noise does not dither, moments where it does.
    One code alone: that code and nan; two codes: their mean and nan (level and noise cannot be told apart).
    """
    code = first_code + np.arange(len(counts))
    n = counts.sum()
    mean = float(counts @ code / n)
    variance = float(counts @ (code - mean) ** 2 / n)
    clipped = counts[code <= 0].sum() + counts[code >= top_code].sum()
    if variance > DITHERED_DN**2 + 1 / 12 and not clipped:
        return mean, float(np.sqrt(variance - 1 / 12))
    if np.count_nonzero(counts) < 3:
        return mean, float("nan")
    start = [mean, 0.5 * np.log(max(float(unrounded_variance(variance)), 0.01))]
    found = minimize(
        lambda p: _surprise(counts, code, top_code, p[0], float(np.exp(p[1]))),
        start,
        method="Nelder-Mead",
        options={"xatol": 1e-6, "fatol": 1e-13, "maxiter": 400},
    )
    return float(found.x[0]), float(np.exp(found.x[1]))


def rounded_mean(counts: Floats, first_code: int, top_code: int, sigma_dn: float) -> float:
    """The same law's mean where its standard deviation is known; the sample's mean where it is not, or one code alone."""
    code = first_code + np.arange(len(counts))
    mean = float(counts @ code / counts.sum())
    if sigma_dn > DITHERED_DN and not counts[(code <= 0) | (code >= top_code)].sum():
        return mean
    if np.count_nonzero(counts) < 2 or not sigma_dn > 0:
        return mean
    found = minimize_scalar(
        lambda level: _surprise(counts, code, top_code, level, sigma_dn),
        bounds=(mean - 1, mean + 1),
        method="bounded",
        options={"xatol": 1e-7},
    )
    return float(found.x)


def _surprise(counts: Floats, code: NDArray[np.intp], top_code: int, mean: float, sigma: float) -> float:
    """-log likelihood of one reading, on average; codes 0 and top hold all that lies beyond them."""
    low = np.where(code <= 0, -np.inf, code - 0.5)
    high = np.where(code >= top_code, np.inf, code + 0.5)
    inside = ndtr((high - mean) / sigma) - ndtr((low - mean) / sigma)
    return float(-(counts @ np.log(np.maximum(inside, 1e-300))) / counts.sum())

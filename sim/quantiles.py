"""Quantile functions, compiled: the standard normal's and Poisson's, for noise by inversion of a hashed uniform."""

from __future__ import annotations

from math import ceil, exp, floor, lgamma, log, sqrt
from typing import Any

from numba import njit

SEARCHED_FROM_ZERO = 16.0
"""Means up to here: the counts are tried one by one."""
NEGLIGIBLE = 1e-17
"""A term this far below the sum does not change it."""

# Ratios of polynomials, highest power first: Wichura's PPND16.
_CENTRE = (
    (
        2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
        1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
    ),
    (
        5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
        5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
    ),
)  # fmt: skip
_SIDES = (
    (
        7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
        3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
    ),
    (
        1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
        6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
    ),
)  # fmt: skip
_TAILS = (
    (
        2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
        2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
    ),
    (
        2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
        1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
    ),
)  # fmt: skip


@njit(nogil=True, cache=True, error_model="numpy")
def normal_quantile(u: float) -> Any:
    """z with P(N(0, 1) <= z) = u, 0 < u < 1, to 1e-15. Wichura, Applied Statistics 37 (1988), algorithm AS 241."""
    q = u - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(0.180625 - q * q, _CENTRE)
    r = sqrt(-log(u if q < 0.0 else 1.0 - u))
    z = _ratio(r - 1.6, _SIDES) if r <= 5.0 else _ratio(r - 5.0, _TAILS)
    return -z if q < 0.0 else z


@njit(inline="always")
def _ratio(x: Any, polynomials: Any) -> Any:
    above = below = 0.0
    for k in range(8):
        above = above * x + polynomials[0][k]
        below = below * x + polynomials[1][k]
    return above / below


@njit(nogil=True, cache=True, error_model="numpy")
def poisson_quantile(u: float, mean: float) -> Any:
    """The smallest k with P(K <= k) >= u, 0 < u < 1, K of that mean: Poisson counts by inversion.

    The real k that solves P(K <= k) = u comes from a series; only where an integer lies within the series' error of it is
    the sum itself taken (the idea is Giles's, ACM Transactions on Mathematical Software 42:7, 2016, algorithm 955).
    """
    if mean < SEARCHED_FROM_ZERO:
        return _from_zero(u, mean)
    k, error = poisson_series(normal_quantile(u), mean)
    nearest = floor(k + 0.5)
    return ceil(k) if abs(k - nearest) > error else _from(nearest, u, mean)


@njit(nogil=True, cache=True, error_model="numpy")
def poisson_series(z: float, mean: float) -> tuple[float, float]:
    """The real k with P(K <= k) = P(N(0, 1) <= z), P continued by the incomplete gamma function, and a bound of its error."""
    root, square, size = sqrt(mean), z * z, abs(z)
    k = (
        mean
        + z * root
        + (square - 4.0) / 6.0
        - z * (square + 2.0) / (72.0 * root)
        + ((3.0 * square + 7.0) * square - 16.0) / (810.0 * mean)
    )
    # Three times the next term, and rounding.
    return k, (0.004 * size**5 + 0.01 * size**3 + 0.05 * size + 0.03) / (mean * root) + 1e-15 * mean


@njit(nogil=True, cache=True, error_model="numpy")
def _from_zero(u: float, mean: float) -> float:
    k, term = 0.0, exp(-max(mean, 0.0))
    below = term
    while below < u and (k < mean or term > NEGLIGIBLE):
        k += 1.0
        term *= mean / k
        below += term
    return k


@njit(nogil=True, cache=True, error_model="numpy")
def _from(k: float, u: float, mean: float) -> float:
    """Step from a guess."""
    k = max(k, 0.0)
    if _up_to(k, mean) >= u:
        while k > 0.0 and _up_to(k - 1.0, mean) >= u:
            k -= 1.0
        return k
    while _up_to(k, mean) < u and (k < mean or _at(k, mean) > NEGLIGIBLE):
        k += 1.0
    return k


@njit(nogil=True, cache=True, error_model="numpy")
def _at(k: float, mean: float) -> float:
    return exp(k * log(mean) - mean - lgamma(k + 1.0))


@njit(nogil=True, cache=True, error_model="numpy")
def _up_to(k: float, mean: float) -> float:
    """P(K <= k), summed from the nearer end."""
    total = 0.0
    if k <= mean:
        term = _at(k, mean)
        while term > NEGLIGIBLE * total and k >= 0.0:
            total += term
            term *= k / mean
            k -= 1.0
        return total
    k += 1.0
    term = _at(k, mean)
    while term > NEGLIGIBLE * total:
        total += term
        k += 1.0
        term *= mean / k
    return 1.0 - total

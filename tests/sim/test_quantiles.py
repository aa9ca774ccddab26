"""The compiled quantile functions against SciPy's."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opu.sim.quantiles import normal_quantile, poisson_quantile, poisson_series
from scipy.special import ndtr, ndtri, pdtr, pdtrc, pdtrik

LEAST, ROUNDING = 2.0**-53, 1e-15
uniforms = st.integers(0, 2**52 - 1).map(lambda bits: (bits + 0.5) * 2.0**-52)


@given(uniforms)
def test_normal(u):
    assert normal_quantile(u) == pytest.approx(ndtri(u), rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("u", [LEAST, 1e-12, 0.074, 0.076, 0.924, 0.926, 1 - 1e-12, 1 - LEAST])
def test_normal_in_the_tails_and_at_the_seams(u):
    assert normal_quantile(u) == pytest.approx(ndtri(u), rel=1e-14)


@example(1 - LEAST, 2.154434690031884)
@given(uniforms, st.floats(-4, 8).map(lambda power: 10.0**power))
def test_poisson_is_the_smallest_count_that_reaches_u(u, mean):
    k = poisson_quantile(u, mean)
    assert k == int(k) >= 0
    # Up to the accuracy of terms like exp(k log(mean) - mean - lgamma(k + 1)), and, near 1, of sums of which u is one.
    slack = 1e-15 * mean + 1e-13
    reached = pdtr(k, mean) >= u * (1 - slack) if u < 0.5 else pdtrc(k, mean) <= (1 - u) * (1 + slack) + ROUNDING
    assert reached
    assert k == 0 or (
        pdtr(k - 1, mean) < u * (1 + slack) if u < 0.5 else pdtrc(k - 1, mean) > (1 - u) * (1 - slack) - ROUNDING
    )


@pytest.mark.parametrize("mean", [0.0, -1.0, 1e-30])
def test_poisson_without_light(mean):
    assert poisson_quantile(LEAST, mean) == poisson_quantile(0.5, mean) == 0


@pytest.mark.parametrize("mean", [16.0, 20.0, 50.0, 300.0, 1e4, 1e6])
def test_the_series_keeps_within_its_bound(mean):
    u = ndtr(np.linspace(-7, 5.5, 400))
    found = np.array([poisson_series(each, mean) for each in ndtri(u)])
    real = pdtrik(u, mean)
    seen = (found[:, 0] > 0.5) & (real > 0.5)
    coarse = 1e-10 + 2e-15 * np.sqrt(mean) / np.exp(-(ndtri(u[seen]) ** 2) / 2)  # SciPy's tolerance, and rounding of u
    assert np.all(np.abs(real - found[:, 0])[seen] <= found[seen, 1] + coarse)
    assert seen.sum() > 250

"""Rounding's closed forms against rounding itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from opu.characterization.rounding import (
    rounded_normal,
    rounded_variance,
    speckle_rounding_bias,
    unrounded_variance,
    unrounding_slope,
)


@pytest.mark.parametrize("sigma", [0.05, 0.226, 0.4, 1.0])
def test_temporal_variance_of_rounded_readings(sigma):
    rng = np.random.default_rng(1)
    n = 400_000
    level = rng.random(n)
    first, second = (np.rint(level + sigma * rng.standard_normal(n)) for _ in range(2))
    half_square = 0.5 * (first - second) ** 2
    # Five standard errors of a mean of n values.
    assert abs(half_square.mean() - rounded_variance(sigma**2)) < 5 * half_square.std() / n**0.5


def test_ends_of_the_law_no_noise_reads_no_variance_and_much_noise_a_twelfth_more():
    assert float(rounded_variance(0.0)) == 0.0
    assert float(rounded_variance(4.0)) == pytest.approx(4 + 1 / 12, rel=1e-12)
    assert float(unrounding_slope(4.0)) == pytest.approx(1.0, rel=1e-12)


@given(st.floats(1e-3, 100.0))
def test_unrounding_is_the_inverse_of_rounding(variance):
    assert float(unrounded_variance(rounded_variance(variance))) == pytest.approx(variance, rel=2e-3)


@pytest.mark.parametrize("mean", [2.0, 2.13, 2.5, 0.1])
@pytest.mark.parametrize("sigma", [0.226, 0.35, 1.2])
def test_a_normal_law_is_recovered_from_its_codes(mean, sigma):
    n = 60_000
    codes = np.clip(np.rint(mean + sigma * np.random.default_rng(2).standard_normal(n)), 0, 255).astype(int)
    counts = np.bincount(codes)[codes.min() :].astype(float)
    found = rounded_normal(counts, int(codes.min()), 255)
    if np.count_nonzero(counts) < 3:
        assert np.isnan(found[1])  # level and noise cannot be told apart
        return
    # A dithered mean is known to sigma/sqrt(n); undithered, only the share p of readings in the rarer codes tells, and
    # the worst case here (3 sigma to the next code: p = 0.0027) has sqrt(p n) = 13 of them: 0.1 sigma covers five errors.
    assert abs(found[0] - mean) < 0.1 * sigma
    assert abs(found[1] - sigma) < 0.1 * sigma


def test_one_code_alone_tells_the_code():
    level, sigma = rounded_normal(np.array([100.0]), 7, 255)
    assert level == 7
    assert np.isnan(sigma)


@pytest.mark.parametrize("black", [2.0, 2.6])
def test_mean_of_rounded_speckle(black):
    rng = np.random.default_rng(3)
    n = 2_000_000
    light = rng.exponential(2.7, n)
    error = np.rint(black + light + 0.226 * rng.standard_normal(n)) - (black + light)
    assert abs(error.mean() - speckle_rounding_bias(2.7, black, 0.226)) < 5 * error.std() / n**0.5
    assert abs(error.mean()) > 0.003  # the effect is there to be undone

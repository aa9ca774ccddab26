"""The correlation of two sets of readings with their noise taken out, against a synthetic of known correlation."""

import numpy as np
import pytest
from opu.hw_tests.medium_signature import noise_free


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("noise", [0.0, 0.5, 2.0])
def test_noise_does_not_attenuate_the_correlation(correlation, noise):
    rng = np.random.default_rng(7)
    n, m = 24, 2000
    first = rng.exponential(size=(n, m))
    second = correlation * first + np.sqrt(1 - correlation**2) * rng.exponential(size=(n, m))
    before, now = (light + noise * rng.standard_normal((2, n, m)) for light in (first, second))
    found = noise_free(before, 3 * now + 5)
    # Attenuation alone: the variance of the noise over that of the light, which Spearman's correction undoes.
    assert found.value == pytest.approx(correlation, abs=5 * found.standard_error + 5 * (1 + noise**2) / np.sqrt(n * m))
    assert found.standard_error < 0.1


def test_readings_without_signal_correlate_with_nothing():
    rng = np.random.default_rng(8)
    noise = rng.standard_normal((2, 4, 50))
    noise[1] = -noise[0]
    assert noise_free(noise, noise).value == 0.0

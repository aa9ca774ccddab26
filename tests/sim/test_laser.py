import numpy as np
import pytest
from opu.sim.laser import brightness
from opu.sim.laser_settings import LaserSettings

SEED = 11


def test_a_steady_laser_is_steady():
    assert LaserSettings().steady
    assert np.array_equal(brightness(LaserSettings(), SEED, 5, np.arange(4.0)), np.ones(4))


def test_relative_intensity_noise_is_white_and_of_the_asked_size():
    """Mean to rms / sqrt(n), rms to 1 / sqrt(2 n), correlation of neighbours to 1 / sqrt(n): five standard errors each."""
    n, rms = 100_000, 0.03
    light = brightness(LaserSettings(rin_rms=rms), SEED, 0, np.zeros(n))
    assert light.mean() == pytest.approx(1.0, abs=5 * rms / np.sqrt(n))
    assert light.std() == pytest.approx(rms, rel=5 / np.sqrt(2 * n))
    assert abs(np.corrcoef(light[1:], light[:-1])[0, 1]) < 5 / np.sqrt(n)


def test_slow_drift_has_the_asked_size_and_time():
    """Every 20 time constants a new value (exp(-20) is nothing), and one 0.5 time constants later: correlation exp(-0.5).

    The standard error of a correlation rho of n pairs is (1 - rho^2) / sqrt(n); `wander` is off by up to 3.4e-4.
    """
    n, rms, tau = 20_000, 0.05, 3.0
    laser = LaserSettings(power_drift_rms=rms, power_drift_time_s=tau)
    start = 20 * tau * np.arange(n)
    first, later = (brightness(laser, SEED, 0, start + lag) for lag in (0.0, 0.5 * tau))
    assert first.mean() == pytest.approx(1.0, abs=5 * rms / np.sqrt(n))
    assert first.std() == pytest.approx(rms, rel=5 / np.sqrt(2 * n))
    rho = np.exp(-0.5)
    assert np.corrcoef(first, later)[0, 1] == pytest.approx(rho, abs=5 * (1 - rho**2) / np.sqrt(n) + 3.4e-4)


def test_noise_belongs_to_the_frame_and_drift_to_the_time():
    laser = LaserSettings(rin_rms=0.01, power_drift_rms=0.02, power_drift_time_s=5.0)
    times = np.linspace(0, 30, 40)
    whole = brightness(laser, SEED, 7, times)
    parts = [brightness(laser, SEED, 7 + k, times[k : k + 3]) for k in range(0, 40, 3)]
    assert np.array_equal(whole, np.concatenate(parts))
    assert not np.array_equal(whole, brightness(laser, SEED + 1, 7, times))
    assert not np.array_equal(whole, brightness(laser, SEED, 8, times))
    slow = LaserSettings(power_drift_rms=0.02, power_drift_time_s=5.0)
    assert np.array_equal(brightness(slow, SEED, 0, times), brightness(slow, SEED, 99, times))


def test_light_is_never_negative():
    """The largest of 10^6 normals is near 4.9, short of the floor at 5: so it is reached by the two together."""
    laser = LaserSettings(rin_rms=0.2, power_drift_rms=0.2, power_drift_time_s=1e-3)
    light = brightness(laser, SEED, 0, np.arange(200_000) * 1e-2)
    assert light.min() >= 0
    assert light.mean() == pytest.approx(1.0, abs=5 * np.sqrt(0.0816 / 200_000))

import numpy as np
import pytest
from scipy.integrate import dblquad
from scipy.special import j1

from opu.characterization.bench import Bench
from opu.characterization.dark import measure_dark
from opu.characterization.speckle import (
    _distance,
    _exponential_test,
    grain_from,
    measure_speckle,
    neighbour_correlation,
)

K_SIGMAS = 4.5


def speckle(sim_bench, **settings):
    bench, acquisition = sim_bench(**settings)
    return measure_speckle(bench, acquisition, measure_dark(bench, (1e-5, acquisition.exposure_s)))


@pytest.mark.parametrize("degree", [1.0, 0.5, 0.0])
def test_contrast_is_that_of_the_polarisation(sim_bench, degree):
    """sqrt((1 + P^2) / 2), Goodman, Speckle Phenomena, sec. 3.4; shot and read noise do not enter."""
    found = speckle(sim_bench, speckle={"polarisation": degree}, camera={"read_noise_e": 100.0})
    contrast = found.contrast
    assert abs(contrast.value - ((1 + degree**2) / 2) ** 0.5) < K_SIGMAS * contrast.standard_error
    assert contrast.standard_error < 0.03
    if degree == 1.0:
        assert found.p_value > 1e-3
    else:
        # Lilliefors's 5 % point is near 1.09 / sqrt(768) = 0.04; half unpolarised light lies at 0.06 and more.
        assert found.p_value < 0.01
    assert found.grain_px.value is None


def test_p_values_of_exponential_samples_are_uniform():
    class Seeded:
        def rng(self, purpose):
            return np.random.default_rng(purpose)

    rng = np.random.default_rng(4)
    p = np.array([_exponential_test(rng.exponential(7.0, 200), Seeded())[1] for _ in range(60)])
    # The mean of 60 uniform numbers scatters by 0.29 / sqrt(60) = 0.037.
    assert abs(p.mean() - 0.5) < 4.5 * 0.037


def test_distance_of_a_known_sample():
    """One sample lies at its own mean: the law there is 1 - 1/e, the empirical one jumps from 0 to 1."""
    assert _distance(np.array([[3.0]])) == pytest.approx([1 - np.exp(-1)])


@pytest.mark.parametrize("grain", [1.0, 2.5])
def test_neighbour_correlation_against_quadrature(grain):
    def kernel(lag):
        def integrand(u, v):
            r = np.pi * np.hypot(lag + u, v) / grain
            return (1 - abs(u)) * (1 - abs(v)) * ((2 * j1(r) / r) ** 2 if r else 1.0)

        return dblquad(integrand, -1, 1, -1, 1, epsabs=1e-6)[0]

    assert neighbour_correlation(grain) == pytest.approx(kernel(1) / kernel(0), abs=1e-4)
    assert grain_from(neighbour_correlation(grain)) == pytest.approx(grain, abs=1e-3)


def test_grain_of_a_camera_region(sim_bench):
    found = speckle(sim_bench, n_outputs=40 * 64, speckle={"region": [40, 64], "grain_px": 1.7})
    grain = found.grain_px
    assert abs(grain.value - 1.7) < K_SIGMAS * grain.standard_error
    assert grain.standard_error < 0.06
    assert found.correlation.shape == (2, 7)
    # Beyond twice the first zero of J1, 1.22 grains and a pixel, nothing is left but chance.
    assert np.abs(found.correlation[:, 5:]).max() < 0.15
    assert np.isnan(found.p_value)


def test_outputs_left_out_do_not_move_the_grain(sim_bench):
    bench, acquisition = sim_bench(n_outputs=40 * 64, speckle={"region": [40, 64], "grain_px": 1.7})
    dark = measure_dark(bench, (1e-5, acquisition.exposure_s))
    some: Bench = bench.without(np.arange(0, 40 * 64, 37))
    whole, without = (
        measure_speckle(each, acquisition, measure_dark(each, (1e-5,))).grain_px for each in (bench, some)
    )
    assert dark.blanked
    # 3 % of the pixels are gone, and 6 % of the pairs: the change is a fraction of the error.
    assert abs(whole.value - without.value) < whole.standard_error

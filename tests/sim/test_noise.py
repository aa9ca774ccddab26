import numpy as np
import pytest
from opu.sim.noise import exact_electrons, fast_electrons, poisson, standard_normal, uniform
from scipy import stats


def test_normal_moments():
    z = standard_normal(1, 0, 1000, 1000).astype(np.float64)
    n = z.size
    assert abs(z.mean()) < 5 / np.sqrt(n)
    assert abs(z.var() - 1) < 5 * np.sqrt(2 / n)
    assert abs(stats.skew(z.ravel())) < 5 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(z.ravel())) < 5 * np.sqrt(24 / n)
    # The promised distance of the law from a Gaussian, and what a sample of n adds to it at the 0.1 % level.
    assert stats.kstest(z.ravel(), "norm").statistic < 0.0005 + 1.95 / np.sqrt(n)


def test_noise_is_uncorrelated_over_frames_and_outputs():
    z = standard_normal(2, 0, 600, 600)
    for other in (z[1:], z[:, 1:]):
        a = z[: other.shape[0], : other.shape[1]]
        assert abs(np.mean(a * other)) < 5 / np.sqrt(a.size)


@pytest.mark.parametrize("source", [standard_normal, uniform])
def test_noise_is_a_function_of_the_frame_counter(source):
    whole = source(5, 100, 9, 33)
    assert np.array_equal(whole[4:7], source(5, 104, 3, 33))
    assert not np.array_equal(whole[0], whole[1])


def test_poisson_is_scipys_inverse():
    rng = np.random.default_rng(0)
    u, mean = rng.random(5000), rng.exponential(50.0, 5000)
    assert np.array_equal(poisson(u, mean), stats.poisson.ppf(u, mean))
    assert np.array_equal(poisson(u, np.zeros(5000)), np.zeros(5000))
    tiny = np.full(3, 0.01)
    assert np.array_equal(poisson(np.array([0.1, np.exp(-0.01) - 1e-9, 0.995]), tiny), [0, 0, 1])


def law(mean: float, read_noise_e: float, gain: float, codes: int) -> np.ndarray:
    """P(code) of round(gain (Poisson(mean) + N(0, read_noise^2)) + 5), summed over counts: the law, not a simulation."""
    counts = np.arange(0, int(mean + 12 * np.sqrt(mean + 1) + 30))
    edges = (np.arange(1, codes) - 0.5 - 5) / gain
    below = stats.norm.cdf((edges[:, None] - counts) / read_noise_e) @ stats.poisson.pmf(counts, mean)
    return np.clip(np.diff(np.concatenate([[0.0], below, [1.0]])), 0, 1)


@pytest.mark.parametrize("mean", [0.0, 2.0, 10.0, 60.0, 400.0, 1500.0])
@pytest.mark.parametrize("method", ["fast", "exact"])
def test_readings_follow_poisson_plus_gauss(method, mean):
    read_noise_e, gain, codes, n = 3.0, 0.1, 256, 2**19 if method == "fast" else 2**15
    level = np.full((8, n // 8), mean, dtype=np.float32)
    electrons = (
        fast_electrons(level, read_noise_e, 7, 0)
        if method == "fast"
        else exact_electrons(level, read_noise_e, 1e9, 7, 0)
    )
    observed = (
        np.bincount(np.clip(np.rint(electrons * gain + 5), 0, codes - 1).astype(int).ravel(), minlength=codes) / n
    )
    expected = law(mean, read_noise_e, gain, codes)
    distance = 0.5 * np.abs(observed - expected).sum()
    # A sample of n from the law itself is this far from it on average; the fast law may add its promised 0.003.
    sampling = 0.5 * np.sqrt(2 * expected * (1 - expected) / (np.pi * n)).sum()
    assert distance < 1.5 * sampling + (0.003 if method == "fast" else 0.0)


def test_full_well_clips_electrons_before_read_noise():
    level = np.full((4, 5000), 1000.0, dtype=np.float32)
    electrons = exact_electrons(level, 2.0, 500.0, 3, 0)
    assert electrons.mean() == pytest.approx(500, abs=5 * 2 / np.sqrt(20000))
    assert electrons.std() == pytest.approx(2.0, rel=5 / np.sqrt(2 * 20000))

import numpy as np
import pytest

from opu.characterization.bench import Bench
from opu.characterization.dark import measure_dark
from opu.characterization.kernel import measure_kernel
from opu.device import Acquisition
from opu.testing import ReferenceDevice


def test_error_falls_as_one_over_the_root_of_the_features():
    """An exact i.i.d. medium: the rms of disjoint sets meets the closed form within four of its standard errors.

    Errors of a Gram matrix are correlated, so one set's error scatters by about half of itself.
    """
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((4096, 64)) + 1j * rng.standard_normal((4096, 64))) / 2**0.5
    device = ReferenceDevice(matrix, brightness=1e5)
    device.open()
    bench = Bench(device, np.arange(4096))
    acquisition = Acquisition(1e-3)
    kernel = measure_kernel(bench, acquisition, measure_dark(bench, (1e-6, 1e-3)))
    assert kernel.n_features[[0, -1]].tolist() == [16, 4096]
    n_sets = np.minimum(64, 4096 // kernel.n_features)
    relative = kernel.errors / kernel.expected - 1
    assert (np.abs(relative) < 4 * 0.5 / np.sqrt(n_sets)).all()
    slope = np.polyfit(np.log(kernel.n_features[:6]), np.log(kernel.errors[:6]), 1)[0]
    assert abs(slope + 0.5) < 0.08
    assert kernel.error.value == pytest.approx(kernel.errors[-1], rel=1e-9)


def test_camera_noise_does_not_lift_the_diagonal(sim_bench):
    """With read noise at a third of the mean, squares of single readings would be 10 % too high."""
    bench, acquisition = sim_bench(n_outputs=4096, camera={"read_noise_e": 600.0, "black_level_dn": 60.0})
    kernel = measure_kernel(bench, acquisition, measure_dark(bench, (1e-5, acquisition.exposure_s)))
    # 4,096 features leave 3.3 %, half of that for its scatter; the leak of 1/1000 and noise add little.
    assert kernel.error.value < 0.08

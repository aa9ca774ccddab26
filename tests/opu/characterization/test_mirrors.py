import pytest

from opu.characterization.dark import measure_dark
from opu.characterization.mirrors import measure_mirrors

K_SIGMAS = 4.5


def mirrors(sim_bench, **settings):
    bench, acquisition = sim_bench(**settings)
    dark = measure_dark(bench, (bench.spec.exposure_min_s, acquisition.exposure_s, bench.spec.exposure_max_s))
    return measure_mirrors(bench, acquisition, dark), bench


@pytest.mark.parametrize("ratio", [100.0, 1000.0])
@pytest.mark.parametrize("anchor_share", [0.0, 0.7])
def test_contrast_of_the_mirrors(sim_bench, ratio, anchor_share):
    found, _ = mirrors(sim_bench, dmd={"contrast_ratio": ratio}, anchor_share=anchor_share)
    assert abs(found.contrast.value - ratio) < K_SIGMAS * found.contrast.standard_error
    assert found.contrast.standard_error < 0.02 * ratio


def test_light_budget(sim_bench):
    """Half of the data inputs get half of (1 - share) of the panel's light; the leak is 1/1000 of it.

    The means are of 768 exponential outputs: 1/sqrt(768) = 3.6 % each, which the stated errors say.
    """
    found, bench = mirrors(sim_bench, anchor_share=0.7)
    on, data, share = found.everything_dn_per_s, found.data_dn_per_s, found.anchor_share
    assert on.standard_error == pytest.approx(on.value / 768**0.5, rel=0.4)
    assert abs(share.value - 0.7) < K_SIGMAS * share.standard_error
    settings = bench.device.settings
    photon_j = 6.62607015e-34 * 299792458 / settings.laser.wavelength_m
    photons_per_s = settings.laser.power_w * settings.laser.coupling / photon_j
    truth = photons_per_s * settings.camera.quantum_efficiency * settings.camera.gain
    assert abs(on.value - truth) < K_SIGMAS * on.standard_error
    eps = 1000**-0.5
    lit = 0.15 * (1 - eps) ** 2 + 2 * 0.15 * eps * (1 - eps) + eps**2
    assert abs(data.value - lit * truth) < K_SIGMAS * data.standard_error


def test_mirrors_that_leak_nothing_leave_a_lower_bound(sim_bench):
    found, _ = mirrors(sim_bench, dmd={"contrast_ratio": 1e7})
    assert found.contrast.bound == "lower"
    assert 1e3 < found.contrast.value < 1e7

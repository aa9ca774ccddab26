import pytest

from opu.characterization.dark import measure_dark
from opu.characterization.full_well import measure_full_well
from opu.characterization.quantity import Quantity


def full_well(sim_bench, **settings):
    bench, acquisition = sim_bench(**settings)
    dark = measure_dark(bench, (1e-5, 1e-2))
    gain = bench.device.settings.camera.gain
    return measure_full_well(bench, acquisition, dark, Quantity(gain, 0.003 * gain, "DN/e")), gain


def test_a_well_that_fills_before_the_converter_ends(sim_bench):
    """The gain is taken as known to 0.3 %, so the well is too; its own scatter over outputs is far below that."""
    found, _ = full_well(sim_bench, camera={"gain_dn_per_e": 0.015, "full_well_e": 9000.0}, n_outputs=256)
    assert found.bound is None
    assert abs(found.value - 9000) < 0.001 * 9000
    assert found.standard_error == pytest.approx(0.003 * 9000, rel=0.2)


def test_a_converter_that_ends_first_leaves_a_lower_bound(sim_bench):
    found, gain = full_well(sim_bench)
    assert found.bound == "lower"
    assert found.value == pytest.approx((255 - 2) / gain, rel=0.002)
    assert found.value < 13500


def test_light_too_dim_to_fill_anything_leaves_a_lower_bound(sim_bench):
    found, _ = full_well(sim_bench, camera={"exposure_max_s": 1e-3}, laser={"coupling": 5e-11})
    assert found.bound == "lower"
    assert "no output was filled" in found.note


def test_without_a_gain_there_are_no_electrons(sim_bench):
    bench, acquisition = sim_bench()
    none = Quantity(None, None, "DN/e", note="no shot noise")
    assert measure_full_well(bench, acquisition, measure_dark(bench, (1e-5,)), none).note == "no shot noise"

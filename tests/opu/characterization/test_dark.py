import numpy as np
import pytest

from opu.characterization.bench import Bench
from opu.characterization.dark import knowing_noise, measure_dark
from opu.characterization.quantity import Quantity
from opu.device import DeviceSpec

K_SIGMAS = 4.5
"""Three figures in each of three cases, two in another: a right one fails once in 16,000 runs of other seeds."""


@pytest.mark.parametrize(
    ("black_dn", "dsnu_e"), [(2.0, 0.0), (2.2, 0.0), (3.7, 20.0)], ids=["on a code", "beside it", "fixed pattern"]
)
def test_level_spread_and_current(sim_bench, black_dn, dsnu_e):
    """A read noise of 0.23 DN dithers nothing: a plain mean of readings at 2.2 DN would say 2.09."""
    bench, _ = sim_bench(camera={"black_level_dn": black_dn, "dsnu_e": dsnu_e, "dark_current_e_per_s": 2000.0})
    gain = bench.device.settings.camera.gain
    dark = measure_dark(bench, (1e-5, 1e-3, 1e-2))
    assert dark.blanked
    for figure, truth in (
        (dark.black_dn, black_dn),
        (dark.current_dn_per_s, 2000 * gain),
        (dark.stacks[0].spread_dn, gain * np.hypot(12, dsnu_e)),
    ):
        assert abs(figure.value - truth) < K_SIGMAS * figure.standard_error
    assert dark.stacks[0].level_dn.standard_error < 0.05


def test_two_codes_tell_the_level_once_the_noise_is_known(sim_bench):
    bench, _ = sim_bench(camera={"black_level_dn": 2.45, "read_noise_e": 6.0, "dark_current_e_per_s": 2000.0})
    gain = bench.device.settings.camera.gain
    coarse = measure_dark(bench, (1e-5, 1e-2))
    assert coarse.coarse
    assert coarse.black_dn.standard_error == pytest.approx(12**-0.5)
    assert abs(coarse.black_dn.value - 2.45) < 0.5
    noise = Quantity(6 * gain, 0.05 * 6 * gain, "DN")
    dark = knowing_noise(coarse, noise)
    assert abs(dark.black_dn.value - 2.45) < K_SIGMAS * dark.black_dn.standard_error
    assert dark.black_dn.standard_error < 0.02
    # The noise's error moves both levels: the current is only as well known.
    assert abs(dark.current_dn_per_s.value - 2000 * gain) < K_SIGMAS * dark.current_dn_per_s.standard_error
    assert dark.stacks[0].spread_dn.value is None


def test_a_device_that_cannot_blank_says_so():
    class Lit:
        spec = DeviceSpec("lamp", "m", "1", 8, 64, 8, 255, 1e3, 1e-6, 1.0, "f", can_blank=False)

        def __init__(self):
            self.seen = []

        def configure(self, acquisition):
            self.seen.append(acquisition)
            return acquisition

        def measure(self, frames):
            return np.random.default_rng(0).integers(3, 9, (len(frames), 64), dtype=np.uint8)

    device = Lit()
    dark = measure_dark(Bench(device, np.arange(64), quick=True), (1e-6, 1e-3))
    assert not dark.blanked
    assert {(a.exposure_s, a.light) for a in device.seen} == {(1e-6, True)}
    assert dark.current_dn_per_s.value is None
    assert "cannot blank" in dark.black_dn.note

import numpy as np
import pytest

from opu.characterization.bench import Bench
from opu.characterization.repeatability import analyse, measure_repeatability
from opu.device import DeviceSpec, DeviceStatus
from opu.errors import DeviceError

K_SIGMAS = 4.5


class Described:
    spec = DeviceSpec("made up", "m", "1", 8, 800, 8, 255, 1e3, 1e-6, 1.0, "f")


def wandering(times_s, drift_time_s, n_outputs, noise, seed):
    """Intensities of fields that follow A(t + dt) = rho A + sqrt(1 - rho^2) W exactly, in the order of time, with noise."""
    rng = np.random.default_rng(seed)

    def field():
        return (rng.standard_normal(n_outputs) + 1j * rng.standard_normal(n_outputs)) / 2**0.5

    readings = np.empty((len(times_s), n_outputs))
    now = field()
    for i, gap in enumerate(np.diff(times_s, prepend=times_s[0])):
        rho = np.exp(-gap / drift_time_s)
        now = rho * now + np.sqrt(1 - rho**2) * field()
        readings[i] = np.abs(now) ** 2 + noise * rng.standard_normal(n_outputs)
    return readings


def test_errors_cover_the_truth_over_many_media():
    """z-scores of 24 media: their rms is 1 within 4.5 / sqrt(48); noise of half the signal leaves the rate alone."""
    times = np.concatenate([[0.0], np.cumsum(np.geomspace(1e-3, 0.5, 15))])
    bench = Bench(Described(), np.arange(800))
    z = []
    for seed in range(24):
        readings = np.stack([wandering(times, 2.0, 800, 0.5, [seed, p]) for p in range(4)])
        found = analyse(bench, readings, np.tile(times, (4, 1)))
        assert found.drift_time_s.standard_error < 0.5
        z.append((found.rate_per_s.value - 1.0) / found.rate_per_s.standard_error)
        # Var I = 1 for exponential light of mean 1; noise adds 0.25.
        assert abs(found.at_once.value - 0.8) < 0.1
    assert abs(np.sqrt(np.mean(np.square(z))) - 1) < 4.5 / 48**0.5


@pytest.mark.parametrize("drift_time_s", [0.05, 1.0, 30.0])
def test_drift_time_of_a_simulated_medium(sim_bench, drift_time_s):
    bench, acquisition = sim_bench(speckle={"drift_time_s": drift_time_s})
    found = measure_repeatability(bench, acquisition)
    drift = found.drift_time_s
    assert abs(drift.value - drift_time_s) < K_SIGMAS * drift.standard_error
    assert drift.standard_error < 0.15 * drift_time_s


def test_a_still_medium_leaves_a_lower_bound(sim_bench):
    bench, acquisition = sim_bench()
    found = measure_repeatability(bench, acquisition)
    assert found.drift_time_s.value is None
    assert "nothing was seen to move" in found.drift_time_s.note
    assert found.lower_bound_s.bound == "lower"
    # 768 outputs and 8 patterns whose noise is 1e-3 of the signal: far beyond the 3 s of a quick look.
    assert found.lower_bound_s.value > 1e4
    assert found.span_s == pytest.approx(3.0, rel=0.1)


def test_laser_flicker_and_slow_power_are_no_drift(sim_bench):
    bench, acquisition = sim_bench(laser={"rin_rms": 0.02, "power_drift_rms": 0.05, "power_drift_time_s": 1.0})
    assert measure_repeatability(bench, acquisition).drift_time_s.value is None


def test_readings_that_never_agree_give_no_time(sim_bench):
    bench, acquisition = sim_bench(speckle={"drift_time_s": 1e-5})
    found = measure_repeatability(bench, acquisition)
    assert found.drift_time_s.value is found.lower_bound_s.value is None
    assert "faster than frames" in found.drift_time_s.note


@pytest.mark.parametrize("counts", [True, False], ids=["own clock", "no clock"])
def test_devices_that_cannot_wait_or_count_time(sim_bench, counts):
    bench, acquisition = sim_bench()

    class Impatient:
        spec, measure = bench.device.spec, bench.device.measure

        def configure(self, wanted):
            if wanted.frame_time_s is not None and wanted.frame_time_s > 0.01:
                raise DeviceError("cannot wait")
            return bench.device.configure(wanted)

        def status(self):
            status = bench.device.status()
            return status if counts else DeviceStatus(True, True, frames_shown=status.frames_shown)

    found = measure_repeatability(Bench(Impatient(), bench.outputs, quick=True), acquisition)
    assert 0 < found.span_s < 1.5
    assert found.lower_bound_s.value > 10

import numpy as np
import pytest

from opu.characterization.outputs import find_bad_outputs, measure_signal_to_noise

K_SIGMAS = 4.5


def test_no_output_of_a_good_camera_is_bad(sim_bench):
    bench, acquisition = sim_bench(camera={"dsnu_e": 10.0, "prnu_rms": 0.02})
    assert find_bad_outputs(bench, acquisition).all.size == 0


def test_dead_and_hot_outputs_are_found_by_index(sim_bench):
    bench, acquisition = sim_bench(camera={"dead_fraction": 0.02, "hot_fraction": 0.02, "pixel_seed": 1})
    found = find_bad_outputs(bench, acquisition)
    device = bench.device
    # About 15 of 768 each, by the binomial law within 4.5 of its standard deviations (3.9).
    assert abs(len(found.dead) - 15.4) < 4.5 * 3.9
    assert abs(len(found.hot) - 15.4) < 4.5 * 3.9
    gain = device.settings.camera.gain
    assert found.hot_dn_per_s == pytest.approx(1e5 * gain, rel=0.05)
    rest = bench.without(found.all)
    assert np.intersect1d(rest.outputs, found.all).size == 0
    assert find_bad_outputs(rest, acquisition).dead.tolist() == found.dead.tolist()


def test_outputs_planted_by_hand_are_named(sim_bench):
    bench, acquisition = sim_bench()

    class Worn:
        spec, configure, status = bench.device.spec, bench.device.configure, bench.device.status

        def measure(self, frames):
            readings = bench.device.measure(frames)
            readings[:, 7] = 2
            readings[:, 11] = 255
            readings[:, 13] = np.minimum(readings[:, 13].astype(int) + 20, 255)
            return readings

    from dataclasses import replace

    found = find_bad_outputs(replace(bench, device=Worn()), acquisition)
    assert found.dead.tolist() == [7]
    assert found.saturated.tolist() == [11]
    assert found.hot.tolist() == [11, 13]
    assert found.all.tolist() == [7, 11, 13]


def test_signal_to_noise_of_a_frame(sim_bench):
    """Noise: K mean + (K read noise)^2 + 1/12. Signal, over patterns: half the power of a half-on frame is common to all
    patterns, so intensities scatter by I^2 (1 - 1/4) about each output's mean, less 1/48 for patterns of equal weight."""
    bench, acquisition = sim_bench(n_outputs=2048, anchor_share=0.0, dmd={"contrast_ratio": 1e9})
    found = measure_signal_to_noise(bench, acquisition)
    gain = bench.device.settings.camera.gain
    mean = bench.show(bench.patterns(64, purpose=6), acquisition).mean() - 2
    noise = gain * mean + (12 * gain) ** 2 + 1 / 12
    truth = 0.75 * mean**2 / noise
    # 48 inputs and 32 patterns sample the law: a few per cent beside the stated error.
    assert abs(found.per_frame.value - truth) < K_SIGMAS * found.per_frame.standard_error + 0.08 * truth
    assert found.per_output.shape == (2048,)
    assert np.median(found.per_output) == pytest.approx(found.per_frame.value, rel=0.3)


def test_a_noiseless_device_has_no_ratio(sim_bench):
    bench, acquisition = sim_bench(camera={"shot_noise": False, "read_noise_e": 0.0, "dark_current_e_per_s": 0.0})
    assert measure_signal_to_noise(bench, acquisition).per_frame.value is None

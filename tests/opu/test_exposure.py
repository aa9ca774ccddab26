import numpy as np
import pytest

import opu
from opu.errors import CalibrationError
from opu.exposure import TARGET_LEVEL, auto_exposure, saturated_fraction, target_level


@pytest.mark.parametrize("power_w", [5e-4, 1e-2, 0.1])
def test_the_mean_reaches_the_target_at_any_power_the_camera_can_meet(power_w):
    with opu.open("sim", n_inputs=50, n_outputs=2000, seed=1, laser={"power_w": power_w}) as o:
        frames = np.random.default_rng(0).random((8, 51)) < 0.5
        _, readings, _ = auto_exposure(o.device, frames, 2.0)
    assert (readings.mean() - 2) / 253 == pytest.approx(TARGET_LEVEL, rel=0.03)


@pytest.mark.parametrize(
    ("power_w", "message"),
    [
        (1e-10, r"too dark.*raise the laser power by a factor \d+"),
        (10.0, "too bright.*lower the laser power by a factor"),
    ],
)
def test_light_that_cannot_fit_says_what_to_change(power_w, message):
    with (
        opu.open("sim", n_inputs=50, n_outputs=200, laser={"power_w": power_w}) as o,
        pytest.raises(CalibrationError, match=message),
    ):
        o.calibrate()


def test_the_target_is_an_eighth_where_there_are_codes_enough_and_rises_to_a_half_for_one_bit():
    assert [target_level(2**bits - 1) for bits in (8, 10, 16)] == [TARGET_LEVEL] * 3
    levels = [target_level(2**bits - 1) for bits in range(8, 0, -1)]
    assert levels == sorted(levels)
    assert 0.5 < levels[-1] < 0.6


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 6])
def test_few_codes_are_exposed_for_as_well(bits):
    """Exponential speckle of mean m DN read by rounding has the mean sum_k exp(-(k + 1/2) / m), k < 2^bits - 1."""
    with opu.open("sim", n_inputs=50, n_outputs=2000, seed=1, camera={"bit_depth": bits, "prnu_rms": 0.0}) as o:
        frames = np.random.default_rng(0).random((8, 51)) < 0.5
        frames[:, 50] = False
        _, readings, shown = auto_exposure(o.device, frames, 0.0)
    top = 2**bits - 1
    wanted = target_level(top) * top
    assert readings.mean() == pytest.approx(wanted, rel=0.03)
    assert shown <= 24 * 8
    means = np.geomspace(0.01, 4 * top, 4000)
    expected = np.exp(-(np.arange(top) + 0.5) / means[:, None]).sum(axis=1)
    mean_dn = means[np.argmin(np.abs(expected - wanted))]
    # Black level 1/128 of the range; eight frames share their outputs, 2000 independent ones: 5 / sqrt(2000) of either's tail.
    assert saturated_fraction(readings, top) == pytest.approx(np.exp(-(top - 0.5) / mean_dn), abs=0.05)


def test_one_bit_is_exposed_for_any_level():
    with opu.open("sim", n_inputs=50, n_outputs=2000, seed=1, camera={"bit_depth": 1}) as o:
        frames = np.random.default_rng(0).random((8, 51)) < 0.5
        _, readings, _ = auto_exposure(o.device, frames, 0.0, TARGET_LEVEL)
    assert readings.mean() == pytest.approx(TARGET_LEVEL, rel=0.03)


def test_light_below_one_dn_is_enough_when_it_is_sure():
    """1e-4 of the usual light reads far below 1 DN, and its mean over 80,000 readings is known to 0.0014 DN."""
    with opu.open("sim", n_inputs=50, n_outputs=2000, seed=1, laser={"power_w": 2e-7}) as o:
        frames = np.random.default_rng(0).random((8, 51)) < 0.5
        frames[:, 50] = False
        acquisition, readings, _ = auto_exposure(o.device, frames, 2.0)
        assert acquisition.exposure_s == pytest.approx(o.spec.exposure_max_s)
        assert o.status().acquisition == acquisition
        assert o.status().light_on
    assert readings.mean() - 2.0 < 1.0

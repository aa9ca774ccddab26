import numpy as np
import pytest

import opu
from opu.errors import CalibrationError
from opu.exposure import TARGET_LEVEL, auto_exposure


@pytest.mark.parametrize("power_w", [5e-4, 1e-2, 0.1])
def test_the_mean_reaches_the_target_at_any_power_the_camera_can_meet(power_w):
    with opu.open("sim", n_inputs=50, n_outputs=2000, seed=1, laser={"power_w": power_w}) as o:
        frames = np.random.default_rng(0).random((8, 51)) < 0.5
        _, readings, _ = auto_exposure(o.device, frames, 2.0)
    assert (readings.mean() - 2) / 253 == pytest.approx(TARGET_LEVEL, rel=0.03)


@pytest.mark.parametrize(
    ("power_w", "message"),
    [
        (1e-7, r"too dark.*raise the laser power by a factor \d+"),
        (10.0, "too bright.*lower the laser power by a factor"),
    ],
)
def test_light_that_cannot_fit_says_what_to_change(power_w, message):
    with (
        opu.open("sim", n_inputs=50, n_outputs=200, laser={"power_w": power_w}) as o,
        pytest.raises(CalibrationError, match=message),
    ):
        o.calibrate()

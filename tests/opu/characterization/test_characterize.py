"""The whole chain on devices whose settings are known: figures within their stated errors, and errors that are honest."""

import json

import numpy as np
import pytest

import opu
from opu.characterization.characterize import STEPS, characterize
from opu.testing import ReferenceDevice

CAMERA = {"prnu_rms": 0.01, "dsnu_e": 10.0, "black_level_dn": 2.0}
DRIFT_S = 20.0
NAMES = (
    "gain_dn_per_e",
    "read_noise_e",
    "full_well_e",
    "dark_dn",
    "speckle_contrast",
    "drift_time_s",
    "snr_per_frame",
)


def z_scores(seed: int) -> dict[str, float]:
    settings = {"camera": CAMERA | {"pixel_seed": seed}, "speckle": {"drift_time_s": DRIFT_S}}
    with opu.open("sim", n_inputs=32, n_outputs=512, seed=seed, **settings) as o:
        figures = characterize(o, quick=True, seed=seed).figures()
        gain = o.device.settings.camera.gain
    truth = {
        "gain_dn_per_e": gain,
        "read_noise_e": 12.0,
        "black_level_dn": 2.0,
        "dark_current_dn_per_s": 125 * gain,
        "speckle_contrast": (1 + 0.01**2) ** 0.5,
        "mirror_contrast_ratio": 1000.0,
        "drift_time_s": DRIFT_S,
    }
    return {name: (figures[name].value - value) / figures[name].standard_error for name, value in truth.items()}


def test_stated_errors_cover_the_truth_over_seeds():
    """Seven figures of six devices. No z beyond 4 (once in 380 runs of other seeds, for normal errors); their rms is 1
    within 4 standard deviations, 4 / sqrt(2 * 42) = 0.44, were all errors exact; errors too large are let off more."""
    z = np.array([list(z_scores(seed).values()) for seed in range(6)])
    assert np.abs(z).max() < 4
    assert 0.5 < np.sqrt(np.mean(z**2)) < 1.44


@pytest.fixture(scope="module")
def result():
    steps = []
    with opu.open("sim", n_inputs=48, n_outputs=512, seed=3, camera=CAMERA) as o:
        found = characterize(o, "lab", quick=True, on_step=steps.append)
        assert o.status().is_open
    assert tuple(steps) == STEPS
    return found


def test_json_is_plain_and_complete(result):
    document = json.loads(json.dumps(result.as_json(), allow_nan=False))
    for name in NAMES:
        assert {"value", "standard_error", "unit"} <= set(document[name])
    assert document["drift_time_s"]["value"] is None
    assert document["drift_time_lower_bound_s"] > 1e3
    assert document["full_well_e"]["bound"] == "lower"
    assert document["spec"]["n_outputs"] == 512
    assert document["frames_shown"] == result.frames_shown > 1000


def test_the_same_seeds_give_the_same_figures(result):
    with opu.open("sim", n_inputs=48, n_outputs=512, seed=3, camera=CAMERA) as o:
        again = characterize(o, "lab", quick=True)
    assert again.figures() == result.figures()


def test_a_noiseless_stored_matrix_is_no_camera_but_can_be_measured():
    """A device that is no simulator: what it has no shot noise for is said, the rest is measured."""
    rng = np.random.default_rng(0)
    matrix = (rng.standard_normal((200, 30)) + 1j * rng.standard_normal((200, 30))) / 2**0.5
    matrix[:, 12] *= 8
    with opu.OPU(ReferenceDevice(matrix, anchor_input=12, brightness=1e5)) as o:
        figures = characterize(o, quick=True).figures()
    for name in ("gain_dn_per_e", "read_noise_e", "full_well_e", "snr_per_frame", "drift_time_s"):
        assert figures[name].value is None
        assert figures[name].note
    assert abs(figures["speckle_contrast"].value - 1) < 4.5 * figures["speckle_contrast"].standard_error
    assert figures["mirror_contrast_ratio"].bound == "lower"
    assert abs(figures["nonlinear_power_additivity"].value) < 1e-3


def test_few_outputs_are_refused():
    with opu.open("sim", n_inputs=8, n_outputs=16) as o, pytest.raises(opu.CapabilityError, match="16 outputs"):
        characterize(o)


def test_a_dark_laser_is_refused_with_the_factor_that_is_missing():
    dim = {"coupling": 1e-14}
    with (
        opu.open("sim", n_inputs=8, n_outputs=64, laser=dim) as o,
        pytest.raises(opu.CalibrationError, match=r"raise the laser power.*nothing was characterized"),
    ):
        characterize(o)

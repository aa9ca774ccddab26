import numpy as np
import pytest

import opu
from opu.errors import CalibrationError, InputError


def test_scale_and_levels_are_those_of_the_physics():
    """mean reading per input = full-panel reading * share of the light; B's entries have unit variance."""
    with opu.open("sim", n_inputs=64, n_outputs=4000, seed=2, preset="ideal", anchor_share=0.5) as o:
        c = o.calibrate()
        b = o.linear_transform(np.eye(64))
    assert c.reference is not None
    photons = 1e-2 * c.reference.acquisition.exposure_s * 1e-7 * 532e-9 / (6.62607015e-34 * 299_792_458)
    full_panel_dn = photons * 65535 / 1e6
    # 16 probes share one medium of 64 x 4000 entries, and cross terms between inputs average over its outputs.
    assert c.reference.dn_per_input == pytest.approx(full_panel_dn * 0.5 / 64, rel=0.02)
    assert c.reference.reference_dn.mean() == pytest.approx(full_panel_dn * 0.5, rel=5 / np.sqrt(4000))
    assert b.std() == pytest.approx(1.0, abs=5 / np.sqrt(2 * 64 * 4000) + 2 * c.reference.scale_relative_error)


def test_stated_signal_to_noise_is_that_of_repeated_projections():
    with opu.open("sim", n_inputs=40, n_outputs=4000, seed=2, encoding="ternary") as o:
        c = o.calibrate()
        x = np.random.default_rng(0).permutation([1.0] * 10 + [-1.0] * 10 + [0.0] * 20)
        z = o.linear_transform(np.tile(x, (40, 1)))
    gain = np.sqrt(np.maximum(c.reference.reference_dn, c.reference.floor_dn))
    noise = (z.var(axis=0, ddof=1) * gain**2).mean()  # in DN^2 up to the scale
    signal = 20 * (gain**2).mean()
    assert signal / noise == pytest.approx(c.reference.snr, rel=0.15)


def test_dark_rows_are_held_back_by_the_noise_and_not_at_all_without():
    with (
        opu.open("sim", n_inputs=40, n_outputs=2000, seed=2) as noisy,
        opu.open("sim", n_inputs=40, n_outputs=2000, seed=2, preset="ideal") as clean,
    ):
        floors = [
            o.calibrate().reference.floor_dn / o.calibration.reference.reference_dn.mean() for o in (noisy, clean)
        ]
    assert 1e-3 < floors[0] < 0.1
    assert floors[1] < 1e-5


@pytest.mark.parametrize("contrast_ratio", [20.0, 50.0, 200.0, 1000.0])
def test_mirror_leak_hardly_changes_the_law_of_the_projection(contrast_ratio):
    """The anchor's reading contains the leak: rows are off by about eps, and none may blow up where the two cancel."""
    with opu.open(
        "sim", n_inputs=100, n_outputs=2000, seed=3, preset="ideal", dmd={"contrast_ratio": contrast_ratio}
    ) as o:
        b = o.linear_transform(np.eye(100)).astype(np.float64)
    rows = (b**2).mean(axis=0)
    assert (b**2).mean() == pytest.approx(1.0, abs=0.05)
    # Rows of 100 entries have kurtosis 3; a spread of gains of relative power s adds 3 s, and s < 4 eps^2.
    assert (b**4).mean() / (b**2).mean() ** 2 < 3 * (1 + 4 / contrast_ratio) + 5 * np.sqrt(24 / b.size)
    # Gain^2 is at most (|L| + l)^2 / l^2 at the floor l^2 = E|L|^2; the largest of 2,000 |L|^2 is about ln(2000) l^2.
    assert rows.max() < 1.6 * (np.sqrt(np.log(2000)) + 1) ** 2


def test_a_projection_drowned_in_noise_is_no_calibration():
    with (
        opu.open(
            "sim", n_inputs=10, n_outputs=16, preset="harsh", anchor_share=0.9999, camera={"read_noise_e": 200.0}
        ) as o,
        pytest.raises(CalibrationError, match=r"cannot be told from noise.*anchor share is 100\.0%"),
    ):
        o.calibrate()


@pytest.mark.parametrize("dark_current_e_per_s", [1e5, 1e6])
def test_thermal_electrons_are_not_taken_for_light(dark_current_e_per_s):
    camera = {"dark_current_e_per_s": dark_current_e_per_s}
    with opu.open("sim", n_inputs=100, n_outputs=2000, camera=camera) as o:
        c = o.calibrate()
        frames = np.random.default_rng(0).permuted(np.tile(np.arange(100) < 50, (8, 1)), axis=1)
        level = (o.transform(frames).mean() - c.dark_dn.mean()) / (255 - c.dark_dn.mean())
    assert level == pytest.approx(1 / 8, rel=0.06)  # exposure within 3 %, dark level within 2 %, sampling 0.8 %


@pytest.mark.parametrize("fill", [0.0, -0.1, 1.1, float("nan")])
def test_fill_must_be_a_fraction(fill):
    with opu.open("sim", n_inputs=4, n_outputs=8) as o, pytest.raises(InputError, match=r"in \(0, 1\]"):
        o.calibrate(fill=fill)


@pytest.mark.parametrize(("n_inputs", "n_outputs"), [(1, 1), (1, 300), (300, 1), (2, 2)])
def test_the_smallest_devices_can_be_calibrated(n_inputs, n_outputs):
    with opu.open("sim", n_inputs=n_inputs, n_outputs=n_outputs, seed=4, preset="ideal") as o:
        z = o.linear_transform(np.ones((2, n_inputs)))
    assert z.shape == (2, n_outputs)
    assert np.isfinite(z).all()

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from opu.training.budget_axes import AXES, parse_sweep, step_time_s
from opu.training.budget_bench import Bench
from opu.training.budget_points import measured_snr
from opu.training.feedback import OpticalFeedback

import opu
from opu.calibration import Calibration
from opu.device import Acquisition
from opu.errors import ConfigError
from opu.kinds import load_kind
from opu.retrieval import RETRIEVALS

SIM = load_kind("sim").settings


def bench(**settings):
    return Bench(SIM.model_validate({"n_inputs": 10, "n_outputs": 64, **settings}))


def overrides(text, of=None):
    sweep = parse_sweep(text)
    return [sweep.overrides(value, bench() if of is None else of) for value in sweep.values]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("camera.bit_depth=8,4", (8, 4)),
        ("snr=1,0.3,1e-2", (1, 0.3, 0.01)),
        ("preset=ideal, harsh", ("ideal", "harsh")),
        ("speckle.region=[2,3],[3,2]", ([2, 3], [3, 2])),
        ("camera.shot_noise=true,false", (True, False)),
    ],
)
def test_values_are_read_as_toml_or_as_words(text, values):
    assert parse_sweep(text).values == values


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camera.bit_depth", "expected KEY=V1,V2"),
        ("=1,2", "expected KEY=V1,V2"),
        ("camera..bits=1,2", "expected KEY=V1,V2"),
        ("bits=8", "1 value; a sweep needs two or more"),
        ("bits=", "0 value"),
        ("bits=8,4,8", "there twice"),
        ("snr=1,high", "'high' is not a number above 0"),
        ("full_well=100,0", "0 is not a number above 0"),
    ],
)
def test_a_sweep_that_says_nothing_is_refused_with_what_to_write(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_sweep(text)


def test_a_raw_key_is_set_as_it_is():
    assert overrides("camera.bit_depth=8,4") == [{"camera.bit_depth": 8}, {"camera.bit_depth": 4}]


def test_fewer_bits_keep_gain_and_black_level_in_their_share_of_the_range():
    of = bench(camera={"bit_depth": 8, "black_level_dn": 10.2, "gain_dn_per_e": 0.02})
    (keys, _) = overrides("bits=4,2", of)
    assert keys["camera.bit_depth"] == 4
    assert keys["camera.black_level_dn"] / 15 == pytest.approx(10.2 / 255)
    assert keys["camera.gain_dn_per_e"] / 15 == pytest.approx(0.02 / 255)
    assert set(overrides("bits=8,4")[0]) == {"camera.bit_depth"}  # what is derived from the depth stays derived
    with pytest.raises(ConfigError, match=r"bits: 2\.5 is not a whole number"):
        overrides("bits=8,2.5")


def test_a_small_well_brings_light_and_dark_noise_that_fit_it():
    of = bench(camera={"full_well_e": 16000.0, "read_noise_e": 12.0, "dsnu_e": 1.0}, laser={"power_w": 8e-3})
    large, small = overrides("full_well=8000,32", of)
    assert large == {
        "camera.full_well_e": 8e3, "camera.read_noise_e": 12.0, "camera.dsnu_e": 1.0,
        "laser.power_w": pytest.approx(4e-3),
    }  # fmt: skip
    assert small == {
        "camera.full_well_e": 32.0, "camera.read_noise_e": 2.0, "camera.dsnu_e": 1.0,
        "laser.power_w": pytest.approx(1.6e-5),
    }  # fmt: skip
    bench(camera={"full_well_e": 32.0, "read_noise_e": 2.0, "dsnu_e": 2.0})


def test_plain_axes_set_their_key_and_name_one_that_is_missing():
    assert overrides("contrast=1000,10") == [{"dmd.contrast_ratio": 1000.0}, {"dmd.contrast_ratio": 10.0}]
    assert overrides("anchor_share=0.5,0.8") == [{"anchor_share": 0.5}, {"anchor_share": 0.8}]
    other = Bench(load_kind("sim").settings.model_fields["camera"].default)
    with pytest.raises(ConfigError, match=r"contrast: 5 needs dmd\.contrast_ratio, which this kind of device does not"):
        overrides("contrast=5,6", other)


def test_every_key_that_an_axis_names_exists_in_the_simulator():
    for name, key in (("laser_rin", "laser.rin_rms"), ("drift_steps", "speckle.drift_time_s")):
        assert key in AXES[name].help
        bench().get(key)


def calibration(**changes):
    values = {
        "device": "d", "fingerprint": "f", "response": "r", "n_inputs": 11, "created_utc": "now", "fill": 0.2,
        "dark_dn": np.zeros(64, np.float32), "intensity": Acquisition(1e-3, 2e-3), "intensity_dn_per_input": 4.0,
        "intensity_saturated": 0.0,
    }  # fmt: skip
    return Calibration(**{**values, **changes})


def test_drift_in_steps_is_frames_times_frame_time():
    of = Bench(SIM.model_validate({"n_inputs": 10, "n_outputs": 64}), calibration(), frames_per_step=256)
    assert step_time_s(of) == pytest.approx(256 * 2e-3)
    assert overrides("drift_steps=100,30", of)[1] == {"speckle.drift_time_s": pytest.approx(30 * 0.512)}


def test_light_for_a_signal_to_noise_solves_its_equation():
    """Difference retrieval: n = 4 DN x 0.2 x 10 / 2 / K electrons, S = snr^2 2 (r^2 + n + 1 / 12 K^2)."""
    of = Bench(
        SIM.model_validate({"n_inputs": 10, "n_outputs": 64}),
        calibration(),
        snr=2.0,
        n_inputs=10,
        retrieval=RETRIEVALS["difference"],
    )
    read_e, gain = of.get("camera.read_noise_e"), of.get("camera.gain")
    mean_e = 4.0 / gain
    signal_e2 = 2.0**2 * 2 * (read_e**2 + mean_e + 1 / 12 / gain**2)
    for value, keys in zip((0.5, 0.1), overrides("snr=0.5,0.1", of), strict=True):
        factor = keys["camera.exposure_max_s"] / 1e-3
        assert factor**2 * signal_e2 / (2 * (read_e**2 + factor * mean_e)) == pytest.approx(value**2)
        table = {"n_inputs": 10, "n_outputs": 64, "camera": {k.removeprefix("camera."): v for k, v in keys.items()}}
        SIM.model_validate(table)  # a camera that can be had
    with pytest.raises(ConfigError, match=r"snr: 9 is more than this device's signal-to-noise of 2"):
        overrides("snr=1,9", of)
    quiet = Bench(of.settings, calibration(), snr=None, retrieval=RETRIEVALS["difference"])
    with pytest.raises(ConfigError, match="cannot be set"):
        overrides("snr=1,0.5", quiet)


@pytest.mark.parametrize("name", ["anchor2", "anchor4", "difference"])
def test_a_device_dimmed_for_a_signal_to_noise_has_it(name):
    """The axis counts outputs alike, measured_snr after gains: at SNR 1 the two differ by up to 20 % (seen: 3 to 16 %)."""
    parameters = {"n_inputs": 10, "n_outputs": 512, "encoding": "ternary", "retrieval": name}
    with opu.open("sim", **parameters) as o:
        feedback = OpticalFeedback(o, 10, 512)
        of = Bench(o.device.settings, o.calibration, measured_snr(feedback), 10, o.retrieval, 256)
    wanted = 0.3 if name == "difference" else 1.0
    keys = parse_sweep(f"snr={wanted},0.2").overrides(wanted, of)
    camera = {key.removeprefix("camera."): value for key, value in keys.items()}
    with opu.open("sim", camera=camera, **parameters) as o:
        assert measured_snr(OpticalFeedback(o, 10, 512)) == pytest.approx(wanted, rel=0.2)


def test_signal_to_noise_of_known_noise_is_recovered():
    """Signal variance 1 and noise variance 4 an entry of 256 x 400: known to sqrt(2 (1 + 4)^2 / 102400) of 1, 2.2 %."""
    rng = np.random.default_rng(3)
    matrix = rng.standard_normal((10, 400))
    feedback = SimpleNamespace(n_errors=10)
    feedback.project = lambda e: e @ matrix + 2 * rng.standard_normal((len(e), 400))
    assert measured_snr(feedback) == pytest.approx(0.5, rel=5 * 0.022 + 0.1)
    feedback.project = lambda e: e @ matrix
    assert measured_snr(feedback) is None

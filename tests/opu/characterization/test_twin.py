import copy
import tomllib

import pytest

import opu
from opu.characterization.characterize import characterize
from opu.characterization.twin import twin
from opu.errors import ConfigError, InputError

K_SIGMAS = 4.5
SETTINGS = {
    "n_inputs": 40,
    "n_outputs": 1024,
    "seed": 9,
    "anchor_share": 0.6,
    "camera": {"read_noise_e": 20.0, "prnu_rms": 0.0, "dsnu_e": 12.0, "black_level_dn": 3.0, "exposure_max_s": 0.02},
    "dmd": {"contrast_ratio": 400.0},
    "laser": {"profile": "flat", "rin_rms": 0.01, "coupling": 7e-10},
    "speckle": {"drift_time_s": 15.0},
}


@pytest.fixture(scope="module")
def hidden():
    with opu.open("sim", **SETTINGS) as o:
        return o.device.settings, characterize(o, "hidden").as_json()


def profile(figures, name="twin"):
    return tomllib.loads(twin(figures, name))["devices"][name]


def test_a_hidden_simulator_is_recovered_within_the_stated_errors(hidden):
    settings, figures = hidden
    table = profile(figures)
    camera = settings.camera
    for (section, key), figure, truth in (
        (("camera", "gain_dn_per_e"), "gain_dn_per_e", camera.gain),
        (("camera", "read_noise_e"), "read_noise_e", 20.0),
        (("camera", "black_level_dn"), "black_level_dn", 3.0),
        (("dmd", "contrast_ratio"), "mirror_contrast_ratio", 400.0),
        (("laser", "rin_rms"), "laser_rin_rms", 0.01),
        (("speckle", "drift_time_s"), "drift_time_s", 15.0),
    ):
        error = figures[figure]["standard_error"]
        assert abs(table[section][key] - truth) < K_SIGMAS * error, key
        assert error < 0.1 * truth
    # The pixels' own scatter about the law that drew them: 12 / sqrt(2 * 1024) = 0.27 e.
    assert (
        abs(table["camera"]["dsnu_e"] - 12)
        < K_SIGMAS * (0.27**2 + figures["dark_fixed_pattern_e"]["standard_error"] ** 2) ** 0.5
    )
    for key in ("exposure_min_s", "exposure_max_s", "bit_depth"):
        assert table["camera"][key] == getattr(camera, key)
    assert table["camera"]["readout_s"] == pytest.approx(camera.readout_s, rel=1e-4)
    assert (table["n_inputs"], table["n_outputs"]) == (40, 1024)
    assert table["anchor_share"] == pytest.approx(0.6, abs=0.002)


def test_the_same_exposure_gives_the_same_level(hidden, tmp_path):
    """Mean light of half-on frames: the original's known to the stated error, the twin's medium adds its own, alike."""
    settings, figures = hidden
    path = tmp_path / "twin.toml"
    path.write_text(twin(figures, "twin"))
    data = figures["data_dn_per_s"]
    with opu.open(path) as o:
        assert o.spec.saturation_dn == figures["spec"]["saturation_dn"]
        again = characterize(o, quick=True).figures()["data_dn_per_s"]
    error = (data["standard_error"] ** 2 + again.standard_error**2) ** 0.5
    assert abs(again.value - data["value"]) < K_SIGMAS * error
    # The law itself, with no chance in it: the coupling is the original's.
    assert (
        abs(profile(figures)["laser"]["coupling"] / settings.laser.coupling - 1)
        < K_SIGMAS
        * (
            (data["standard_error"] / data["value"]) ** 2
            + (figures["gain_dn_per_e"]["standard_error"] / settings.camera.gain) ** 2
        )
        ** 0.5
    )


def test_every_value_says_where_it_comes_from(hidden):
    text = twin(hidden[1], "twin", source="lab/characterization.json")
    assert "lab/characterization.json" in text
    for line in text.splitlines():
        if "=" in line and not line.startswith(("#", "device", "kind")):
            assert "  # " in line, line
    assert text.count("assumed") >= 3


def changed(figures, **changes):
    other = copy.deepcopy(figures)
    for name, change in changes.items():
        other[name] = {**other[name], **change} if isinstance(other[name], dict) else change
    return other


def test_what_was_not_seen_is_not_written(hidden):
    nothing = {"value": None, "standard_error": None, "note": "nothing moved"}
    table = profile(changed(hidden[1], drift_time_s=nothing, mirror_contrast_ratio=nothing))
    assert "drift_time_s" not in table.get("speckle", {})
    assert "contrast_ratio" not in table.get("dmd", {})
    bounded = {"value": 3.0, "standard_error": None, "bound": "upper"}
    table = profile(changed(hidden[1], dark_fixed_pattern_e=bounded, laser_rin_rms=bounded))
    assert table["camera"]["dsnu_e"] == table["laser"]["rin_rms"] == 0


def test_a_lower_contrast_is_polarisation_unless_there_is_a_grain(hidden):
    low = {"value": 0.75, "standard_error": 0.01}
    degree = profile(changed(hidden[1], speckle_contrast=low))["speckle"]["polarisation"]
    assert (1 + degree**2) / 2 == pytest.approx(0.75**2, rel=1e-5)
    grain = changed(
        hidden[1], speckle_contrast=low, grain_px={"value": 2.5, "standard_error": 0.1, "unit": "px", "note": ""}
    )
    grain["spec"] = {**grain["spec"], "output_shape": [32, 32]}
    table = profile(grain)["speckle"]
    assert (table["grain_px"], table["region"]) == (2.5, [32, 32])
    assert "polarisation" not in table


def test_without_a_gain_there_is_no_twin(hidden):
    with pytest.raises(InputError, match="gain_dn_per_e was not measured"):
        twin(changed(hidden[1], gain_dn_per_e={"value": None, "standard_error": None, "note": "no shot noise"}), "twin")


def test_a_name_that_is_none_and_figures_that_lack_one_are_refused(hidden):
    with pytest.raises(ConfigError, match="letters, digits"):
        twin(hidden[1], "my twin")
    short = dict(hidden[1])
    del short["read_noise_e"]
    with pytest.raises(InputError, match="read_noise_e"):
        twin(short, "twin")


def test_figures_that_contradict_each_other_are_refused_with_the_key(hidden):
    with pytest.raises(ConfigError, match="camera"):
        profile(changed(hidden[1], read_noise_e={"value": 1e5, "standard_error": 1.0}))

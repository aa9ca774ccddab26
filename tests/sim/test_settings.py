import pytest
from opu.sim.presets import PRESET_NAMES, PRESETS
from opu.sim.settings import SimSettings
from pydantic import ValidationError

SIZE = {"n_inputs": 4, "n_outputs": 8}


def test_every_preset_is_valid_and_named():
    assert tuple(PRESETS) == PRESET_NAMES
    for preset in PRESETS:
        assert SimSettings(**SIZE, preset=preset).preset == preset


def test_parameters_go_over_the_preset_key_by_key():
    settings = SimSettings(**SIZE, preset="ideal", camera={"bit_depth": 10})
    assert settings.camera.bit_depth == 10
    assert settings.camera.shot_noise is False
    assert settings.camera.gain == pytest.approx(1023 / 1e6)


def test_derived_gain_puts_the_range_just_below_the_full_well():
    camera = SimSettings(**SIZE).camera
    assert camera.gain * (camera.full_well_e - 4 * camera.read_noise_e) + camera.black_level_dn == pytest.approx(255)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"seed": -1}, "greater than or equal to 0"),
        ({"seed": 2**64}, "less than"),
        ({"n_inputs": 0}, "greater than or equal to 1"),
        ({"n_outputs": 2**32}, "less than or equal to 4294967295"),
        ({"outputs": (3, 8)}, "starts at a multiple of 4"),
        ({"outputs": (4, 12)}, "not a range of the 8 outputs"),
        ({"n_inputs": 2.0}, "valid integer"),
        ({"camera": {"exposure_min_s": 1.0}}, "swap them"),
        ({"camera": {"black_level_dn": 200}}, "less than half"),
        ({"camera": {"full_well_e": 50}}, "could be told from noise"),
        ({"camera": {"bit_depth": 9}}, "8, 10, 12, 14 or 16"),
        ({"anchor_share": 1.0}, "less than 1"),
    ],
)
def test_contradictions_are_refused(parameters, message):
    with pytest.raises(ValidationError, match=message):
        SimSettings(**{**SIZE, **parameters})

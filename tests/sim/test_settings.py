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
    assert camera.gain * (camera.full_well_e - camera.headroom_e) + camera.black_dn == pytest.approx(255)


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
        ({"camera": {"bit_depth": 17}}, "less than or equal to 16"),
        ({"anchor_share": 1.0}, "less than 1"),
    ],
)
def test_contradictions_are_refused(parameters, message):
    with pytest.raises(ValidationError, match=message):
        SimSettings(**{**SIZE, **parameters})


REGION = {"region": [2, 4]}


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"speckle": {"region": [3, 4]}}, r"region = \[3, 4\] has 12 pixels, and n_outputs = 8"),
        ({"speckle": {"region": [0, 8]}}, "rows and columns are 1 or more"),
        ({"speckle": {"grain_px": 2.0}}, r"speckle.grain_px is set.*set speckle.region = \[rows, columns\].* = 8"),
        ({"speckle": REGION | {"grain_px": 0.01}}, "greater than or equal to 0.1"),
        ({"speckle": {"polarisation": 1.1}}, "less than or equal to 1"),
        ({"speckle": {"drift_time_s": 0}}, "greater than 0"),
        ({"reference": {"arm": "phase", "tilt_cycles_per_px": [0, 0.2]}}, "reference.tilt_cycles_per_px is set, but"),
        (
            {"reference": {"arm": "static", "tilt_cycles_per_px": [0, 0.51]}},
            "a fringe needs two pixels.*tilt the reference less",
        ),
        ({"reference": {"strength": 2.0}}, "reference.strength is set but there is no reference arm"),
        ({"reference": {"arm": "static", "phase_gain_error": 0.1}}, "a static arm has no modulator"),
        ({"medium": "matrix"}, "needs matrix_file"),
        ({"matrix_file": "a.npy"}, 'medium = "dense"; set medium = "matrix", or leave it out'),
        (
            {"medium": "matrix", "matrix_file": "a.npy", "speckle": REGION | {"grain_px": 2.0}},
            "were measured as they are",
        ),
    ],
)
def test_optics_that_contradict_are_refused(parameters, message):
    with pytest.raises(ValidationError, match=message):
        SimSettings(**SIZE, **parameters)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"speckle": REGION | {"grain_px": 2}, "reference": {"arm": "phase", "tilt_cycles_per_px": [0, 0.25]}}],
)
def test_settings_survive_a_round_trip_as_plain_values(parameters):
    """As a shard's worker gets them."""
    settings = SimSettings(**SIZE, **parameters)
    assert SimSettings(**settings.model_dump()) == settings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.sim.dmd_settings import DMDSettings
from opu.sim.laser_settings import LaserSettings
from opu.sim.panel import beam_intensity, lay_out, panel_identity
from pydantic import ValidationError

from opu.errors import ConfigError, InputError
from opu.layout import mirror_owner

FLAT = LaserSettings(profile="flat")
SMALL = DMDSettings(columns=64, rows=80)


def mapped(path, intensity) -> LaserSettings:
    np.save(path, intensity)
    return LaserSettings(profile="map", map_file=str(path))


def test_flat_top_gives_equal_weights_and_the_asked_anchor_share():
    panel = lay_out(784, 0.75, DMDSettings(), FLAT)
    assert panel.uniform
    assert panel.parked == 0
    assert panel.anchor_share == pytest.approx(0.75, abs=784 / (912 * 1140))
    assert (panel.anchor / panel.unit) ** 2 == pytest.approx(0.75 / 0.25 * 784, rel=0.01)


def test_without_an_anchor_the_rest_is_parked():
    panel = lay_out(700_000, 0.0, DMDSettings(), FLAT)
    assert panel.anchor == 0
    assert (panel.parked / panel.unit) ** 2 == pytest.approx(912 * 1140 - 700_000, rel=1e-3)


def test_light_is_shared_out_as_the_beam_gives_it():
    """25 interleaved mirrors an input: a spread of 5 standard deviations of the beam, and no light lost."""
    panel = lay_out(100, 0.5, SMALL, LaserSettings(beam_radius_m=3e-4))
    y, x = np.mgrid[-39.5:40, -31.5:32] * 7.6e-6
    beam = np.exp(-2 * (x**2 + y**2) / 3e-4**2)
    data = (panel.levels * panel.unit) ** 2 * beam.sum()
    assert data.sum() / beam.sum() + panel.anchor**2 == pytest.approx(1.0, rel=1e-12)
    assert data.mean() == pytest.approx(25 * beam.mean(), rel=5 * beam.std() / beam.mean() / np.sqrt(2500))
    assert data.std() == pytest.approx(5 * beam.std(), rel=5 / np.sqrt(2 * 100))
    assert beam_intensity(SMALL, LaserSettings(beam_radius_m=3e-4)) == pytest.approx(beam)


@given(
    st.sampled_from(["interleaved", "blocks", "rows"]),
    st.sampled_from([None, (3, 5, 20, 31)]),
    st.sampled_from([FLAT, LaserSettings(beam_radius_m=3e-4, center_x_m=5e-5)]),
    st.sampled_from([0.0, 0.6]),
    st.integers(1, 200),
)
def test_amplitudes_are_the_beam_summed_over_the_mirrors_of_each(layout, roi, laser, share, n):
    """Against a sum over mirror_owner. Levels are rounded to 1/4095 of the largest: amplitudes to 1.3e-4 of it, and the
    total, to which n such errors add, to 2.6e-4.
    """
    dmd = DMDSettings(columns=64, rows=80, layout=layout, roi=roi)
    panel = lay_out(n, share, dmd, laser)
    owner = mirror_owner(n, share, dmd).ravel() + 1
    light = np.bincount(owner, beam_intensity(dmd, laser).ravel(), minlength=n + 2)
    amplitude = np.sqrt(light / light.sum())
    data = panel.levels * panel.unit
    assert np.sum(data**2) + panel.anchor**2 + panel.parked**2 == pytest.approx(1.0, rel=1e-12)
    wanted = amplitude[1 : n + 1]
    assert (np.abs(data - wanted) <= 2.6e-4 * wanted + 1.3e-4 * wanted.max()).all()
    assert panel.anchor == pytest.approx(amplitude[n + 1], rel=2.6e-4)
    assert panel.parked == pytest.approx(amplitude[0], rel=2.6e-4)


def test_mirrors_outside_the_region_are_parked():
    panel = lay_out(10, 0.5, DMDSettings(columns=64, rows=80, roi=(0, 0, 32, 40)), FLAT)
    assert panel.parked**2 == pytest.approx(0.75)
    assert panel.anchor**2 == pytest.approx(0.125)


def test_the_beam_is_where_it_was_put():
    """Centroid of a beam well inside the panel: the offset itself; variance of a 1/e^2 radius w: w^2 / 4 along each axis.

    The panel ends 4 w or more from the centre, where exp(-32) is left.
    """
    laser = LaserSettings(beam_radius_m=5e-5, center_x_m=3e-5, center_y_m=-8e-5)
    beam = beam_intensity(SMALL, laser)
    y, x = np.mgrid[-39.5:40, -31.5:32] * 7.6e-6
    assert np.average(x, weights=beam) == pytest.approx(3e-5, rel=1e-9)
    assert np.average(y, weights=beam) == pytest.approx(-8e-5, rel=1e-9)
    assert np.average((x - 3e-5) ** 2, weights=beam) == pytest.approx(5e-5**2 / 4, rel=1e-9)


@pytest.mark.parametrize("scale", [1, 250.0])
def test_a_map_of_a_gaussian_beam_is_that_beam(tmp_path, scale):
    laser = LaserSettings(beam_radius_m=3e-4)
    beam = beam_intensity(SMALL, laser)
    by_map, by_law = (
        lay_out(50, 0.5, SMALL, mapped(tmp_path / "beam.npy", scale * beam)),
        lay_out(50, 0.5, SMALL, laser),
    )
    assert np.array_equal(by_map.levels, by_law.levels)
    assert (by_map.unit, by_map.anchor) == pytest.approx((by_law.unit, by_law.anchor), rel=1e-12)


def test_a_map_counts_by_its_content(tmp_path):
    beam = np.ones((80, 64))
    first = panel_identity(50, 0.5, SMALL, mapped(tmp_path / "a.npy", beam))
    assert panel_identity(50, 0.5, SMALL, mapped(tmp_path / "b.npy", beam)) == first
    beam[3, 4] = 0.5
    assert panel_identity(50, 0.5, SMALL, mapped(tmp_path / "a.npy", beam)) != first


@pytest.mark.parametrize(
    ("dmd", "laser"),
    [
        ({"layout": "rows"}, {}),
        ({"roi": (0, 0, 50, 50)}, {}),
        ({"contrast_ratio": None}, {}),
        ({"pitch_m": 8e-6}, {}),
        ({}, {"center_y_m": 1e-5}),
        ({}, {"beam_radius_m": 1e-3}),
        ({}, {"profile": "flat"}),
    ],
)
def test_identity_tells_another_panel(dmd, laser):
    assert panel_identity(50, 0.5, DMDSettings(**dmd), LaserSettings(**laser)) != panel_identity(
        50, 0.5, DMDSettings(), LaserSettings()
    )


def test_identity_outlives_what_leaves_the_light_alone():
    same = DMDSettings(pattern_time_min_s=0.0, roi=(0, 0, 912, 1140))
    assert panel_identity(50, 0.5, same, LaserSettings(power_w=1.0, rin_rms=0.1)) == panel_identity(
        50, 0.5, DMDSettings(), LaserSettings()
    )


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        (np.ones((64, 80)), r"shape \(64, 80\), and the panel has 80 rows and 64 columns; resample"),
        (np.zeros((80, 64)), "0 everywhere"),
        (np.full((80, 64), -1.0), r"intensity -1 at row 0, column 0 \(5120 such mirrors\)"),
        (np.full((80, 64), np.nan), "intensity nan"),
        (np.ones((80, 64), complex), "complex128 numbers; save one array of real"),
        (np.array([None]), "cannot be read as a NumPy .npy file"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused(tmp_path, stored, message):
    with pytest.raises(ConfigError, match=message):
        lay_out(50, 0.5, SMALL, mapped(tmp_path / "beam.npy", stored))


def test_a_missing_map_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"map_file = '.*none\.npy' cannot be read"):
        lay_out(50, 0.5, SMALL, LaserSettings(profile="map", map_file=str(tmp_path / "none.npy")))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"profile": "map"}, "needs a map_file"),
        ({"map_file": "beam.npy"}, 'used by profile = "map" only'),
        ({"profile": "flat", "center_x_m": 1e-3}, "move a gaussian beam only"),
    ],
)
def test_a_beam_described_twice_or_not_at_all_is_refused(parameters, message):
    with pytest.raises(ValidationError, match=message):
        LaserSettings(**parameters)


def test_data_inputs_in_the_dark_are_refused(tmp_path):
    dmd = DMDSettings(columns=64, rows=80, layout="rows")
    beam = np.zeros((80, 64))
    beam[-1] = 1.0
    with pytest.raises(InputError, match="dark on every data input's mirrors"):
        lay_out(50, 0.5, dmd, mapped(tmp_path / "beam.npy", beam))
    with pytest.raises(InputError, match="leaves every data input dark; move it"):
        lay_out(50, 0.5, dmd, LaserSettings(beam_radius_m=1e-5, center_x_m=1.0))


@pytest.mark.parametrize(
    ("n", "share", "message"), [(1_039_681, 0.0, "use fewer inputs"), (600_000, 0.8, r"anchor_share to 0\.42")]
)
def test_more_inputs_than_mirrors_are_refused_with_the_remedy(n, share, message):
    with pytest.raises(InputError, match=message):
        lay_out(n, share, DMDSettings(), FLAT)

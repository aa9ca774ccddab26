import numpy as np
import pytest
from opu.sim.dmd_settings import DMDSettings
from opu.sim.laser_settings import LaserSettings
from opu.sim.panel import beam_intensity, lay_out

from opu.errors import InputError

FLAT = LaserSettings(profile="flat")


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
    panel = lay_out(100, 0.5, DMDSettings(columns=64, rows=80), LaserSettings(beam_radius_m=3e-4))
    y, x = np.mgrid[-39.5:40, -31.5:32] * 7.6e-6
    beam = np.exp(-2 * (x**2 + y**2) / 3e-4**2)
    data = (panel.levels * panel.unit) ** 2 * beam.sum()
    assert data.sum() / beam.sum() + panel.anchor**2 == pytest.approx(1.0, rel=1e-12)
    assert data.mean() == pytest.approx(25 * beam.mean(), rel=5 * beam.std() / beam.mean() / np.sqrt(2500))
    assert data.std() == pytest.approx(5 * beam.std(), rel=5 / np.sqrt(2 * 100))
    assert beam_intensity(DMDSettings(columns=64, rows=80), LaserSettings(beam_radius_m=3e-4)) == pytest.approx(beam)


@pytest.mark.parametrize(
    ("n", "share", "message"), [(1_039_681, 0.0, "use fewer inputs"), (600_000, 0.8, r"anchor_share to 0\.42")]
)
def test_more_inputs_than_mirrors_are_refused_with_the_remedy(n, share, message):
    with pytest.raises(InputError, match=message):
        lay_out(n, share, DMDSettings(), FLAT)

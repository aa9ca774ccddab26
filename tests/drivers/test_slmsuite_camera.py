"""The adapter against slmsuite itself, with a camera written for it as its template says."""

import sys
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
from opu.drivers.slmsuite_camera import SLMSUITE, SlmsuiteSettings

from opu.errors import DeviceError
from opu.parts import CameraSettings, Region

needs_slmsuite = pytest.mark.skipif(
    find_spec("slmsuite") is None, reason="needs slmsuite: pip install 'openopu[slmsuite]'"
)


@pytest.fixture
def module(monkeypatch):
    from slmsuite.hardware.cameras.camera import Camera

    class Counting(Camera):
        """Picture k is k + row + column."""

        def __init__(self, serial):
            self.taken, self.closed, self.set_s = 0, False, 1e-3
            super().__init__((64, 48), bitdepth=10, name=serial, exposure_bounds_s=(1e-5, 1.0))

        def close(self):
            self.closed = True

        def _get_exposure_hw(self):
            return self.set_s

        def _set_exposure_hw(self, exposure_s):
            self.set_s = exposure_s

        def _get_image_hw(self, timeout_s):
            self.taken += 1
            return (self.taken + np.add.outer(np.arange(48), np.arange(64))).astype(np.uint16)

    made = ModuleType("counting_camera")
    made.Counting = Counting
    monkeypatch.setitem(sys.modules, "counting_camera", made)
    return made


@needs_slmsuite
@pytest.mark.filterwarnings("default")
def test_pictures_of_the_window(module):
    camera = SLMSUITE.build(SlmsuiteSettings(camera="counting_camera:Counting", arguments={"serial": "S7"}))
    camera.open()
    spec = camera.spec
    assert (spec.model, spec.serial, spec.rows, spec.columns, spec.bit_depth) == ("Counting", "S7", 48, 64, 10)
    assert (spec.exposure_min_s, spec.exposure_max_s) == (1e-5, 1.0)
    in_force = camera.configure(CameraSettings(Region(8, 16, 24, 32), 2e-3))
    assert in_force.exposure_s == 2e-3
    camera.start()
    inner = camera._snapper._camera
    for number in (0, 1):
        before = inner.taken
        camera.trigger()
        frame = camera.grab(1.0)
        assert frame.number == number
        assert inner.taken == before + 3  # two flushed, one kept
        assert np.array_equal(frame.pixels, inner.taken + np.add.outer(np.arange(8, 32), np.arange(16, 48)))
    camera.close()
    assert inner.closed


@needs_slmsuite
@pytest.mark.filterwarnings("default")
def test_an_unknown_class_is_named(module):
    with pytest.raises(DeviceError, match="counting_camera has no class 'Other'"):
        SLMSUITE.build(SlmsuiteSettings(camera="counting_camera:Other")).open()


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "slmsuite", None)
    with pytest.raises(DeviceError, match=r"needs slmsuite.*pip install 'openopu\[slmsuite\]'"):
        SLMSUITE.build(SlmsuiteSettings(camera="slmsuite.hardware.cameras.thorlabs:ThorCam")).open()

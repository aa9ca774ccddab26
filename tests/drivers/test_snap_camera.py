"""Cameras of other laboratory software: one picture when asked, and refusals that say why."""

import numpy as np
import pytest
from opu.drivers.snap_camera import SnapCamera

from opu.errors import CapabilityError, DeviceClosed, DeviceError, DeviceLost
from opu.parts import Camera, CameraSettings, CameraSpec, Region

SPEC = CameraSpec("Snap", "S1", 48, 64, 10, 1e-5, 1.0, 100.0)
SETTINGS = CameraSettings(Region(8, 16, 24, 32), 2e-3)


class Software:
    """Columns come in eights; picture k is k everywhere."""

    def __init__(self):
        self.there, self.taken, self.failure = True, 0, None

    def open(self):
        if not self.there:
            raise OSError("no camera")
        return SPEC

    def close(self):
        self.there = False

    def alive(self):
        return self.there

    def set(self, region, exposure_s):
        columns = region.columns // 8 * 8
        self.region = Region(region.row, region.column, region.rows, columns)
        return self.region, exposure_s

    def snap(self, timeout_s):
        if self.failure is not None:
            raise self.failure
        self.taken += 1
        return np.full((self.region.rows, self.region.columns), self.taken, np.int64)

    def temperature_c(self):
        return 20.0


@pytest.fixture
def software():
    return Software()


@pytest.fixture
def camera(software):
    made = SnapCamera(lambda: software)
    made.open()
    yield made
    made.close()


def test_one_picture_for_each_trigger(camera):
    assert isinstance(camera, Camera)
    assert camera.configure(SETTINGS) == SETTINGS
    for _ in range(2):
        camera.start()
        numbers = []
        for _ in range(3):
            camera.trigger()
            frame = camera.grab(1.0)
            numbers.append(frame.number)
            assert (frame.pixels.dtype, frame.pixels.shape, frame.complete) == (np.uint16, (24, 32), True)
        assert numbers == [0, 1, 2]
        camera.stop()
    assert camera.status().frames == 3
    assert camera.status().temperature_c == 20.0


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (CameraSettings(Region(8, 16, 24, 30), 2e-3), r"not possible; the nearest is .*columns=24"),
        (CameraSettings(Region(40, 0, 9, 8), 2e-3), "not inside its 48 x 64 pixels"),
        (CameraSettings(Region(0, 0, 0, 8), 2e-3), "not inside its 48 x 64 pixels"),
        (CameraSettings(SETTINGS.region, 2.0), "2 s is outside 1e-05 to 1 s"),
        (CameraSettings(SETTINGS.region, float("nan")), "nan s is outside"),
        (CameraSettings(SETTINGS.region, 2e-3, gain_db=1.0), "gain_db = 1 dB: set gain in its own software"),
    ],
)
def test_what_it_cannot_is_refused(camera, settings, words):
    with pytest.raises(DeviceError, match=words):
        camera.configure(settings)


def test_hardware_triggers_are_refused(camera):
    with pytest.raises(CapabilityError, match="no frame counter"):
        camera.configure(CameraSettings(SETTINGS.region, 2e-3, trigger="hardware"))


def test_order_of_calls(camera):
    with pytest.raises(DeviceError, match=r"configure\(\) it before start"):
        camera.start()
    camera.configure(SETTINGS)
    with pytest.raises(DeviceError, match=r"call start\(\) first"):
        camera.trigger()
    camera.start()
    with pytest.raises(DeviceError, match="already taking frames"):
        camera.start()
    with pytest.raises(DeviceError, match="none was triggered"):
        camera.grab(0.1)
    with pytest.raises(DeviceError, match="before configure"):
        camera.configure(SETTINGS)
    camera.trigger()
    with pytest.raises(DeviceError, match="one frame at a time"):
        camera.trigger()
    with pytest.raises(DeviceError, match="already open"):
        camera.open()
    camera.close()
    with pytest.raises(DeviceClosed):
        camera.configure(SETTINGS)


def test_failures_are_told_apart(camera, software):
    camera.configure(SETTINGS)
    camera.start()
    camera.trigger()
    software.failure = RuntimeError("timeout 17")
    with pytest.raises(DeviceError, match="timeout 17") as caught:
        camera.grab(0.1)
    assert not isinstance(caught.value, DeviceLost)
    camera.trigger()
    software.there = False
    with pytest.raises(DeviceLost, match="no longer answers"):
        camera.grab(0.1)
    assert "no longer answers" in camera.status().message
    camera.close()
    with pytest.raises(DeviceError, match="opening it: no camera"):
        camera.open()


def test_colour_is_refused(camera, software):
    camera.configure(SETTINGS)
    camera.start()
    camera.trigger()
    software.snap = lambda _: np.zeros((24, 32, 3), np.uint8)
    with pytest.raises(DeviceError, match="must be monochrome"):
        camera.grab(0.1)

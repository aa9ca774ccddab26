"""The driver against Basler's own camera emulator."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from opu.drivers.pylon_camera import PYLON, PylonSettings

from opu.errors import DeviceError, DeviceLost
from opu.parts import Camera, CameraSettings, Region
from opu.testing.part_laws import check_camera

needs_pylon = pytest.mark.skipif(find_spec("pypylon") is None, reason="needs pypylon: pip install 'openopu[pylon]'")
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")
SERIAL = "0815-0000"
SETTINGS = CameraSettings(Region(8, 16, 24, 32), 123e-6, gain_db=3.0)
PATTERN = {"TestImageSelector": "Testimage2"}
WAIT_S = 5.0


@pytest.fixture
def emulator(monkeypatch):
    monkeypatch.setenv("PYLON_CAMEMU", "1")

    def make(**settings):
        return PYLON.build(PylonSettings(**{"serial": SERIAL, "features": PATTERN} | settings))

    return make


@needs_pylon
def test_frames_numbers_and_settings(emulator):
    camera = emulator()
    camera.open()
    try:
        assert isinstance(camera, Camera)
        spec = camera.spec
        assert (spec.model, spec.bit_depth, spec.exposure_min_s) == ("CamEmu", 8, pytest.approx(1e-6))
        in_force = camera.configure(SETTINGS)
        assert in_force.exposure_s == pytest.approx(123e-6, abs=1e-6)
        assert in_force.gain_db == pytest.approx(3.0, abs=0.1)
        for _ in range(2):
            camera.start()
            for number in range(5):
                camera.trigger()
                frame = camera.grab(WAIT_S)
                assert (frame.number, frame.complete, frame.pixels.shape) == (number, True, (24, 32))
                # Its picture is a slope along the columns that moves by one a frame.
                assert np.array_equal(np.diff(frame.pixels[0].astype(np.uint8)), np.ones(31, np.uint8))
            with pytest.raises(DeviceError, match="no frame within"):
                camera.grab(0.05)
            camera.stop()
        with pytest.raises(DeviceError, match="is outside 1e-06 to 10 s"):
            camera.configure(CameraSettings(SETTINGS.region, 11.0))
        assert camera.status().frames == 5
    finally:
        camera.close()


@needs_pylon
def test_it_keeps_the_laws_of_a_camera(emulator):
    assert check_camera(emulator) == {}


@needs_pylon
def test_a_failed_buffer_is_incomplete(emulator):
    camera = emulator()
    camera.open()
    try:
        camera.configure(SETTINGS)
        camera.start()
        camera.trigger()
        assert camera.grab(WAIT_S).complete
        camera._port.execute("ForceFailedBuffer")
        camera.trigger()
        frame = camera.grab(WAIT_S)
        assert (frame.number, frame.complete, frame.pixels.shape) == (1, False, (24, 32))
        assert camera.status().frames_dropped == 1
    finally:
        camera.close()


@needs_pylon
def test_twelve_bits(emulator):
    camera = emulator(pixel_format="Mono12")
    camera.open()
    try:
        camera.configure(CameraSettings(Region(0, 0, 4, 600), 1e-3))
        camera.start()
        camera.trigger()
        pixels = camera.grab(WAIT_S).pixels
        assert pixels.dtype == np.uint16
        assert 255 < pixels.max() < 4096
    finally:
        camera.close()


@needs_pylon
def test_another_serial_is_not_there(emulator):
    with pytest.raises(DeviceLost, match=r"no camera with serial 'S1' answers; there is Emulation 0815-0000"):
        emulator(serial="S1").open()


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pypylon", None)
    monkeypatch.setitem(sys.modules, "pypylon.pylon", None)
    with pytest.raises(DeviceError, match=r"needs pypylon.*pip install 'openopu\[pylon\]'"):
        PYLON.build(PylonSettings()).open()

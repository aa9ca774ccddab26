"""The adapter against Micro-Manager's core and its demonstration camera."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from opu.drivers.micromanager_camera import MICROMANAGER, MicroManagerSettings
from pydantic import ValidationError

from opu.errors import DeviceError
from opu.parts import CameraSettings, Region
from opu.testing.part_laws import check_camera

needs_core = pytest.mark.skipif(
    find_spec("pymmcore_plus") is None or find_spec("mm_test_adapters") is None,
    reason="needs pymmcore-plus and Micro-Manager's adapters: pip install pymmcore-plus mm-test-adapters",
)


def demonstration(**settings):
    spec = find_spec("mm_test_adapters")
    assert spec is not None
    assert spec.origin is not None
    folder = Path(spec.origin).parent / "libs"
    table = {"adapter": "DemoCamera", "device": "DCam", "adapter_folder": str(folder)}
    return MICROMANAGER.build(MicroManagerSettings.model_validate(table | settings))


@needs_core
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("pixels", "bits"), [("8bit", 8), ("16bit", 16)])
def test_pictures(pixels, bits):
    camera = demonstration(properties={"PixelType": pixels, "BitDepth": str(bits)})
    camera.open()
    spec = camera.spec
    assert (spec.model, spec.rows, spec.columns, spec.bit_depth) == ("DCam", 512, 512, bits)
    assert camera.configure(CameraSettings(Region(8, 16, 24, 32), 2e-3)).exposure_s == pytest.approx(2e-3)
    camera.start()
    frames = []
    for number in range(3):
        camera.trigger()
        frames.append(camera.grab(5.0))
        assert frames[-1].number == number
        assert frames[-1].pixels.shape == (24, 32)
        assert frames[-1].pixels.dtype == (np.uint8 if bits == 8 else np.uint16)
    assert not np.array_equal(frames[0].pixels, frames[2].pixels)  # its waves move
    camera.stop()
    with pytest.raises(DeviceError, match="not inside its 512 x 512 pixels"):
        camera.configure(CameraSettings(Region(0, 0, 600, 32), 2e-3))
    camera.close()
    camera.close()


@needs_core
@pytest.mark.filterwarnings("default")
def test_it_keeps_the_laws_of_a_camera():
    assert check_camera(demonstration) == {}


@needs_core
@pytest.mark.filterwarnings("default")
def test_colour_and_unknown_properties_are_refused():
    with pytest.raises(DeviceError, match="gives colour"):
        demonstration(properties={"PixelType": "32bitRGB"}).open()
    with pytest.raises(DeviceError, match="opening it"):
        demonstration(properties={"NoSuchProperty": "1"}).open()


def test_one_way_to_name_the_device():
    for table in ({}, {"adapter": "DemoCamera"}, {"configuration": "a.cfg", "adapter": "A", "device": "B"}):
        with pytest.raises(ValidationError, match="either configuration, or adapter and device"):
            MicroManagerSettings.model_validate(table)


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "pymmcore_plus", None)
    with pytest.raises(DeviceError, match=r"needs pymmcore_plus.*pip install 'openopu\[micromanager\]'"):
        MICROMANAGER.build(MicroManagerSettings(adapter="DemoCamera", device="DCam")).open()

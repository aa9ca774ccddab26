"""The driver against the simulated GenTL producer in genicam's wheel, which has no exposure and no trigger."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from opu.drivers.block_numbers import BlockNumbers
from opu.drivers.harvesters_camera import HARVESTERS, HarvestersPort, HarvestersSettings
from opu.drivers.pixel_formats import unpack
from pydantic import ValidationError

from opu.errors import CapabilityError, DeviceError, DeviceLost

needs_harvesters = pytest.mark.skipif(
    find_spec("harvesters") is None, reason="needs harvesters: pip install 'openopu[harvesters]'"
)
pytestmark = pytest.mark.filterwarnings("ignore:builtin type .* has no __module__ attribute:DeprecationWarning")
WAIT_S = 5.0


@pytest.fixture
def producer():
    spec = find_spec("genicam")
    assert spec is not None
    assert spec.origin is not None
    return str(Path(spec.origin).with_name("viky.cti"))


@needs_harvesters
def test_features_and_numbered_frames(producer):
    port = HarvestersPort(HarvestersSettings(producer=producer, serial="1", buffers=8))
    assert port.open() == "camera Viky 1"
    try:
        assert port.alive()
        assert port.limits("Width").low == 100
        assert port.unit("AcquisitionFrameRate") == "Hz"
        assert "Mono8" in port.entries("PixelFormat")
        assert not port.writable("AcquisitionMode")
        assert not port.has("ExposureTime")
        for name, value in (("PixelFormat", "Mono8"), ("Width", 128), ("Height", 100), ("AcquisitionFrameRate", 200.0)):
            port.set(name, value)
        numbers = BlockNumbers(port.first_block)
        port.start(drained=False)
        for number in range(4):
            block = port.grab(WAIT_S)
            assert numbers.number(block.block_id) == number
            assert block.complete
            pixels = unpack(block.payload, block.pixel_format, block.rows, block.columns)
            assert pixels.shape == (100, 128)
        port.stop()
        port.stop()
    finally:
        port.close()
        port.close()
    assert not port.alive()


@needs_harvesters
def test_a_camera_without_exposure_is_refused(producer):
    with pytest.raises(CapabilityError, match="camera Viky 1 has no ExposureTime or ExposureTimeAbs"):
        HARVESTERS.build(HarvestersSettings(producer=producer, serial="1")).open()


@needs_harvesters
def test_which_camera_and_which_producer(producer, monkeypatch, tmp_path):
    with pytest.raises(DeviceError, match=r"3 cameras answer .*say which by serial"):
        HARVESTERS.build(HarvestersSettings(producer=producer)).open()
    with pytest.raises(DeviceLost, match="no camera with serial '9' answers; there is Machine Vision Games"):
        HARVESTERS.build(HarvestersSettings(producer=producer, serial="9")).open()
    monkeypatch.setenv("GENICAM_GENTL64_PATH", str(tmp_path))
    with pytest.raises(
        DeviceError, match="no GenTL producer in GENICAM_GENTL64_PATH; install the camera maker's software"
    ):
        HARVESTERS.build(HarvestersSettings()).open()
    with pytest.raises(DeviceError, match=r"no GenTL producer none\.cti"):
        HARVESTERS.build(HarvestersSettings(producer="none.cti")).open()


def test_a_producer_is_a_cti_file():
    with pytest.raises(ValidationError, match=r"ends in \.cti"):
        HarvestersSettings(producer="libproducer.so")


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "harvesters", None)
    monkeypatch.setitem(sys.modules, "harvesters.core", None)
    with pytest.raises(DeviceError, match=r"needs harvesters.*pip install 'openopu\[harvesters\]'"):
        HARVESTERS.build(HarvestersSettings(producer="a.cti")).open()

"""The driver against real GigE Vision peers: Aravis's camera in another process, viva-genicam's own in this one."""

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import pytest
from opu.drivers.block_numbers import BlockNumbers
from opu.drivers.genicam_camera import GenicamCamera
from opu.drivers.pixel_formats import unpack
from opu.drivers.viva_camera import VIVA, VivaPort, VivaSettings

from opu.errors import CapabilityError, DeviceClosed, DeviceError, DeviceLost
from opu.parts import Camera, CameraSettings, Region
from opu.testing.part_laws import check_camera

from .aravis_camera import Exposure, aravis_camera, count, gige_port, library, write_description

viva = pytest.importorskip("viva_genicam", reason="needs viva-genicam: pip install 'openopu[viva]'")
needs_aravis = pytest.mark.skipif(library() is None, reason="needs Aravis: apt-get install aravis-tools")
REGION = Region(8, 16, 24, 32)
SETTINGS = CameraSettings(REGION, 123e-6)
WAIT_S = 2.0


def make(**settings: Any) -> GenicamCamera:
    return VIVA.build(VivaSettings(address="127.0.0.1", **settings))


@contextmanager
def opened(**settings: Any) -> Iterator[GenicamCamera]:
    camera = make(**settings)
    camera.open()
    try:
        yield camera
    finally:
        camera.close()


@contextmanager
def viva_fake(**settings: Any) -> Iterator[Any]:
    from viva_genicam.testing import FakeGigeCamera

    with gige_port(), FakeGigeCamera(width=64, height=48, **settings) as fake:
        yield fake


def scene(number: int, settings: CameraSettings = SETTINGS, bits: int = 8) -> np.ndarray:
    r = settings.region
    return count(Exposure(number, settings.exposure_s, 0, r.row, r.column, r.rows, r.columns, bits))


def take(camera: GenicamCamera) -> Any:
    camera.trigger()
    return camera.grab(WAIT_S)


def take_many(camera: GenicamCamera, n: int) -> list[Any]:
    return [take(camera) for _ in range(n)]


@needs_aravis
def test_pixels_numbers_and_exposure_arrive_exactly():
    """Its block ids run from 65401 through the wrap at 65535, which skips 0."""
    with aravis_camera(), opened(first_block="any") as camera:
        assert isinstance(camera, Camera)
        spec = camera.spec
        assert (spec.rows, spec.columns, spec.bit_depth, spec.step) == (2048, 2048, 8, (1, 1))
        assert spec.exposure_min_s == pytest.approx(10e-6)
        in_force = camera.configure(SETTINGS)
        assert in_force.exposure_s == pytest.approx(123e-6)
        assert in_force.region == REGION
        camera.start()
        frames = take_many(camera, 200)
        assert [frame.number for frame in frames] == list(range(200))
        assert all(frame.complete for frame in frames)
        for frame in frames:
            assert np.array_equal(frame.pixels, scene(frame.number))
        times_s = np.array([frame.timestamp_s for frame in frames])
        assert np.all(np.diff(times_s) > 0)
        with pytest.raises(DeviceError, match=r"no frame within 0.05 s; was it triggered"):
            camera.grab(0.05)
        camera.stop()
        camera.stop()
        longer = CameraSettings(Region(2000, 1000, 40, 8), 1e-3)
        camera.configure(longer)
        camera.start()
        first = take(camera)
        assert (first.number, first.pixels.shape) == (0, (40, 8))
        assert np.array_equal(first.pixels, scene(200, longer))
        assert camera.status().frames == 1


@needs_aravis
def test_it_keeps_the_laws_of_a_camera():
    with aravis_camera():
        assert check_camera(lambda: make(first_block="any")) == {}


@needs_aravis
def test_deep_pixels():
    with aravis_camera(), opened(first_block="any", pixel_format="Mono16") as camera:
        assert camera.spec.bit_depth == 16
        camera.configure(SETTINGS)
        camera.start()
        frame = take(camera)
        assert frame.pixels.dtype == np.uint16
        assert np.array_equal(frame.pixels, scene(0, bits=16))


@needs_aravis
def test_refusals_name_the_limit_and_the_remedy(tmp_path):
    """A camera whose columns go in steps of 16, 1 at least, and whose names are another vendor's."""
    REGION = Region(8, 16, 24, 33)
    SETTINGS = CameraSettings(REGION, 123e-6)
    increment = ("<pMax>SensorWidth</pMax>\n\t\t<Inc>1</Inc>", "<pMax>SensorWidth</pMax>\n\t\t<Inc>16</Inc>")
    description = write_description(tmp_path / "camera.xml", increment, ("ExposureTimeAbs", "ExposureTime"))
    with aravis_camera(description=str(description)), opened(gain_db_per_step=0.5) as camera:
        assert camera.spec.step == (1, 16)
        assert camera.spec.gain_max_db == 5.0
        assert camera.configure(CameraSettings(REGION, 2e-3, gain_db=3.0)).gain_db == 3.0
        for settings, words in (
            (
                CameraSettings(Region(0, 9, 10, 30), 1e-3),
                r"1, 17 \.\.\. columns, from every 1. row and 16. column on; the nearest is .*column=16, rows=10, columns=33\)",
            ),
            (
                CameraSettings(Region(2040, 0, 10, 33), 1e-3),
                r"nearest is Region\(row=2038, column=0, rows=10, columns=33\)",
            ),
            (CameraSettings(Region(0, -1, 0, 33), 1e-3), r"nearest is Region\(row=0, column=0, rows=1, columns=33\)"),
            (
                CameraSettings(Region(0, 0, 4096, 33), 1e-3),
                r"nearest is Region\(row=0, column=0, rows=2048, columns=33\)",
            ),
            (CameraSettings(REGION, 1e-6), "1e-06 s is outside 1e-05 to 10 s"),
            (CameraSettings(REGION, 11.0), "11 s is outside 1e-05 to 10 s"),
            (CameraSettings(REGION, float("nan")), "nan s is outside"),
            (CameraSettings(REGION, 1e-3, gain_db=5.5), "5.5 dB is outside 0 to 5 dB"),
            (
                CameraSettings(REGION, 1e-3, trigger="hardware"),
                "no trigger source 'Line1'; it has Line0, Software: set trigger_line",
            ),
        ):
            with pytest.raises(DeviceError, match=words):
                camera.configure(settings)
        with pytest.raises(DeviceError, match=r"is already open"):
            camera.open()
        with pytest.raises(DeviceError, match=r"call start\(\) first"):
            camera.grab(0.1)
        camera.configure(SETTINGS)
        camera.start()
        with pytest.raises(DeviceError, match=r"stop\(\) it before configure"):
            camera.configure(SETTINGS)
        camera.trigger()
        with pytest.raises(DeviceError, match=r'block id 65401.*first_block = "any"'):
            camera.grab(WAIT_S)
        camera.close()
        for settings, words in (
            ({"pixel_format": "Mono12p"}, "no pixel format Mono12p; it has .*Mono8"),
            ({"features": {"SensorMode": "Fast"}}, "no feature 'SensorMode'"),
        ):
            with pytest.raises(DeviceError, match=words):
                make(**settings).open()
        with (
            opened() as other,
            pytest.raises(DeviceError, match=r"gain_db = 1 dB.*GainRaw counts steps: set gain_db_per_step"),
        ):
            other.configure(CameraSettings(REGION, 1e-3, gain_db=1.0))


@needs_aravis
def test_pulses_on_the_line(tmp_path):
    description = write_description(tmp_path / "camera.xml", ('Name="Software"', 'Name="Line1"'))
    with aravis_camera(description=str(description)) as fake, opened(first_block="any") as camera:
        settings = CameraSettings(REGION, 123e-6, trigger="hardware")
        assert camera.configure(settings).trigger == "hardware"
        camera.start()
        with pytest.raises(DeviceError, match=r"waits for pulses"):
            camera.trigger()
        fake.tell("pulse")
        assert camera.grab(WAIT_S).number == 0
        for number in range(1, 40):  # nobody grabs: the library itself would keep the newest four
            fake.tell("pulse")
            wait_for_frames(camera, number)
        for number in range(1, 40):
            frame = camera.grab(WAIT_S)
            assert frame.number == number
            assert np.array_equal(frame.pixels, scene(number))
        with pytest.raises(DeviceError, match=r"no frame within"):
            camera.grab(0.05)
        fake.tell("pulse")
        camera.stop()
        camera.configure(settings)
        camera.start()
        with pytest.raises(DeviceError, match=r"no frame within"):
            camera.grab(0.2)


def wait_for_frames(camera: GenicamCamera, n: int) -> None:
    drain = camera._port._drain
    with drain._changed:
        assert drain._changed.wait_for(lambda: len(drain._waiting) >= n, WAIT_S)


@needs_aravis
def test_lost_packets_never_make_a_wrong_reading():
    """3 packets a frame, 5 % lost: about 15 % of frames are damaged or gone. Sizes show that some were."""
    with aravis_camera() as fake, opened(first_block="any") as camera:
        camera.configure(SETTINGS)
        camera.start()
        assert take(camera).number == 0
        fake.tell("lose 0.05")
        seen = {"complete": 0, "incomplete": 0, "gone": 0}
        for number in range(1, 60):
            camera.trigger()
            try:
                frame = camera.grab(0.3)
                while frame.number < number:  # the one given up on before, late
                    frame = camera.grab(0.3)
            except DeviceLost:
                raise
            except DeviceError:
                seen["gone"] += 1
                continue
            assert frame.number == number
            seen["complete" if frame.complete else "incomplete"] += 1
            if frame.complete:
                assert np.array_equal(frame.pixels, scene(number))
        assert seen["complete"] >= 30
        assert seen["incomplete"] + seen["gone"] >= 1
        assert camera.status().frames_dropped >= seen["incomplete"]


@needs_aravis
def test_unplugged_is_lost_and_comes_back():
    with ExitStack() as first:
        fake = first.enter_context(aravis_camera())
        camera = make(first_block="any")
        camera.open()
        camera.configure(SETTINGS)
        camera.start()
        take(camera)
        fake.kill()
        with pytest.raises(DeviceLost, match=r"no longer answers.*check its power and cable"):
            camera.trigger()
        with pytest.raises(DeviceLost, match=r"no longer answers"):
            camera.grab(0.1)
        assert "no longer answers" in camera.status().message
        camera.close()
        assert not camera.status().is_open
        with pytest.raises(
            DeviceLost, match=r"no camera with address '127.0.0.1' answers within 0.5 s; there is none at all"
        ):
            camera.open()
    with aravis_camera():
        camera.open()
        camera.configure(SETTINGS)
        camera.start()
        assert np.array_equal(take(camera).pixels, scene(0))
        camera.close()
        camera.close()


def test_which_packets_were_dropped_is_told_exactly():
    """2 % of packets dropped on the wire, no resend: a frame is complete if and only if nothing of it was dropped."""
    rng = np.random.default_rng(3)
    n = 100
    dropped = [(block, packet) for block in range(2, n + 1) for packet in range(4) if rng.random() < 0.02]
    assert dropped
    with viva_fake(fps=100, drop_packets=dropped, packet_resend=False), opened() as camera:
        camera.configure(CameraSettings(Region(0, 0, 48, 64), 1e-3))
        camera.start()
        damaged = {block - 1 for block, _ in dropped}
        complete, incomplete = set(), set()
        for _ in range(n):
            try:
                frame = take(camera)
            except DeviceError:  # the leader was dropped: nothing of this frame is known
                continue
            (complete if frame.complete else incomplete).add(frame.number)
            if frame.complete:
                assert frame.pixels.any()
        assert not complete & damaged
        assert incomplete <= damaged
        assert complete == set(range(n)) - damaged


def test_packets_are_sent_again_where_the_camera_can():
    dropped = [(2, 1), (4, 2), (5, 1), (5, 2)]
    with viva_fake(fps=100, drop_packets=dropped), opened() as camera:
        camera.configure(CameraSettings(Region(0, 0, 48, 64), 1e-3))
        camera.start()
        frames = take_many(camera, 6)
        assert [(frame.number, frame.complete) for frame in frames] == [(k, True) for k in range(6)]


def test_late_acknowledgements_are_waited_for():
    from viva_genicam.testing import FakeGigeCamera

    late = {FakeGigeCamera.REGISTERS[name]: 0.25 for name in ("ExposureTime", "TriggerSource")}
    with viva_fake(fps=100, delay_ack=late) as fake, opened(features={"DeviceUserID": "opu"}) as camera:
        assert camera.spec.serial == "VIVA-FAKE-001"
        assert camera.configure(CameraSettings(Region(0, 0, 48, 64), 2e-3, gain_db=6.0)).exposure_s == 2e-3
        camera.start()
        assert take(camera).number == 0
        assert fake.software_triggers() == 1
        assert camera.status().temperature_c == pytest.approx(42, abs=2)
        fake.revoke_control()
        deadline_s = time.monotonic() + 20
        while not camera.status().message and time.monotonic() < deadline_s:  # its heartbeat notices
            time.sleep(0.05)
        with pytest.raises(DeviceLost, match="no longer answers"):
            take(camera)


def test_the_camera_meant_is_found():
    with viva_fake(fps=30) as fake:
        for settings in ({"serial": "VIVA-FAKE-001"}, {"address": fake.MAC}, {}):
            camera = VIVA.build(VivaSettings(**settings))
            camera.open()
            camera.close()
        with pytest.raises(
            DeviceLost, match=r"no camera with serial 'S1' answers within 0.5 s; there is viva-genicam FakeGigE at 127"
        ):
            VIVA.build(VivaSettings(serial="S1")).open()


def test_usb():
    """A USB3 Vision camera of the library's own, too simple to be a Camera: no exposure, no trigger. Its stream is real."""
    from viva_genicam.testing import FakeU3vCamera

    fake = FakeU3vCamera(width=64, height=48)
    port = VivaPort(VivaSettings())
    port._camera = fake.connect()
    assert port.alive()
    port.set("PixelFormat", "Mono12Packed")
    for drained in (False, True):
        port.start(drained=drained)
        blocks = [port.grab(WAIT_S) for _ in range(3)]
        port.stop()
        assert not fake.acquiring()
        numbers = BlockNumbers(port.first_block)
        assert [numbers.number(block.block_id) for block in blocks] == [0, 1, 2]
        for block in blocks:
            assert unpack(block.payload, block.pixel_format, block.rows, block.columns).shape == (48, 64)
        assert blocks[0].ticks < blocks[1].ticks
    camera = GenicamCamera(VivaSettings(), lambda: port)
    port.open = lambda: "camera FakeU3V"
    with pytest.raises(CapabilityError, match=r"FakeU3V has no ExposureTime or ExposureTimeAbs"):
        camera.open()


def test_without_the_library_the_install_line_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "viva_genicam", None)
    camera = make()
    with pytest.raises(DeviceClosed, match=r"open\(\) it first"):
        _ = camera.spec
    with pytest.raises(DeviceClosed, match=r"call open\(\) first"):
        camera.start()
    with pytest.raises(DeviceError, match=r"needs viva_genicam.*pip install 'openopu\[viva\]'"):
        camera.open()
    assert not camera.status().is_open
    camera.close()

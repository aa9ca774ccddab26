"""The laws of parts hold for the parts in memory, and each can be broken."""

import pytest

from opu.errors import DeviceError
from opu.parts import Camera, Laser, Modulator, PowerMeter
from opu.testing.part_laws import check_camera, check_laser, check_modulator

from . import fake_parts as fp

SETTINGS = fp.FakeSettings()


@pytest.fixture
def world():
    """Parts beside the laser are open, since light is allowed with them alone."""
    world = fp.World(sensor=(64, 64))
    world.camera, world.modulator = fp.FakeCamera(SETTINGS), fp.FakeModulator(SETTINGS)
    world.camera.is_open = world.modulator.is_open = True
    return world


def test_the_fakes_keep_them(world):
    assert check_laser(lambda: fp.FakeLaser(SETTINGS)) == {}
    assert check_camera(lambda: fp.FakeCamera(SETTINGS)) == {}
    modulator = fp.FakeModulator(SETTINGS)
    fp.FakeCamera(SETTINGS).open()
    assert check_modulator(lambda: modulator) == {}
    assert not world.violations


def test_the_fakes_are_what_the_protocols_say():
    for part, protocol in (
        (fp.FakeModulator, Modulator),
        (fp.FakeCamera, Camera),
        (fp.FakeLaser, Laser),
        (fp.FakeMeter, PowerMeter),
    ):
        fp.World()
        assert isinstance(part(SETTINGS), protocol)


class LitByOpening(fp.FakeLaser):
    def open(self):
        super().open()
        self.world.light_on = True


class LeftLit(fp.FakeLaser):
    def close(self):
        self.is_open = False

    def off(self):
        pass


class AnyPower(fp.FakeLaser):
    def set_power(self, power_w):
        return power_w


@pytest.mark.parametrize(
    ("sick", "what"), [(LitByOpening, "lit by open"), (LeftLit, "lit after off"), (AnyPower, "twice the largest")]
)
def test_sick_lasers(world, sick, what):
    assert what in check_laser(lambda: sick(SETTINGS))["is dark unless on"]


class CountsFromOne(fp.FakeCamera):
    def start(self):
        super().start()
        self.number = 1


class Remembers(fp.FakeCamera):
    def stop(self):
        pass

    def start(self):
        kept = list(self.queue)
        super().start()
        self.queue.extend(kept)


class TakesAnything(fp.FakeCamera):
    def configure(self, settings):
        self.in_force = settings
        return settings


class OpensTwice(fp.FakeCamera):
    def open(self):
        self.is_open = False
        super().open()


@pytest.mark.parametrize(
    ("sick", "law"),
    [
        (CountsFromOne, "numbers its frames"),
        (Remembers, "forgets at stop"),
        (TakesAnything, "refuses what it cannot"),
        (OpensTwice, "opens and closes"),
    ],
)
def test_sick_cameras(world, sick, law):
    assert law in check_camera(lambda: sick(SETTINGS))


def test_a_panel_that_takes_any_frame_time(world, monkeypatch):
    fp.FakeCamera(SETTINGS).open()
    monkeypatch.setattr(fp.FakeModulator, "start", lambda self, frame_time_s, trigger="software": None)
    monkeypatch.setattr(fp.FakeModulator, "wait", lambda self, timeout_s: None)
    assert "below the shortest" in check_modulator(lambda: fp.FakeModulator(SETTINGS))["shows patterns"]


def test_an_error_that_is_no_broken_law_passes_through(world):
    world.camera_gone = True
    with pytest.raises(DeviceError):
        check_camera(lambda: fp.FakeCamera(SETTINGS))

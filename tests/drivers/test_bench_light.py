"""The laser is warm when it is said to be, and dark at every end: of the object, of the interpreter, of a killed process."""

import gc
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from opu.drivers.bench_light import Light
from opu.drivers.bench_light_off import light_off

from opu.errors import DeviceError, DeviceLost

from . import fake_parts as fp
from .conftest import until


@pytest.fixture(autouse=True)
def _kinds(monkeypatch):
    fp.fake_kinds(monkeypatch)


def lit_world():
    """A world whose camera and modulator are open, so that light is allowed."""
    world = fp.World()
    for part in (fp.FakeModulator, fp.FakeCamera):
        part(fp.FakeSettings()).open()
    return world


def light(world, warm_up_s=30.0, settle_s=0.0):
    return Light(fp.FakeLaser(fp.FakeSettings()), warm_up_s, settle_s, world.clock, world.sleep)


def test_darkness_costs_as_much_warm_up_as_it_lasted():
    world = lit_world()
    laser, said = light(world), []
    laser.open()
    laser.on(said.append)
    assert world.now_s == pytest.approx(30)
    assert any("30.0 of 30 s to go" in text for text in said)
    assert said[-1] == ""
    world.sleep(100)
    laser.on(said.append)
    assert world.now_s == pytest.approx(130)  # still warm
    laser.off()
    world.sleep(5)
    laser.on(said.append)
    assert world.now_s == pytest.approx(140)  # dark for 5 s, warmed for 5 s
    laser.off()
    world.sleep(1000)
    laser.on(said.append)
    assert world.now_s == pytest.approx(140 + 1000 + 30)
    laser.close()
    assert not world.light_on


def test_settling_after_every_switching_on():
    world = lit_world()
    laser = light(world, 0.0, 0.2)
    laser.open()
    for _ in range(2):
        start_s = world.now_s
        laser.on(lambda text: None)
        assert world.now_s - start_s == pytest.approx(0.2)
        laser.off()
    laser.close()


def test_it_goes_dark_when_it_is_forgotten():
    world = lit_world()
    laser = light(world, 0.0)
    laser.open()
    laser.on(lambda text: None)
    assert world.light_on
    del laser
    gc.collect()
    assert not world.light_on


def test_a_laser_that_does_not_go_off_is_said_so():
    world = lit_world()
    laser = light(world, 0.0)
    laser.open()
    laser.on(lambda text: None)
    world.laser_stuck = True
    with pytest.raises(DeviceLost, match=r"'laser-1' may still be lit.*at its key"):
        laser.close()
    world.laser_stuck = False
    laser.close()


def test_a_fault_is_named(monkeypatch):
    from dataclasses import replace

    world = lit_world()
    laser = light(world, 0.0)
    laser.open()
    laser.on(lambda text: None)
    good = laser.status()
    monkeypatch.setattr(laser.laser, "status", lambda: replace(good, fault="over-temperature"))
    with pytest.raises(DeviceError, match="over-temperature; mend that"):
        laser.check()
    laser.close()


def test_the_hook_opens_the_laser_alone_and_darkens_it():
    world = fp.World(light_on=True)
    light_off({"laser": {"kind": "fake", "world": "fake"}, "n_inputs": 5})
    assert not world.light_on
    assert world.log == ["open laser", "light off", "close laser"]
    light_off({"n_inputs": 5})


def test_a_watchdog_that_died_is_told(monkeypatch):
    from types import SimpleNamespace

    from opu.drivers.bench_device import BenchDevice

    world = fp.World()
    device = BenchDevice(world.settings(), world.clock, world.sleep)
    monkeypatch.setattr(device.parts, "_watchdog", SimpleNamespace(is_alive=False))
    assert "watchdog process is gone" in device.status().message


LAB = """
import os, signal, sys
import fake_parts as fp
from opu.drivers.bench_device import BenchDevice
from opu.drivers.bench_settings import BenchSettings
from opu.device import Acquisition
world = fp.World()
table = {"kind": "fake"}
settings = BenchSettings(modulator=table, camera=table, laser={"kind": "file", "path": sys.argv[1]}, n_inputs=4)
bench = BenchDevice(settings)
bench.open()
bench.configure(Acquisition(1e-3))
bench.measure(fp.np.ones((1, 5), bool))
print("lit", flush=True)
if sys.argv[2] == "exit":
    sys.exit()
sys.stdin.read()
"""


@pytest.fixture
def lab(tmp_path):
    """lab(how) -> a process that has lit its laser and then ends or waits; its lamp."""
    about = tmp_path / "site" / "openopu_fake-0.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: openopu-fake\nVersion: 0.0\n")
    (about / "entry_points.txt").write_text(
        "[opu.modulators]\nfake = fake_parts:MODULATOR\n[opu.cameras]\nfake = fake_parts:CAMERA\n"
        "[opu.lasers]\nfile = file_laser:LASER\n"
    )
    folders = [str(tmp_path / "site"), str(Path(__file__).parent)]
    lamp, started = tmp_path / "lamp", []

    def start(how):
        process = subprocess.Popen(
            [sys.executable, "-c", LAB, str(lamp), how],
            env=os.environ | {"PYTHONPATH": os.pathsep.join(folders)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "lit\n"
        return process, lamp

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_killed_process_leaves_no_light(lab, number):
    process, lamp = lab("wait")
    assert lamp.read_text() == "on"
    process.send_signal(number)
    process.wait(10)
    until(lambda: lamp.read_text() == "off", 30)


def test_an_interpreter_that_ends_without_close_leaves_no_light(lab):
    process, lamp = lab("exit")
    process.wait(20)
    assert process.returncode == 0
    until(lambda: lamp.read_text() == "off")  # its watchdog writes that too

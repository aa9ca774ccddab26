"""The suite over an appliance in this process: the simulator behind SCPI is as fit, or as sick, as without."""

from contextlib import contextmanager

import pytest
from opu.drivers.serve import Access, Appliance
from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.command import Asked, session_of
from opu.hw_tests.matrix import QUICK
from opu.hw_tests.sick import sickness_of
from opu.hw_tests.sick_device import SickDevice
from opu.hw_tests.suite import run

from opu.config import Config, load_config

from .conftest import Recorder, simulated

pytest.importorskip("pyvisa", reason="needs pyvisa: pip install 'openopu[visa]'")


@contextmanager
def served(device):
    with Appliance(device, Access("127.0.0.1:0")) as appliance:
        yield {"kind": "visa", "resource": appliance.resources[0]}


def judged(profile, checks=QUICK, **asked):
    session = session_of(Config("test", "net", {"net": profile}), Asked(**asked))
    return run(session, checks)


def test_healthy_through_an_appliance():
    with served(simulated(n_inputs=40, n_outputs=256).device) as profile:
        verdict = judged(profile, allow_laser=True)
    assert verdict.fitness == "fit", [one.outcome for one in verdict.judged if one.outcome.result == "unjudged"]


@pytest.mark.parametrize("name", ["bit-stuck", "dark-laser", "drops"])
def test_sick_behind_an_appliance(name):
    sickness = sickness_of(name, "--sick")
    with served(SickDevice(simulated().device, sickness.fault)) as profile:
        verdict = judged(profile, [check for check in QUICK if check.name in sickness.right], allow_laser=True)
    assert any(sickness.cause in one.outcome.cause for one in verdict.failures)


def test_sick_in_front_of_an_appliance():
    with served(simulated().device) as profile:
        verdict = judged(
            profile, [check for check in QUICK if check.group == "codes"], allow_laser=True, sick="bit-stuck"
        )
    assert verdict.failures[0].outcome.cause == "bit 3 stuck at 1"


def test_without_leave_the_appliance_stays_dark(here, tmp_path):
    device = Recorder()
    with served(device) as profile:
        (tmp_path / "lab.toml").write_text(f'[devices.net]\nkind = "visa"\nresource = "{profile["resource"]}"\n')
        status, out, _ = here("hil", "--config", "lab.toml")
    assert status == 2
    assert "--allow-laser" in out
    assert not any(acquisition.light for acquisition in device.shown)


def test_the_dead_man_is_seen_from_outside(tmp_path):
    """A controller of its own process holds the device lit and is killed; the server lets go of it."""
    device = simulated(n_inputs=20, n_outputs=64).device
    check = next(one for one in CHECKS if one.name == "safety.dead_man")
    with served(device) as profile:
        path = tmp_path / "lab.toml"
        path.write_text(f'[devices.net]\nkind = "visa"\nresource = "{profile["resource"]}"\n')
        session = session_of(load_config(path), Asked(level="standard", allow_laser=True))
        (one,) = run(session, [check]).judged
    assert one.outcome.result == "passed", one.outcome
    assert 0 < one.outcome.figure.value < session.limits.dead_man_s
    assert not device.status().light_on

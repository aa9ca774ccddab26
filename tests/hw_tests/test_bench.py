"""The suite over a bench of parts in memory: fit as it is, unfit with its faults, and always dark in the end."""

import pytest
from opu.drivers.bench_device import BenchDevice
from opu.hw_tests.limits import Limits
from opu.hw_tests.matrix import QUICK
from opu.hw_tests.session import Session
from opu.hw_tests.suite import run

from opu import OPU

from .bench_table import Table, fake_parts


@pytest.fixture
def judged(monkeypatch):
    """Judges a bench over a table; returns the verdict."""
    fake_parts.fake_kinds(monkeypatch)

    def judge(table, checks=QUICK, **settings):
        def make():
            return OPU(BenchDevice(table.settings(n_inputs=40, **settings), table.clock, table.sleep))

        # The time that this process takes to make the images is no fault of the bench.
        limits = Limits(frame_rate=0.01, jitter=1000.0)
        verdict = run(Session("bench", make, limits, emits_light=True, allow_laser=True, n_tests=len(QUICK)), checks)
        assert not table.light_on
        assert not table.violations
        return verdict

    return judge


def only(*names):
    return [check for check in QUICK if check.name in names]


def said(verdict):
    return {one.check.name: one.outcome.cause for one in verdict.judged if one.outcome.result in ("failed", "unjudged")}


def test_a_healthy_bench_is_fit(judged):
    verdict = judged(Table(sensor=(16, 20), panel=(20, 24)))
    assert verdict.fitness == "fit", said(verdict)
    assert sum(one.frames for one in verdict.judged) > 8000


def test_no_light(judged):
    assert said(judged(Table(dark=True), only("light.arrives"))) == {"light.arrives": "no light arrives"}


def test_an_interlock_that_opens(judged):
    found = judged(Table(script={40: "interlock"}), only("light.arrives", "safety.interlock"))
    assert said(found) == {"light.arrives": "interlock open"}
    assert "interlock is open; close it" in found.failures[0].outcome.message


@pytest.mark.parametrize("rates", [{"lost": 0.05}, {"lost": 0.03, "twice": 0.03}], ids=["lost", "lost and twice"])
def test_frames_that_are_lost_and_taken_again(judged, rates):
    """No reading is wrong, and the bench's own count says what its cable costs."""
    assert said(judged(Table(rates=rates), only("frames.each", "frames.counters"))) == {
        "frames.counters": "lost frames"
    }


@pytest.mark.parametrize("part", ["camera", "modulator"])
def test_a_part_that_is_pulled_out(judged, part):
    found = judged(Table(script={60: f"unplug_{part}"}), only("light.arrives", "frames.each", "inputs.act"))
    assert "device lost" in said(found).values()
    lost = next(one for one in found.failures if one.outcome.cause == "device lost")
    assert part in lost.outcome.message
    assert found.judged[-1].outcome.message == "the device was lost"

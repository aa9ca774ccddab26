"""Running the checks: gates, lost devices, errors, and that the device is left dark."""

import pytest
from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.check import Check, asked
from opu.hw_tests.outcome import failed, passed, skipped, unjudged
from opu.hw_tests.session import Unavailable
from opu.hw_tests.suite import EXIT_STATUS, run

from opu import Acquisition
from opu.errors import CalibrationError, ConfigError, DeviceError, DeviceLost


def check(name, outcome, **more):
    def act(session):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome(session) if callable(outcome) else outcome

    return Check(name, "a law", act, **more)


@pytest.mark.parametrize(
    ("outcomes", "fitness", "status"),
    [
        ([passed(""), skipped("")], "fit", 0),
        ([passed(""), unjudged("")], "unjudged", 2),
        ([failed("a", ""), unjudged("")], "unfit", 1),
        ([skipped("")], "unjudged", 2),
        ([], "unjudged", 2),
    ],
)
def test_verdicts(session, outcomes, fitness, status):
    verdict = run(session, [check(f"a.{i}", one) for i, one in enumerate(outcomes)])
    assert (verdict.fitness, EXIT_STATUS[verdict.fitness]) == (fitness, status)


def test_errors_are_failures_and_a_lost_device_ends_the_run(session):
    seen = []
    checks = [
        check("a.error", DeviceError("camera: overheated")),
        check("a.stands", Unavailable("exposure: too dark")),
        check("a.lost", DeviceLost("no answer within 5 s")),
        check("a.after", passed("")),
    ]
    verdict = run(session, checks, seen.append)
    assert [one.outcome.result for one in verdict.judged] == ["failed", "unjudged", "failed", "skipped"]
    assert [one.outcome.cause for one in verdict.failures] == ["device error", "device lost"]
    assert verdict.judged[-1].outcome.message == "the device was lost"
    assert len(seen) == 4
    with pytest.raises(ConfigError):
        run(session, [check("a.b", ConfigError("wrong key"))])


def test_a_device_lost_in_the_middle(recorder, session, monkeypatch):
    """It answers a while and then no more, as a cable that was pulled."""
    whole = type(recorder).measure

    def measure(self, frames):
        if len(self.shown) >= 40:
            raise DeviceLost("recorder: no answer; look at its cable, then open() again")
        return whole(self, frames)

    monkeypatch.setattr(type(recorder), "measure", measure)
    verdict = run(session, [one for one in CHECKS if one.name != "training.learns"])
    assert verdict.fitness == "unfit"
    assert verdict.failures[-1].outcome.cause == "device lost"
    assert "cable" in verdict.failures[-1].outcome.message
    assert {one.outcome.result for one in verdict.judged[verdict.judged.index(verdict.failures[-1]) + 1 :]} == {
        "skipped"
    }
    assert not recorder.status().is_open


def test_without_leave_no_light_is_emitted(recorder, session):
    session.emits_light = True
    verdict = run(session, [one for one in CHECKS if asked(one, "soak")])
    assert verdict.fitness == "unjudged"
    gated = [one for one in verdict.judged if one.check.light]
    assert {one.outcome.result for one in gated} == {"unjudged"}
    assert all("--allow-laser" in one.outcome.message for one in gated)
    assert not any(acquisition.light for acquisition in recorder.shown)
    assert not recorder.status().light_on


def test_with_leave_it_is(recorder, session):
    session.emits_light = session.allow_laser = True
    run(
        session,
        [check("a.light", lambda s: passed(str(s.measure(s.bench.everything(1, True), Acquisition(1e-3)).max())))],
    )
    assert any(acquisition.light for acquisition in recorder.shown)
    assert not recorder.status().is_open


def test_the_device_is_dark_after_an_error_of_ours(recorder, session):
    def light_and_fail(session):
        session.measure(session.bench.everything(1, True), Acquisition(1e-3))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(session, [check("a.b", light_and_fail)])
    assert not recorder.status().is_open


def test_shared_measurements_are_made_once_and_fail_once(session):
    made = []
    assert session.shared("a", lambda: made.append(1) or 5) == session.shared("a", lambda: 6) == 5
    with pytest.raises(DeviceError):
        session.shared("b", lambda: (_ for _ in ()).throw(DeviceError("broken")))
    for _ in range(2):
        with pytest.raises(Unavailable, match="broken"):
            session.shared("b", lambda: 1)
    with pytest.raises(Unavailable, match="too dark"):
        session.shared("c", lambda: (_ for _ in ()).throw(CalibrationError("too dark")))
    session.forget("b")
    assert session.shared("b", lambda: 1) == 1


def test_names_are_unique_and_every_check_says_its_test():
    names = [one.name for one in CHECKS]
    assert len(set(names)) == len(names)
    assert all(one.law and one.test and "." in one.name for one in CHECKS)

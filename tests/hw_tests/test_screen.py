"""One screen: at most 24 lines of 80 or 120 columns, failures with cause and remedy, figures of what is well."""

import io

import pytest
from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.check import asked
from opu.hw_tests.outcome import failed, passed, skipped, unjudged
from opu.hw_tests.screen import show
from opu.hw_tests.suite import Judged, Verdict
from rich.console import Console

from opu.characterization.quantity import Quantity

MESSAGE = (
    "the signal over noise power of one frame is 0.022 ± 0.010, accepted is at least 0.3; training needs 0.3, and fails "
    "at 0.1: more light, a longer exposure, or a better camera"
)


def screen(outcome_of, spec, width):
    checks = [check for check in CHECKS if asked(check, "quick")]
    judged = tuple(Judged(check, outcome_of(i, check), 0.1, 100) for i, check in enumerate(checks))
    console = Console(file=io.StringIO(), width=width)
    show(console, Verdict("lab1", "quick", "2026-01-01T00:00:00+00:00", 9.5, judged), spec)
    text = console.file.getvalue()
    assert max(len(line.rstrip()) for line in text.splitlines()) <= width
    assert len(text.splitlines()) < 24
    return text


@pytest.mark.parametrize("width", [80, 120])
def test_a_fit_device(recorder, width):
    figure = Quantity(0.123456, 0.0012, "DN/e")
    text = screen(lambda i, check: passed("well; and more", figure=figure if i % 2 else None), recorder.spec, width)
    assert "lab1: FIT to train on" in text
    assert "camera          5/5  " in text
    assert "and more" not in text


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("failures", [1, 3, 40])
def test_an_unfit_device(recorder, width, failures):
    def outcome(i, check):
        if i < failures:
            return failed(f"cause {i}", MESSAGE)
        return unjudged("cannot tell") if i == 45 else passed("well")

    text = screen(outcome, recorder.spec, width)
    assert "NOT FIT" in text
    assert text.index("cause 0") < text.index("more light")
    assert "not judged" in text
    assert ("also failed" in text) == (failures == 40 or (failures, width) == (3, 80))
    assert (" more\n" in text) == (failures == 40)


def test_an_unjudged_device(recorder):
    gated = "needs light, and lab1 emits it: allow it with --allow-laser"
    text = screen(lambda i, check: unjudged(gated) if check.light else skipped("no"), recorder.spec, 80)
    assert "could not be judged" in text
    assert "--allow-laser" in text


def test_markup_in_a_message_is_text(recorder):
    assert "[bold] 5 [/]" in screen(lambda i, check: failed("[red]a", "[bold] 5 [/] dead"), recorder.spec, 80)

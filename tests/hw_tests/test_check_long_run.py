"""The long run: as many hours as asked for, kept round by round, and resumed from a journal that was cut off."""

import json

import numpy as np
import pytest
from opu.hw_tests import check_long_run
from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.session import Session
from opu.hw_tests.suite import judge

from .conftest import simulated

(LONG_RUN,) = [check for check in CHECKS if check.name == "timing.long_run"]


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs for these hours of a simulator's time over the journal; returns the outcome and the rounds kept."""
    monkeypatch.setattr(check_long_run, "ROUND_CALLS", 4)
    journal = tmp_path / "soak.jsonl"

    def go(hours):
        session = Session("d", simulated, level="soak", hours=hours, journal=journal)
        outcome = judge(session, LONG_RUN).outcome
        session.close()
        return outcome, [json.loads(line) for line in journal.read_text().splitlines()]

    go.journal = journal
    return go


def test_hours_are_counted_and_resumed(run):
    outcome, rounds = run(3e-4)
    assert outcome.result == "passed", outcome
    assert rounds[-1]["seconds"] >= 3600 * 3e-4 > rounds[-2]["seconds"]
    assert all(r["frames"] == 4 * 64 and r["dropped"] == 0 for r in rounds)
    assert min(r["correlation"] for r in rounds) > 0.9
    first = np.load(run.journal.with_name("first.npy"))
    # Killed in the middle of a line: what is whole counts, the rest is taken out.
    text = run.journal.read_text()
    run.journal.write_text(text + text.splitlines()[-1][:30])
    outcome, again = run(6e-4)
    assert again[: len(rounds)] == rounds
    assert len(again) > len(rounds)
    assert outcome.data["hours"] >= 6e-4
    assert np.array_equal(np.load(run.journal.with_name("first.npy")), first)
    assert run(6e-4)[1] == again  # nothing is left to do


def test_a_line_that_looks_whole_but_is_not_ended_is_taken_out(tmp_path):
    journal = tmp_path / "soak.jsonl"
    journal.write_text('{"seconds": 1}\n{"seconds": 2}')
    assert check_long_run.resumed(journal) == [{"seconds": 1}]
    assert journal.read_text() == '{"seconds": 1}\n'
    assert check_long_run.resumed(tmp_path / "none") == []


def test_dropped_frames_are_told(session):
    rounds = [{"seconds": 1.0, "frames": 1000, "dropped": 5, "level_dn": 1.0, "correlation": 1.0}]
    outcome = check_long_run._judged(session, rounds)
    assert (outcome.result, outcome.cause) == ("failed", "lost frames")
    assert check_long_run._judged(session, [{**rounds[0], "dropped": 1}]).result == "passed"


def test_a_soak_is_resumed_by_the_command(here, tmp_path, monkeypatch):
    monkeypatch.setattr(check_long_run, "ROUND_CALLS", 4)
    size = ("--set", "n_inputs=40", "--set", "n_outputs=128")
    status, _, err = here(
        "hil", *size, "--level", "soak", "--hours", "0.001", "--only", "timing.long_run", "--out", "s"
    )
    assert status == 0, err
    n = len((tmp_path / "s" / "soak.jsonl").read_text().splitlines())
    status, out, err = here("hil", *size, "--resume", "s", "--hours", "0.002", "--only", "timing.long_run", "--json")
    assert status == 0, err
    assert json.loads(out)["checks"][0]["data"]["rounds"] > n

"""Every sick device is flagged by a right check in the right words, and the healthy one passes these same checks."""

import json

import pytest
from opu.hw_tests.catalogue import CHECKS
from opu.hw_tests.matrix import QUICK, Diagnosis, clinic, diagnose, markdown
from opu.hw_tests.sick import CATALOGUE, Sickness
from opu.hw_tests.suite import run

from opu.errors import OPUWarning


def needed(sickness):
    """The right checks; one of them fills what the next stands on."""
    return [check for check in CHECKS if check.name in sickness.right]


@pytest.mark.filterwarnings(f"ignore::{OPUWarning.__module__}.{OPUWarning.__name__}")
@pytest.mark.parametrize("sickness", CATALOGUE, ids=lambda one: one.name)
def test_it_is_found(sickness):
    (found,) = diagnose([sickness], needed(sickness))
    assert found.right, found.said
    assert found.verdict.fitness == "unfit"
    for one in found.verdict.failures:
        assert one.outcome.message
        assert one.outcome.cause.replace("bit 3", "bit k").removesuffix(" at 1") in one.check.faults


def test_the_healthy_device_passes_what_the_sick_ones_fail():
    right = {name for sickness in CATALOGUE for name in sickness.right}
    chosen = [check for check in CHECKS if check.name in right]
    twin = Sickness("healthy", "nothing is wrong", (), "", baseline=True)
    with clinic(checks=chosen) as session:
        verdict = run(session(twin), chosen)
    assert not verdict.failures, [one.outcome for one in verdict.failures]
    assert verdict.fitness == "fit"


def test_the_catalogue_is_large_enough_and_names_real_checks():
    names = [one.name for one in CATALOGUE]
    assert len(names) >= 20
    assert len(set(names)) == len(names)
    for sickness in CATALOGUE:
        faults = [fault for check in needed(sickness) for fault in check.faults]
        assert needed(sickness)
        assert set(sickness.right) <= {check.name for check in QUICK}
        assert any(sickness.cause in fault or fault.startswith("bit k") for fault in faults), sickness.name


def test_the_table(session):
    sickness = CATALOGUE[0]
    verdict = run(session, [])
    text = markdown([Diagnosis(sickness, verdict, False)])
    header, rule, row, *_ = text.splitlines()
    assert header.count("|") == rule.count("|") == row.count("|")
    assert "MISSED (nothing)" in row
    assert "0 of 1 flagged, 0 by the right check" in text


def test_the_command(here):
    status, out, err = here("hil", "matrix", "--only", "satur*", "--json")
    assert status == 0, err
    (row,) = json.loads(out)
    assert (row["name"], row["right"]) == ("saturated", True)
    assert row["failed"]["light.arrives"] == "saturated at the shortest exposure"
    assert "1/1 saturated" in err
    status, _, err = here("hil", "matrix", "--only", "serial-change")
    assert status == 2
    assert "did you mean 'serial-changed'" in err

"""Late calls against a binomial law."""

from itertools import chain, cycle

import pytest
from opu.hw_tests import check_timing
from opu.hw_tests.check_timing import CHECKS, _power
from opu.hw_tests.suite import judge
from scipy.stats import binom

LATENCY = next(check for check in CHECKS if check.name == "timing.latency")


@pytest.mark.parametrize(
    ("late", "real", "result"), [(0, True, "passed"), (2, True, "passed"), (12, True, "failed"), (12, False, "passed")]
)
def test_jitter_is_more_late_calls_than_chance_allows(session, monkeypatch, late, real, result):
    """2 of 64 calls are late by chance in one of a hundred healthy devices, 12 in none. A simulator's time is no device's."""
    session.emits_light, session.allow_laser, session.n_tests = real, True, 54
    times = chain.from_iterable((0.0, 0.7 if i < late else 0.01) for i in cycle(range(64)))
    now = [0.0]

    def clock():
        now[0] += next(times)
        return now[0]

    assert session.opu.status().is_open  # so that nothing else asks for the time
    monkeypatch.setattr(check_timing, "perf_counter", clock)
    outcome = LATENCY.run(session)
    assert outcome.result == result, outcome
    assert outcome.statistics.p_value == pytest.approx(binom.sf(late - 1, 64, 0.01) if late else 1.0)
    assert outcome.data["late"] == late


def test_power_is_that_of_the_binomial_test():
    significance = 1e-4
    least = next(k for k in range(64) if binom.sf(k - 1, 64, 0.01) < significance)
    assert _power(64, significance) == pytest.approx(binom.sf(least - 1, 64, 0.2))


def test_a_slow_device_is_named(session, monkeypatch):
    now = [0.0]

    def clock():
        now[0] += 2.0
        return now[0]

    monkeypatch.setattr(check_timing, "perf_counter", clock)
    assert (
        judge(session, LATENCY).outcome.cause == "too slow to answer"
        or LATENCY.run(session).cause == "too slow to answer"
    )

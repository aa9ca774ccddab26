"""Figures against limits: the closed forms of the z test, of its power, and of bounds."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from opu.hw_tests.baseline import Baseline
from opu.hw_tests.judging import against, expected, with_error, z_of
from opu.hw_tests.limits import Limits
from opu.hw_tests.outcome import Limit
from opu.hw_tests.session import Session
from scipy.stats import norm

from opu.characterization.quantity import Quantity


def session(significance=0.01, n_tests=10):
    return Session("none", lambda: None, Limits(significance=significance), n_tests=n_tests)


def judged(value, error, limit, fault=None, bound=None, of=None):
    figure = Quantity(value, error, bound=bound)
    return against(of or session(), figure, limit, "fault", "the figure", "mend it", n=1, fault=fault)


def test_significance_is_divided_among_the_tests():
    assert z_of(session(0.01, 1)) == pytest.approx(2.5758, abs=1e-4)
    assert norm.sf(z_of(session(0.01, 10))) * 2 == pytest.approx(0.001)


@given(
    st.sampled_from([Limit("most", 1.0), Limit("least", 1.0), Limit("equal", 1.0, tolerance=0.1)]),
    st.floats(-3, 3),
    st.floats(1e-3, 1.0),
)
def test_what_fails_lies_beyond_the_limit_by_more_than_chance(limit, value, error):
    beyond = {"most": value - 1, "least": 1 - value, "equal": abs(value - 1) - 0.1}[limit.side]
    assume(abs(beyond - z_of(session()) * error) > 1e-9)
    outcome = judged(value, error, limit)
    assert outcome.result == ("failed" if beyond > z_of(session()) * error else "passed")
    assert outcome.statistics.p_value == pytest.approx(2 * norm.sf(max(0.0, beyond) / error), abs=1e-9)
    assert "mend it" in outcome.message or outcome.result == "passed"


@given(st.floats(0.01, 2.0), st.floats(0.5, 3.0))
def test_power_is_the_chance_to_see_the_fault(error, fault):
    outcome = judged(1.0, error, Limit("most", 1.0), fault=fault)
    power = norm.cdf((fault - 1) / error - z_of(session()))
    assert outcome.statistics.power == pytest.approx(power)
    assert outcome.result == ("passed" if power >= 0.8 else "unjudged")


def test_power_by_simulation():
    of, error, fault = session(0.05, 1), 0.3, 2.0
    rng = np.random.default_rng(0)
    results = [judged(v, error, Limit("most", 1.0), fault, of=of).result for v in rng.normal(fault, error, 4000)]
    power = judged(fault, error, Limit("most", 1.0), fault, of=of).statistics.power
    assert results.count("failed") / 4000 == pytest.approx(power, abs=4 * math.sqrt(power * (1 - power) / 4000))


def test_false_alarms_by_simulation():
    """At the limit itself, the worst healthy device, one side of the two-sided test alarms."""
    rng, of, n = np.random.default_rng(1), session(0.05, 1), 8000
    alarms = sum(judged(v, 0.3, Limit("most", 1.0), of=of).result == "failed" for v in rng.normal(1.0, 0.3, n))
    assert alarms / n == pytest.approx(0.025, abs=4 * math.sqrt(0.025 * 0.975 / n))


def test_a_figure_well_within_the_limit_needs_no_power():
    assert judged(-9.0, 0.5, Limit("most", 1.0), fault=1.1).result == "passed"
    assert judged(0.9, 0.5, Limit("most", 1.0), fault=1.1).result == "unjudged"
    assert (
        judged(0.5, 0.01, Limit("most", 1.0), fault=0.9).result == "passed"
    )  # the fault itself is allowed by the limit


def test_a_bound_counts_for_the_side_that_it_bounds():
    assert judged(5.0, 0.1, Limit("most", 1.0), bound="upper").result == "passed"
    assert judged(5.0, 0.1, Limit("most", 1.0), bound="lower").result == "failed"
    assert judged(0.5, 0.01, Limit("least", 1.0), bound="lower").result == "passed"
    assert judged(0.5, 0.01, Limit("least", 1.0), bound="upper").result == "failed"
    assert judged(0.5, 0.01, Limit("equal", 1.0), bound="lower").result == "passed"
    assert judged(0.5, 0.01, Limit("equal", 1.0), bound="upper").result == "failed"


def test_no_figure_is_no_judgement():
    assert judged(None, None, Limit("most", 1.0)).result == "unjudged"


def test_no_error_is_exact():
    assert judged(1.0, 0.0, Limit("most", 1.0), fault=1.0 + 1e-9).result == "passed"
    assert judged(1.0 + 1e-9, 0.0, Limit("most", 1.0)).result == "failed"


def test_what_is_expected_comes_from_the_config_then_from_the_baseline():
    kept = {"value": 2.0, "standard_error": 0.1, "unit": ""}
    of = session()
    assert expected(of, "a.b", 3.0) == (3.0, 0.0, "the config")
    assert expected(of, "a.b", None) is None
    of.baseline = Baseline("monday", "d", {}, {"a.b": kept, "a.c": {**kept, "bound": "lower"}})
    assert expected(of, "a.b", None) == (2.0, 0.1, "the baseline of monday")
    assert expected(of, "a.c", None) is None
    assert with_error(Quantity(1.0, 3.0), 4.0).standard_error == 5.0


def test_the_error_in_the_fault_may_be_another():
    """A ratio of 1000 ± 30 says nothing of how well 0.03 is told from 0.3."""
    of = session()
    figure, limit = Quantity(1000.0, 30.0), Limit("least", 0.3)
    outcome = against(of, figure, limit, "fault", "the ratio", "mend it", n=1, fault=0.03, fault_error=0.01)
    assert outcome.result == "passed"
    assert outcome.statistics.power == pytest.approx(1.0)

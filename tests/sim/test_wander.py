"""Covariances of the construction are checked exactly, from its weights; hashed values by moments with derived bounds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opu.sim.wander import EPOCHS_PER_TIME_CONSTANT, normals, phase_walk, wander, weights

from opu.errors import InputError


def covariance(first: int, second: int) -> float:
    one, other = dict(weights(first)), dict(weights(second))
    return sum(weight * other.get(node, 0.0) for node, weight in one.items())


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 40_000), st.integers(0, 3_000))
def test_epochs_correlate_exponentially(first, later):
    expected = np.exp(-later / EPOCHS_PER_TIME_CONSTANT)
    # Keyframes 8 time constants apart count as independent.
    assert covariance(first, first + later) == pytest.approx(expected, abs=1.01 * np.exp(-8))


@given(st.integers(0, 10**12))
def test_every_epoch_has_unit_variance_from_few_nodes(epoch):
    assert covariance(epoch, epoch) == pytest.approx(1, abs=1e-6)
    assert len(weights(epoch)) <= 12
    assert len({node for node, _ in weights(epoch)}) == len(weights(epoch))


def test_epoch_0_is_its_own_node_and_time_does_not_run_back():
    assert weights(0) == ((0, 1.0),)
    with pytest.raises(InputError, match="starts at epoch 0"):
        weights(-1)


def test_within_eight_time_constants_of_the_start_correlation_is_exact():
    grid = range(0, 512, 7)
    table = np.array([[covariance(a, b) for b in grid] for a in grid])
    expected = np.exp(-np.abs(np.subtract.outer(grid, grid)) / EPOCHS_PER_TIME_CONSTANT)
    # The far keyframe enters with less than exp(-4) below the middle: its missing correlation, exp(-8), by that.
    assert np.abs(table - expected).max() < np.exp(-8) * np.exp(-4)


def test_normals_are_normal():
    z = normals(5, np.arange(100_000))
    # Standard errors of moments of N(0, 1): 1, sqrt 2, sqrt 15, sqrt 96 over sqrt n.
    for power, (expected, spread) in enumerate([(0, 1), (1, 2), (0, 15), (3, 96)], start=1):
        assert abs((z**power).mean() - expected) < 5 * np.sqrt(spread / len(z))
    assert abs(np.mean(z[1:] * z[:-1])) < 5 / np.sqrt(len(z))


def test_wander_has_the_law_over_seeds():
    times_s = np.array([0.0, 0.2, 1.0, 3.0, 7.9, 8.1, 60.0])
    values = np.array([wander(seed, times_s, 2.0) for seed in range(1500)])
    expected = np.exp(-np.abs(np.subtract.outer(times_s, times_s)) / 2.0)
    # A covariance of n pairs of N(0, 1) has standard error sqrt((1 + rho^2) / n).
    assert np.abs(np.cov(values.T, bias=True) - expected).max() < 5 * np.sqrt(2 / 1500)


def test_phase_walk_starts_at_zero_and_loses_coherence():
    times_s = np.array([0.0, 1e-4, 0.5, 1.0, 2.0, 500.0])
    phases = np.array([phase_walk(seed, times_s, 1.0) for seed in range(1500)])
    assert np.all(phases[:, 0] == 0)
    for earlier, later in ((0, 2), (2, 3), (3, 4), (0, 1)):
        coherence = np.exp(1j * (phases[:, later] - phases[:, earlier])).mean()
        assert abs(coherence - np.exp(-(times_s[later] - times_s[earlier]))) < 5 / np.sqrt(1500)
    # Variance 2 t: relative standard error of a variance sqrt(2 / n).
    assert phases[:, 5].var() == pytest.approx(1000, rel=5 * np.sqrt(2 / 1500))


@pytest.mark.parametrize("process", [wander, phase_walk])
def test_values_depend_on_seed_and_time_alone(process):
    times_s = np.linspace(0, 20, 57)
    together = process(9, times_s, 0.7)
    assert np.array_equal(together, [process(9, times_s[k : k + 1], 0.7)[0] for k in range(57)])
    assert np.array_equal(together[::-1], process(9, times_s[::-1], 0.7))
    assert not np.array_equal(together, process(10, times_s, 0.7))


@pytest.mark.parametrize("time_s", [-1.0, np.nan, np.inf])
def test_times_that_are_none_are_refused(time_s):
    for process in (wander, phase_walk):
        with pytest.raises(InputError, match="time constant of 1 s: times from 0"):
            process(0, np.array([0.0, time_s]), 1.0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.sim.fault_settings import FaultSettings
from opu.sim.faults import plan
from pydantic import ValidationError

SEED = 5
ALL = FaultSettings(
    dropped_fraction=0.2,
    trigger_loss_fraction=0.1,
    duplicated_fraction=0.3,
    first_trigger_lost=True,
    trigger_timeout_s=0.05,
)


def test_nothing_goes_wrong_unless_asked():
    assert not FaultSettings().any
    found = plan(FaultSettings(), SEED, 0, 5, just_configured=True)
    assert np.array_equal(found.source, np.arange(5))
    assert found.lost == 0
    assert np.array_equal(found.times_ns(7, 1000), 7 + 1000 * np.arange(5))
    assert found.duration_ns(1000) == 5000


@pytest.mark.parametrize("field", ["dropped", "timeouts"])
def test_losses_follow_the_geometric_law(field):
    """A frame is lost k times with probability p^k (1 - p): mean p / (1 - p), variance p / (1 - p)^2; five standard errors."""
    n, p = 50_000, 0.3
    name = {"dropped": "dropped_fraction", "timeouts": "trigger_loss_fraction"}[field]
    found = plan(FaultSettings(**{name: p}), SEED, 0, n)
    lost = getattr(found, field)
    assert found.lost == lost.sum()
    assert lost.mean() == pytest.approx(p / (1 - p), abs=5 * np.sqrt(p / n) / (1 - p))
    for k in range(5):
        share = p**k * (1 - p)
        assert np.mean(lost == k) == pytest.approx(share, abs=5 * np.sqrt(share / n))
    assert np.array_equal(found.source, np.arange(n))


def test_a_lost_showing_is_dropped_or_without_trigger_as_the_fractions_say():
    """Of the showings lost, 2 in 3 are dropped: binomial."""
    found = plan(FaultSettings(dropped_fraction=0.2, trigger_loss_fraction=0.1), SEED, 0, 50_000)
    assert found.dropped.sum() / found.lost == pytest.approx(2 / 3, abs=5 * np.sqrt(2 / 9 / found.lost))


def test_duplicates_repeat_the_reading_before():
    n, p = 50_000, 0.2
    found = plan(FaultSettings(duplicated_fraction=p), SEED, 0, n)
    again = found.source != np.arange(n)
    assert again.mean() == pytest.approx(p, abs=5 * np.sqrt(p * (1 - p) / n))
    assert not again[0]
    assert np.array_equal(found.source[1:][again[1:]], found.source[:-1][again[1:]])
    assert found.lost == 0


def test_the_first_trigger_after_configure_is_lost_once():
    settings = FaultSettings(first_trigger_lost=True, trigger_timeout_s=0.25)
    assert plan(settings, SEED, 10, 4).lost == 0
    found = plan(settings, SEED, 10, 4, just_configured=True)
    assert found.timeouts.tolist() == [1, 0, 0, 0]
    assert found.times_ns(0, 1000).tolist() == [250_000_000 + 1000 * k for k in range(4)]
    assert found.duration_ns(1000) == 250_004_000


def test_a_dropped_frame_costs_a_frame_time():
    found = plan(FaultSettings(dropped_fraction=0.5), SEED, 0, 100)
    assert found.duration_ns(1000) == 1000 * (100 + found.lost)
    times = found.times_ns(0, 1000)
    assert times[-1] == 1000 * (99 + found.lost)
    assert np.array_equal(np.diff(times), 1000 * (1 + found.dropped[1:]))


@given(st.lists(st.integers(1, 30), min_size=1, max_size=10), st.integers(0, 2**31), st.booleans())
def test_batching_changes_nothing(sizes, first, configured):
    """Delivered readings (here: frame numbers), losses and times, in one call or in several."""
    total = sum(sizes)
    whole = plan(ALL, SEED, first, total, configured)
    numbers = first + np.arange(total)
    before = -123
    delivered = np.where(whole.source >= 0, numbers[whole.source], before)
    start, now_ns, kept = 0, 1_000, before
    for size in sizes:
        part = plan(ALL, SEED, first + start, size, configured and start == 0)
        here = slice(start, start + size)
        got = np.where(part.source >= 0, numbers[here][part.source], kept)
        assert np.array_equal(got, delivered[here])
        assert np.array_equal(part.dropped, whole.dropped[here])
        assert np.array_equal(part.timeouts, whole.timeouts[here])
        assert np.array_equal(part.times_ns(now_ns, 777), whole.times_ns(1_000, 777)[here])
        now_ns += part.duration_ns(777)
        start, kept = start + size, int(got[-1])
    assert now_ns == 1_000 + whole.duration_ns(777)


@pytest.mark.parametrize(("first", "configured"), [(0, False), (9, True)])
def test_the_first_reading_is_never_an_older_one(first, configured):
    settings = FaultSettings(duplicated_fraction=0.5)
    assert all(plan(settings, seed, first, 1, configured).source[0] == 0 for seed in range(30))
    assert any(plan(settings, seed, 9, 1).source[0] == -1 for seed in range(30))


def test_more_than_half_lost_is_refused():
    with pytest.raises(ValidationError, match=r"0\.6 of all frames lost exceeds 0\.5; lower one"):
        FaultSettings(dropped_fraction=0.3, trigger_loss_fraction=0.3)

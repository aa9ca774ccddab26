"""Frames are matched to patterns by the camera's count; what cannot be told is not believed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.bench_sequence import MOST_REPEATED, Counts, GaveUp, Sequence, Shown, collect

from opu.parts import CameraFrame

PIXELS = np.zeros((1, 1), np.uint8)


def taken(numbers, n, lead=0, **sequence):
    s = Sequence(n, lead, **sequence)
    for number in numbers:
        s.take(number if isinstance(number, CameraFrame) else CameraFrame(number, PIXELS))
    return s.outcome()


@given(st.data())
def test_any_order_repetition_and_gap_before_the_last(data):
    """Every pattern whose frame came is believed once, the others are lost, and nothing else is."""
    n, lead = data.draw(st.integers(1, 30)), data.draw(st.integers(0, 1))
    came = data.draw(st.sets(st.integers(0, n + lead - 1))) | {n + lead - 1}
    order = data.draw(st.permutations(sorted(came)))
    extra = data.draw(st.lists(st.sampled_from(order), max_size=5))
    outcome = taken([*order, *extra], n, lead)
    assert outcome.doubt == ""
    assert set(outcome.believed) == {number - lead for number in came if number >= lead}
    assert outcome.counts == Counts(lost=n - len(outcome.believed), repeated=len(extra))


@pytest.mark.parametrize("numbers", [[0, 1, 2], [0, 1, 2, 3, 4], [], [3, 4], [-1]])
def test_too_few_or_too_many_frames_leave_nothing_to_believe(numbers):
    outcome = taken(numbers, 4)
    assert len(outcome.believed) == 0
    assert outcome.doubt
    assert outcome.counts.doubtful == 1


def test_incomplete_frames_are_known_but_not_believed():
    outcome = taken([0, CameraFrame(1, PIXELS, complete=False), 2], 3)
    assert outcome.believed.tolist() == [0, 2]
    assert outcome.counts == Counts(incomplete=1)


def test_two_frames_of_one_time_are_both_refused():
    frames = [CameraFrame(k, PIXELS, timestamp_s=t) for k, t in enumerate([0.0, 0.1, 0.1, 0.3])]
    outcome = taken(frames, 4)
    assert outcome.believed.tolist() == [0, 3]
    assert outcome.counts == Counts(frozen=2)


@pytest.mark.parametrize(
    ("times_s", "good"),
    [
        ([0.0, 0.1, 0.2, 0.3], True),
        ([5.0, 5.104, 5.198, 5.301], True),
        ([0.0, 0.1, 0.3, 0.4], False),  # a trigger lost, and one too many elsewhere
        ([0.0, 0.1, 0.13, 0.23], False),
    ],
)
def test_a_clocks_frames_are_a_period_apart(times_s, good):
    frames = [CameraFrame(k, PIXELS, timestamp_s=t) for k, t in enumerate(times_s)]
    outcome = taken(frames, 4, frame_time_s=0.1)
    assert (len(outcome.believed) == 4) is good
    assert ("apart" in outcome.doubt) is not good


def test_gaps_are_counted_in_periods():
    frames = [CameraFrame(k, PIXELS, timestamp_s=0.1 * k) for k in (0, 3, 4)]
    assert taken(frames, 5, frame_time_s=0.1).believed.tolist() == [0, 3, 4]


def test_time_runs_with_the_numbers():
    frames = [CameraFrame(k, PIXELS, timestamp_s=t) for k, t in enumerate([0.2, 0.1])]
    assert "older" in taken(frames, 2).doubt


def test_an_endless_repetition_ends():
    assert "again and again" in taken([0] * (MOST_REPEATED + 5), 2).doubt


def test_collect_shows_what_is_missing_and_no_more():
    rounds = []

    def show(asked):
        rounds.append(asked.tolist())
        believed = np.arange(0, len(asked), 2)
        return Shown(believed, Counts(lost=len(asked) - len(believed)))

    counts = collect(7, 4, 2, show)
    assert rounds == [[0, 1, 2, 3], [1, 3, 4, 5], [3, 5, 6], [5]]
    assert counts == Counts(lost=2 + 2 + 1)


def test_a_doubtful_sequence_is_cut_to_pieces_and_given_up_after_the_bound():
    rounds = []

    def show(asked):
        rounds.append(len(asked))
        return Shown(np.empty(0, np.intp), Counts(doubtful=1), "because")

    with pytest.raises(GaveUp) as error:
        collect(100, 64, 4, show)
    assert rounds == [64, 16, 4, 1, 1]
    assert (error.value.missing, error.value.rounds, error.value.reason) == (100, 5, "because")


def test_counts_add_and_read():
    total = Counts(lost=1) + Counts(lost=2, frozen=1, doubtful=3)
    assert str(total) == "frames 3 lost, 1 frozen; 3 sequences doubtful"
    assert str(Counts()) == "no frame lost"

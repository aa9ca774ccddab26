"""What became of frames, from the patterns that they were found to show."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from opu.hw_tests.check_frames import _cause, _power

N = 400


def asked(seed=0):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.integers(1, 48, N)) % 48


def cause(shown):
    wrong = np.flatnonzero(shown != asked())
    return _cause(asked(), shown, wrong)[0]


@example(set(range(11, 22)))  # as many as are left of the first one's call
@given(st.sets(st.integers(0, N // 10 - 1), min_size=1, max_size=20))
def test_single_frames(tenths):
    places = 10 * np.array(sorted(tenths)) + 5
    places = places[asked()[places - 1] != asked()[places + 1]]  # else nothing tells late from early
    assume(len(places) > 0)
    late, early = asked().copy(), asked().copy()
    late[places], early[places] = asked()[places - 1], asked()[places + 1]
    assert cause(late) == "duplicated frames"
    assert cause(early) == "lost frames"


@pytest.mark.parametrize("first", [1, 20, 80])
def test_all_frames_from_one_on(first):
    """Within a call: the count starts anew with the next."""
    stop = 128
    late, early = asked().copy(), asked().copy()
    late[first:stop], early[first:stop] = asked()[first - 1 : stop - 1], asked()[first + 1 : stop + 1]
    assert cause(late) == "a trigger was lost"
    assert cause(early) == "a frame was lost"


def test_others_are_in_wrong_order():
    shuffled = asked().copy()
    shuffled[10:60] = shuffled[10:60][::-1]
    assert cause(shuffled) == "frames in wrong order"


def test_power_against_one_frame_in_a_hundred():
    assert _power(512) == pytest.approx(1 - 0.99**512)
    assert _power(512) > 0.99

"""Numbers follow the exposures through wraps, losses and repetitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.drivers.block_numbers import BlockNumbers

from opu.errors import DeviceError

STEPS = st.lists(st.one_of(st.integers(1, 3), st.integers(1, 32_000), st.just(0), st.integers(-5, -1)), max_size=60)


def id16(exposure: int) -> int:
    return exposure % 65_535 + 1


@given(first_lost=st.integers(0, 9000), steps=STEPS)
def test_sixteen_bit_ids(first_lost, steps):
    exposures = [first_lost]
    for step in steps:
        exposures.append(max(0, exposures[-1] + step))
    numbers = BlockNumbers(1)
    assert [numbers.number(id16(exposure)) for exposure in exposures] == exposures


@given(begin=st.integers(0, 200_000), steps=STEPS)
def test_a_camera_that_does_not_begin_anew(begin, steps):
    exposures = [begin]
    for step in steps:
        exposures.append(max(begin, exposures[-1] + step))
    numbers = BlockNumbers("any")
    assert [numbers.number(id16(exposure)) for exposure in exposures] == [exposure - begin for exposure in exposures]


@pytest.mark.parametrize("first", [0, 1])
def test_long_ids_do_not_wrap(first):
    numbers = BlockNumbers(first)
    assert [numbers.number(k + first) for k in (0, 30_000, 60_000, 65_534, 65_535, 65_536, 65_537, 90_000)] == [
        *(0, 30_000, 60_000, 65_534, 65_535, 65_536, 65_537, 90_000)
    ]


def test_a_first_id_from_elsewhere_is_refused():
    with pytest.raises(DeviceError, match=r'block id 65401.*begin at 1.*first_block = "any"'):
        BlockNumbers(1).number(65_401)
    with pytest.raises(DeviceError, match="block id 0"):
        BlockNumbers(1).number(0)

"""Blocks: what goes in comes out, and any damage is noticed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from opu.drivers.messages import FRAMES, HEAD_BYTES, READINGS, block_head, pack_rows, unpack_rows
from opu.drivers.scpi_errors import CHECKSUM, ScpiError

rows = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9))


def content(head, payload):
    whole = head + bytes(payload)
    return whole[2 + int(chr(whole[1])) :]


@given(rows, st.integers(0, 2**64 - 1))
def test_rows_come_back(array, sequence):
    head, payload = pack_rows(FRAMES, sequence, array)
    block = unpack_rows(FRAMES, content(head, payload))
    assert block.sequence == sequence
    assert np.array_equal(block.rows, array)
    assert head.startswith(block_head(HEAD_BYTES + array.size))


@given(rows, st.data())
def test_any_flipped_bit_is_noticed(array, data):
    """CRC-32 finds every single error, in the head as in the rows."""
    whole = bytearray(content(*pack_rows(READINGS, 7, array)))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    whole[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ScpiError) as caught:
        unpack_rows(READINGS, whole)
    assert caught.value.code == CHECKSUM


@given(st.binary(max_size=60))
def test_anything_else_is_refused(junk):
    with pytest.raises(ScpiError):
        unpack_rows(FRAMES, junk)


def test_frames_are_not_readings():
    with pytest.raises(ScpiError, match="OPUF"):
        unpack_rows(READINGS, content(*pack_rows(FRAMES, 1, np.zeros((1, 1), np.uint8))))

"""Frame numbers from the transport's block ids."""

from __future__ import annotations

from typing import Literal, TypeAlias

from opu.errors import DeviceError

FirstBlock: TypeAlias = int | Literal["any"]

CYCLE = 65_535
"""16-bit ids run from 1 to 65535; 0 is skipped (GigE Vision 1.2, GVSP)."""
FARTHEST_FIRST = 10_000


class BlockNumbers:
    """Block ids -> frame numbers from 0, through wraps of 16-bit ids: equal ids give equal numbers, a gap stays a gap.

    first: id of the first frame since start, 1 in GigE Vision and 0 in USB3 Vision; "any" for a camera that does not
    begin anew at each start: the first frame received is then number 0, and one lost before it shows only in their count.
    Ids beyond 65535 (64-bit block ids, GigE Vision 2.x, USB3 Vision) do not wrap. Between two frames received fewer than
    32768 may be lost.
    """

    def __init__(self, first: FirstBlock) -> None:
        self._first = first
        self._last_id = 0
        self._number: int | None = None

    def number(self, block_id: int) -> int:
        """Number of the frame with this id; DeviceError if the first one is too far from where ids should begin."""
        if self._number is None:
            self._number = 0 if self._first == "any" else block_id - self._first
            if not 0 <= self._number <= FARTHEST_FIRST:
                raise DeviceError(
                    f"the first frame has block id {block_id}, and they should begin at {self._first}; if this camera does not "
                    'begin anew at each start, set first_block = "any"'
                )
        else:
            self._number += _step(self._last_id, block_id)
        self._last_id = block_id
        return self._number


def _step(last: int, block_id: int) -> int:
    if max(last, block_id) > CYCLE or min(last, block_id) < 1:
        return block_id - last
    return (block_id - last + CYCLE // 2) % CYCLE - CYCLE // 2

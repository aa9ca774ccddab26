"""A measurement in blocks: one is shown while the readings of the one before travel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, DeviceSpec, Readings
from opu.frames import packed_width

from .messages import FRAMES, HEAD_BYTES, pack_rows
from .session import Block, Session

BLOCK_S = 0.5
"""A block lasts at most about this long: what is being shown when a link breaks is shown to its end."""

AHEAD = 2
"""Blocks sent whose readings have not come back: one being shown, one in line."""


def measure_blocks(
    packed: NDArray[np.uint8],
    spec: DeviceSpec,
    acquisition: Acquisition,
    block_bytes: int,
    first: int,
    session: Session,
    ask: Callable[[Callable[[], Any]], Any],
) -> tuple[Readings, int]:
    """Readings of packed frames, and the sequence number after them; `first` (0: ask for it) is that of the first block.

    ask(action) repeats an action over new links until it succeeds: a block sent again is not shown again.
    """
    step = frames_per_block(spec, acquisition, block_bytes)
    starts = range(0, len(packed), step)
    readings = np.empty((len(packed), spec.n_outputs), spec.reading_dtype)
    wait_s = session.settings.timeout_s / 2
    if not first:
        first = int(ask(lambda: session.ask("next")))
    sent = 0

    def fetch(k: int) -> bool:
        """One exchange: blocks not sent yet, up to AHEAD, and the readings of block k if they are there."""
        nonlocal sent
        upto = min(k + AHEAD, len(starts))
        going, sent = range(sent, upto), k  # should this fail, all from k on are sent again
        blocks = [_block(first + j, packed[starts[j] : starts[j] + step]) for j in going]
        part = readings[starts[k] : starts[k] + step]
        there = session.ask_readings(first + k, wait_s, blocks, memoryview(part.reshape(-1).view(np.uint8).data))
        sent = upto
        return there

    for k in range(len(starts)):
        while not ask(partial(fetch, k)):
            pass
    return readings, first + len(starts)


def frames_per_block(spec: DeviceSpec, acquisition: Acquisition, block_bytes: int) -> int:
    """As many as fit by size and time; a multiple of the reference arm's phases, at least one cycle of them."""
    row_bytes = max(packed_width(spec.n_inputs), spec.n_outputs * spec.reading_dtype.itemsize)
    most = min((block_bytes - HEAD_BYTES) // row_bytes, int(BLOCK_S / (acquisition.frame_time_s or 1e-9)))
    cycle = max(1, len(acquisition.reference_rad))
    return max(1, most // cycle) * cycle


def _block(sequence: int, rows: NDArray[np.uint8]) -> Block:
    head, content = pack_rows(FRAMES, sequence, rows)
    return Block(head[-HEAD_BYTES:], content)

"""Exactly once: blocks are shown in the order of their numbers, and their readings kept to be asked for again."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from threading import Condition, Thread
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from .messages import READINGS, Rows, pack_rows
from .scpi_errors import FORGOTTEN, GAP, NOT_SHOWN, ScpiError, coded

Packed: TypeAlias = NDArray[np.uint8]
Reply: TypeAlias = tuple[bytes, memoryview]

DEPTH = 4
"""Blocks that wait to be shown; the next accept() waits until there is room."""

MOST_KEPT = 4096


@dataclass(frozen=True)
class Counts:
    """repeated: blocks that came again and were not shown again. asked_again: readings given out more than once."""

    shown: int = 0
    repeated: int = 0
    asked_again: int = 0
    failed: int = 0


class NotNow(Exception):
    """Raised by `show` when it showed nothing and may be asked again: the block's number is free again."""


class ShowQueue:
    """A thread that shows blocks through `show`(packed frames) -> readings, one after another.

    keep_bytes: how much is kept of readings that have been given out; the latest is always kept. When a block fails,
    those after it are not shown until its error has been fetched: they belong to the same measurement.
    """

    def __init__(self, show: Callable[[Packed], NDArray[Any]], keep_bytes: int) -> None:
        self._show, self._keep_bytes = show, keep_bytes
        self._changed = Condition()
        self._waiting: deque[Rows] = deque()
        self._done: OrderedDict[int, Reply | ScpiError] = OrderedDict()
        self._kept_bytes = 0
        self._showing: int | None = None
        self._next, self._given, self._failed, self._era = 1, 0, 0, 0
        self._stopped = False
        self.counts = Counts()
        self._thread = Thread(target=self._run, name="opu device", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def next_sequence(self) -> int:
        """The number that the next new block must carry."""
        return self._next

    @property
    def kept_bytes(self) -> int:
        """Bytes of readings held."""
        return self._kept_bytes

    def accept(self, block: Rows) -> bool:
        """Queue a block; False if its number was accepted before. ScpiError if numbers in between are missing."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < DEPTH or self._stopped)
            if block.sequence > self._next:
                raise ScpiError(GAP, f"block {block.sequence} came where {self._next} is next; send that first")
            if block.sequence < self._next:
                self._count(repeated=1)
                return False
            self._next += 1
            if self._failed:
                self._keep(block.sequence, self._not_shown())
            else:
                self._waiting.append(block)
            self._changed.notify_all()
            return True

    def reading(self, sequence: int, wait_s: float) -> Reply | None:
        """The readings of a block, None if it is still to be shown after wait_s; raises the error that it met."""
        with self._changed:
            if sequence >= self._next:
                raise ScpiError(GAP, f"block {sequence} has not been sent; {self._next} is next")
            self._changed.wait_for(lambda: sequence in self._done or not self._pending(sequence), wait_s)
            result = self._done.get(sequence)
            if result is None:
                if self._pending(sequence):
                    return None
                raise ScpiError(FORGOTTEN, f"the readings of block {sequence} are no longer kept; measure again")
            if sequence <= self._given:
                self._count(asked_again=1)
            self._given = max(self._given, sequence)
            if isinstance(result, ScpiError):
                if sequence >= self._failed:
                    self._failed = 0
                raise result
            return result

    def drain(self, wait_s: float) -> bool:
        """Wait until nothing is left to show; whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting and self._showing is None, wait_s)

    def purge(self) -> None:
        """Forget the blocks that wait; their numbers are free again. The one being shown goes on."""
        with self._changed:
            if self._waiting:
                self._next = self._waiting[0].sequence
                self._waiting.clear()
            self._changed.notify_all()

    def reset(self) -> None:
        """Start again from number 1, nothing kept; what is being shown is dropped when it is done."""
        with self._changed:
            self._waiting.clear()
            self._done.clear()
            self._kept_bytes = self._given = self._failed = 0
            self._next, self._era = 1, self._era + 1
            self._changed.notify_all()

    def stop(self) -> None:
        """End the thread once the block being shown is done."""
        with self._changed:
            self._stopped = True
            self._waiting.clear()
            self._changed.notify_all()

    def _pending(self, sequence: int) -> bool:
        return sequence == self._showing or any(block.sequence == sequence for block in self._waiting)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    return
                block, era = self._waiting.popleft(), self._era
                self._showing = block.sequence
                self._changed.notify_all()
            result: Reply | ScpiError | None
            try:
                readings = self._show(block.rows)
                result = pack_rows(READINGS, block.sequence, readings.view(np.uint8).reshape(len(readings), -1))
            except NotNow:
                result = None
            except Exception as error:
                result = coded(error)
            with self._changed:
                self._showing = None
                if result is None and era == self._era:
                    self._waiting.clear()
                    self._next = block.sequence
                elif result is not None and era == self._era:
                    self._keep(block.sequence, result)
                self._changed.notify_all()

    def _keep(self, sequence: int, result: Reply | ScpiError) -> None:
        self._done[sequence] = result
        if isinstance(result, ScpiError):
            self._count(failed=1)
            while self._waiting:
                behind = self._waiting.popleft()
                self._done[behind.sequence] = self._not_shown(sequence)
            self._failed = self._failed or sequence
        else:
            self._count(shown=1)
            self._kept_bytes += len(result[1])
        while len(self._done) > 1 and (self._kept_bytes > self._keep_bytes or len(self._done) > MOST_KEPT):
            _, old = self._done.popitem(last=False)
            self._kept_bytes -= 0 if isinstance(old, ScpiError) else len(old[1])

    def _not_shown(self, failed: int | None = None) -> ScpiError:
        return ScpiError(NOT_SHOWN, f"block {failed or self._failed} before it failed; fetch its error first")

    def _count(self, **more: int) -> None:
        self.counts = Counts(**{name: value + more.get(name, 0) for name, value in vars(self.counts).items()})

"""Frames from a stream of viva-genicam, which keeps the newest four: taken one by one, or drained into a longer queue."""

from __future__ import annotations

from collections import deque
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any

MOST_WAITING = 4096


class Drain:
    """A thread that empties the stream into a longer queue; an error reaches whoever grabs next."""

    def __init__(self, stream: Any, timeout_error: type[Exception]) -> None:
        self._stream, self._timeout_error = stream, timeout_error
        self._waiting: deque[Any] = deque(maxlen=MOST_WAITING)
        self._error: Exception | None = None
        self._changed, self._stopping = Condition(), Event()
        self._thread = Thread(target=self._run, name="camera frames", daemon=True)
        self._thread.start()

    def get(self, timeout_s: float) -> Any:
        """The oldest frame waiting, None if none comes in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._error, timeout_s)
            if self._waiting:
                return self._waiting.popleft()
            if self._error is not None:
                raise self._error
            return None

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                frame = next_frame(self._stream, 0.05, self._timeout_error)
            except Exception as error:
                with self._changed:
                    self._error = error
                    self._changed.notify_all()
                return
            if frame is None:
                self._stopping.wait(0.001)  # a stream that has ended answers at once
                continue
            with self._changed:
                self._waiting.append(frame)
                self._changed.notify_all()


def next_frame(stream: Any, timeout_s: float, timeout_error: type[Exception]) -> Any:
    """The next frame, None when none comes: the library tells a timeout from a failure by its words alone."""
    deadline = monotonic() + timeout_s
    try:
        return stream.next_frame(max(1, round(timeout_s * 1e3)))
    except timeout_error as error:
        if "timeout" in str(error).lower() or monotonic() >= deadline:
            return None
        raise

"""The projection of one step measured while the next forward pass is computed, by one thread that has the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import TypeVar

from opu.arrays import Array
from opu.errors import ConfigError, InputError

from .dfa import DFA
from .feedback import Feedback
from .graph_data import GraphData
from .method import Method
from .progress import Place, Replays, place_of
from .sample import Source

T = TypeVar("T")


@dataclass
class _Asked:
    error: Array
    signal: Future[Array] = field(default_factory=Future)
    started_at: Place | None = None


class Ahead:
    """A feedback whose projections are measured in order by one thread of its own; nothing else talks to the device.

    ask(error) queues a projection; project(error), given that same array, waits for it; done() forgets the oldest. Other
    errors are projected at once, when nothing is queued. After a failure no queued projection is shown any more. The
    readings depend on the order of the calls alone, not on when threads run.
    """

    def __init__(self, feedback: Feedback) -> None:
        self._feedback = feedback
        self._asked: deque[_Asked] = deque()
        self._failed: BaseException | None = None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="opu-projection")

    @property
    def name(self) -> str:
        """The feedback's."""
        return self._feedback.name

    @property
    def n_errors(self) -> int:
        """The feedback's."""
        return self._feedback.n_errors

    @property
    def width(self) -> int:
        """The feedback's."""
        return self._feedback.width

    @property
    def frames_shown(self) -> int:
        """The feedback's, once the projections queued are done."""
        return self._by_worker(lambda: self._feedback.frames_shown)

    @property
    def device_seconds(self) -> float:
        """The feedback's, once the projections queued are done."""
        return self._by_worker(lambda: self._feedback.device_seconds)

    @property
    def device_joules(self) -> float:
        """The feedback's, once the projections queued are done; 0 where it does not tell."""
        return self._by_worker(lambda: float(getattr(self._feedback, "device_joules", 0.0)))

    def ask(self, error: Array) -> None:
        """Queue the projection of an error (B, n_errors), which must stay as it is until it is done."""
        asked = _Asked(error)
        self._asked.append(asked)
        asked.signal = self._submit(lambda: self._shown(asked))

    def project(self, error: Array) -> Array:
        """Return the projection (B, width) of an error: the oldest asked for, or any when none is queued."""
        if not self._asked:
            return self._by_worker(lambda: self._feedback.project(error))
        if self._asked[0].error is not error:
            raise InputError(
                "pipeline: another error is asked for than the oldest that is being projected; use pipeline = 0"
            )
        return self._asked[0].signal.result()

    def done(self) -> None:
        """The oldest projection has been used."""
        self._asked.popleft()

    def place(self) -> Place | None:
        """Where the device stood when it began with the oldest projection that is not done, or stands now; waits for it."""
        now = self._by_worker(lambda: place_of(self._feedback))
        started = self._asked[0].started_at if self._asked else None
        return now if started is None else started

    def go_to(self, place: Place) -> None:
        """Put the device there, where it can be put."""
        if isinstance(self._feedback, Replays):
            self._by_worker(lambda: self._feedback.go_to(place))  # type: ignore[attr-defined]

    def halt(self) -> None:
        """Show nothing more of what is queued; returns when the device is idle."""
        self._failed = self._failed or InterruptedError("the pipeline was halted")
        for asked in self._asked:
            asked.signal.cancel()
        self._by_worker(lambda: None)

    def close(self) -> None:
        """Wait for the device and end the thread."""
        self._worker.shutdown(wait=True, cancel_futures=True)

    def _shown(self, asked: _Asked) -> Array:
        if self._failed is not None:
            raise self._failed
        try:
            asked.started_at = place_of(self._feedback)
            return self._feedback.project(asked.error)
        except BaseException as error:
            self._failed = error
            raise

    def _by_worker(self, task: Callable[[], T]) -> T:
        return self._submit(task).result()

    def _submit(self, task: Callable[[], T]) -> Future[T]:
        # The context carries NumPy's error state, which is the caller's and not the thread's.
        return self._worker.submit(copy_context().run, task)


@contextmanager
def ahead_of(method: Method, dataset: Source, depth: int) -> Iterator[Ahead | None]:
    """Let the method's feedback be asked ahead while inside; None for depth 0, where nothing changes.

    depth 1: a step takes the longer of computing and projecting instead of their sum, and the weights of its forward pass
    lack the update of the step before. Raises ConfigError for another method than dfa, a graph (one step an epoch), or
    another depth.
    """
    if depth == 0:
        yield None
        return
    if depth != 1 or not isinstance(method, DFA) or isinstance(dataset, GraphData):
        raise ConfigError(
            f"pipeline = {depth} with method {method.name} on {dataset.name}: 1 overlaps the projections of dfa with the next "
            "step's forward pass, for data in batches; use 0"
        )
    feedback = method.feedback
    ahead = Ahead(feedback)
    method.feedback = ahead
    try:
        yield ahead
    finally:
        method.feedback = feedback
        ahead.close()

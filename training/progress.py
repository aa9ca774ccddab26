"""What a checkpoint knows beyond whole epochs: an epoch cut short, where the device stood, and losses by step."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from opu.arrays import Array
from opu.errors import InputError

from .optimiser import Optimiser, State
from .waiting import Waiting

PROGRESS = "progress"
"""Name, among the optimiser's arrays of a checkpoint, under which it is stored as JSON in bytes."""

AHEAD = "ahead/"
"""How the names of the arrays of a forward pass ahead of its update begin, beside it."""

POINTS = 1000
"""About how many losses are kept of a run, whatever its length."""


@dataclass(frozen=True)
class Place:
    """Where a simulated device stands: number of its next frame, and its time in s since it was first opened."""

    frame: int
    time_s: float


@runtime_checkable
class Replays(Protocol):
    """A feedback whose device may be put back to a place, so that what follows repeats bit for bit."""

    def place(self) -> Place | None:
        """Where the device stands now; None when it cannot be put elsewhere."""
        ...

    def go_to(self, place: Place) -> None:
        """Put the device there; what it has counted stays."""
        ...


def place_of(feedback: object) -> Place | None:
    """Return where a feedback's device stands, None where it has none or one that cannot be put elsewhere."""
    return feedback.place() if isinstance(feedback, Replays) else None


class Step(NamedTuple):
    """One update: its number in the run (from 1), mean loss, rows told right, rows."""

    number: int
    loss: float
    correct: int
    seen: int


@dataclass(frozen=True)
class Partial:
    """An epoch so far: updates made, sums over their batches, and costs (s, J; frames include those of a failed call)."""

    steps: int = 0
    loss_sum: float = 0.0
    correct: int = 0
    seen: int = 0
    seconds: float = 0.0
    frames: int = 0
    device_seconds: float = 0.0
    device_joules: float = 0.0

    def and_steps(self, steps: Sequence[Step]) -> Partial:
        """Return the epoch after more updates."""
        loss_sum = self.loss_sum
        for step in steps:
            loss_sum += step.loss * step.seen  # one by one, since the order of a sum of floats shows
        return replace(
            self,
            steps=self.steps + len(steps),
            loss_sum=loss_sum,
            correct=self.correct + sum(step.correct for step in steps),
            seen=self.seen + sum(step.seen for step in steps),
        )


@dataclass(frozen=True)
class StepLog:
    """Mean loss of every `every` steps, under the number of the last of them; `total` and `count` are of those since."""

    every: int = 1
    steps: tuple[int, ...] = ()
    losses: tuple[float, ...] = ()
    total: float = 0.0
    count: int = 0

    def and_steps(self, steps: Sequence[Step]) -> StepLog:
        """Return the log after more steps."""
        numbers, losses, total, count = list(self.steps), list(self.losses), self.total, self.count
        for step in steps:
            total, count = total + step.loss, count + 1
            if step.number % self.every == 0:
                numbers.append(step.number)
                losses.append(total / count)
                total, count = 0.0, 0
        return StepLog(self.every, tuple(numbers), tuple(losses), total, count)

    @classmethod
    def of(cls, n_steps: int) -> StepLog:
        """Return an empty log for a run of so many steps."""
        return cls(max(1, -(-n_steps // POINTS)))


@dataclass(frozen=True)
class Progress:
    """Where a run stands between two updates.

    place: of the device then; begun: of the device when the run began (None: nothing has been shown yet). drifts: whether
    the medium was found to drift too fast, and is watched no more. waiting: of a pipeline, the forward pass of the next
    update, made by weights that lack the last one.
    """

    partial: Partial = field(default_factory=Partial)
    place: Place | None = None
    begun: Place | None = None
    drifts: bool = False
    log: StepLog = field(default_factory=StepLog)
    waiting: Waiting | None = field(default=None, compare=False, repr=False)

    def array(self) -> NDArray[np.uint8]:
        """Return all but the arrays as bytes of JSON, uint8[n]; floats come back exactly."""
        table = asdict(replace(self, waiting=None))
        del table["waiting"]
        return np.frombuffer(json.dumps(table, allow_nan=False).encode(), np.uint8)

    @classmethod
    def from_array(cls, stored: NDArray[Any]) -> Progress:
        """Read `array()` back. Raises InputError for anything else."""
        try:
            table = json.loads(bytes(stored.astype(np.uint8)))
            log = table["log"]
            return cls(
                partial=Partial(**table["partial"]),
                place=_place(table["place"]),
                begun=_place(table["begun"]),
                drifts=bool(table["drifts"]),
                log=StepLog(**(log | {"steps": tuple(log["steps"]), "losses": tuple(log["losses"])})),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"progress of an epoch is unreadable ({error}): the file is damaged") from error


@dataclass(frozen=True)
class WithProgress:
    """An optimiser for a checkpoint to store, with the progress beside its arrays, in the same file or not at all."""

    optimiser: Optimiser
    progress: Progress

    def step(self, gradients: Sequence[Array | None], learning_rate: float) -> None:
        """As the optimiser does."""
        self.optimiser.step(gradients, learning_rate)

    def state(self) -> State:
        """The optimiser's arrays and the progress."""
        waiting = self.progress.waiting or {}
        return {
            **self.optimiser.state(),
            PROGRESS: self.progress.array(),
            **{AHEAD + name: array for name, array in waiting.items()},
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """As the optimiser does."""
        self.optimiser.load_state(state)


def progress_in(arrays: Mapping[str, NDArray[Any]]) -> Progress | None:
    """Return the progress among a checkpoint's arrays, None in files of before there was any. Raises InputError."""
    stored = arrays.get(f"optimiser/{PROGRESS}")
    if stored is None:
        return None
    prefix = f"optimiser/{AHEAD}"
    waiting = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    return replace(Progress.from_array(stored), waiting=waiting or None)


def _place(table: Mapping[str, Any] | None) -> Place | None:
    return None if table is None else Place(**table)

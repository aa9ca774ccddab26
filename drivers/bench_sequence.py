"""Which pattern does a frame show? The camera's own count decides; where it cannot, nothing of the sequence is believed.

A sequence is one arming of the camera: an exposure for each of n patterns. What goes wrong, and what shows it:

======================== ================================================ =======================================
fault                    what is seen                                     what follows
======================== ================================================ =======================================
frame lost on its way    a gap in the numbers                             its pattern is known: shown again
packets missing          the frame says so                                likewise
frame frozen             the camera's time, or the image, of another one  likewise
delivered twice          a number seen before                             the second is thrown away
out of order             a number below the last one                      nothing: the number is what counts
trigger lost             fewer frames than patterns; a double interval    all of the sequence is shown again
trigger of no pattern    more frames than patterns; a short interval      likewise
modulator missed a pulse its count is not the camera's                    likewise
last frame lost          fewer frames than patterns                       likewise: a lost trigger looks the same
======================== ================================================ =======================================

Faults that cancel within one sequence show in the camera's times where a clock paces the frames, and nowhere else: by software,
an exposure too many and right after it a trigger or the last frame lost; by the camera, an exposure too many, a pulse missed
and the last frame lost.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from opu.parts import CameraFrame

Indices: TypeAlias = NDArray[np.intp]

MOST_REPEATED = 64
SHRINK = 4
"""After a sequence that brought nothing the next is so many times shorter; after one that did, twice as long again."""


@dataclass(frozen=True)
class Counts:
    """What went wrong, in frames, and how often a whole sequence was doubtful."""

    lost: int = 0
    incomplete: int = 0
    repeated: int = 0
    frozen: int = 0
    doubtful: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))

    def __str__(self) -> str:
        said = {name: getattr(self, name) for name in self.__dataclass_fields__}
        frames = [f"{said[name]} {name}" for name in ("lost", "incomplete", "repeated", "frozen") if said[name]]
        words = [f"frames {', '.join(frames)}"] if frames else []
        if self.doubtful:
            words.append(f"{self.doubtful} sequences doubtful")
        return "; ".join(words) or "no frame lost"


@dataclass(frozen=True)
class Shown:
    """What became of one sequence: positions, within what was asked, to be believed; counts; why the rest is doubtful."""

    believed: Indices
    counts: Counts
    doubt: str = ""


@dataclass
class Sequence:
    """Frames as they come, matched to n_patterns patterns after lead_frames exposures of none.

    frame_time_s: the clock's period, where a clock paces the frames: the camera's times are then held against it.
    """

    n_patterns: int
    lead_frames: int = 0
    frame_time_s: float | None = None
    doubt: str = ""
    highest: int = -1
    incomplete: int = 0
    repeated: int = 0
    frozen: int = 0
    _accepted: set[int] = field(default_factory=set)
    _seen: set[int] = field(default_factory=set)
    _number_at_s: dict[float, int] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Exposures of the whole sequence."""
        return self.n_patterns + self.lead_frames

    @property
    def ended(self) -> bool:
        """Whether the last exposure has been seen, or the rest is of no use."""
        return bool(self.doubt) or self.highest == self.n_frames - 1

    def take(self, frame: CameraFrame) -> int | None:
        """The pattern it shows, or None where its pixels are not wanted. Provisional until outcome()."""
        number = frame.number
        if not 0 <= number < self.n_frames:
            self.doubt = f"frame number {number} of {self.n_frames}: a trigger of no pattern"
            return None
        self.highest = max(self.highest, number)
        if number in self._seen:
            self.repeated += 1
            if self.repeated > self.n_frames + MOST_REPEATED:
                self.doubt = f"the camera delivers frame {number} again and again"
            return None
        if frame.complete:
            self._seen.add(number)
        else:
            self.incomplete += 1
        if frame.timestamp_s is not None:
            other = self._number_at_s.setdefault(frame.timestamp_s, number)
            if other != number:  # either may be the image of the other
                self._refuse(other)
                self._refuse(number)
                return None
        if number < self.lead_frames or not frame.complete:
            return None
        self._accepted.add(number)
        return number - self.lead_frames

    def refuse(self, pattern: int) -> None:
        """Its frame turned out to be an image of something else."""
        self._refuse(pattern + self.lead_frames)

    def outcome(self) -> Shown:
        """What is to be believed, when no more frames come."""
        doubt = self.doubt or self._shortage() or self._irregularity()
        kept = [] if doubt else sorted(number - self.lead_frames for number in self._accepted)
        lost = 0 if doubt else self.n_patterns - len(kept) - self.incomplete - self.frozen
        counts = Counts(max(0, lost), self.incomplete, self.repeated, self.frozen, int(bool(doubt)))
        return Shown(np.array(kept, np.intp), counts, doubt)

    def _refuse(self, number: int) -> None:
        self._accepted.discard(number)
        self.frozen += 1

    def _shortage(self) -> str:
        if self.ended:
            return ""
        return f"{self.highest + 1} of {self.n_frames} frames came: a trigger lost, or the last frame"

    def _irregularity(self) -> str:
        for (earlier_s, before), (later_s, after) in pairwise(sorted(self._number_at_s.items())):
            if after < before:
                return f"frame {after} is older than frame {before}, by the camera's clock"
            if self.frame_time_s is None:
                continue
            expected_s = (after - before) * self.frame_time_s
            if abs(later_s - earlier_s - expected_s) > self.frame_time_s / 2:
                return (
                    f"frames {before} and {after} are {later_s - earlier_s:.3g} s apart, not {expected_s:.3g} s: a trigger "
                    "lost, or one of no pattern"
                )
        return ""


class GaveUp(Exception):
    """So many rounds brought nothing new."""

    def __init__(self, missing: int, rounds: int, counts: Counts, reason: str) -> None:
        super().__init__(missing, rounds, counts, reason)
        self.missing, self.rounds, self.counts, self.reason = missing, rounds, counts, reason


def collect(n_patterns: int, longest: int, retries: int, show: Callable[[Indices], Shown]) -> Counts:
    """Show until every pattern has a frame to be believed; GaveUp after retries + 1 rounds in a row that bring none.

    show: shows those patterns as one sequence, at most `longest` long. What it says is to be believed is not shown again.
    """
    todo, counts, barren, length = np.arange(n_patterns), Counts(), 0, longest
    while len(todo):
        asked = todo[:length]
        shown = show(asked)
        counts += shown.counts
        todo = np.concatenate([np.delete(asked, shown.believed), todo[len(asked) :]])
        if len(shown.believed):
            barren, length = 0, min(longest, 2 * length)
            continue
        barren += 1
        if barren > retries:
            raise GaveUp(len(todo), barren, counts, shown.doubt or str(shown.counts))
        length = max(1, len(asked) // SHRINK)
    return counts

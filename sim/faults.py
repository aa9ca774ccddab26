"""Frames that go wrong between panel and camera: dropped, without trigger, or delivered twice.

Every showing of a frame has its own hashed chance, numbered by the frame and by how often it was shown before, so what
happens to a frame does not depend on the batch it comes in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .clock import to_ns
from .fault_settings import FaultSettings
from .hashing import words
from .noise import stream_seed

LOSS_STREAM = 0x4C4F5353
DUPLICATE_STREAM = 0x445550


@dataclass(frozen=True)
class FaultPlan:
    """What happens to the n frames of one call.

    source: intp[n], index within the call of the frame whose reading is delivered; -1: the last reading that the call
    before delivered. dropped: int64[n], showings of each frame that the camera missed; timeouts: int64[n], those whose
    trigger was lost; both are noticed and the frame is shown again, so they cost time only.
    """

    source: NDArray[np.intp]
    dropped: NDArray[np.int64]
    timeouts: NDArray[np.int64]
    timeout_ns: int

    @property
    def lost(self) -> int:
        """Showings lost and repeated: what `DeviceStatus.frames_dropped` counts."""
        return int(self.dropped.sum() + self.timeouts.sum())

    def times_ns(self, start_ns: int, frame_time_ns: int) -> NDArray[np.int64]:
        """int64[n]: when the showing that the camera saw of each frame began, for a call that begins at start_ns."""
        before = np.cumsum(self.dropped * frame_time_ns + self.timeouts * self.timeout_ns)
        times: NDArray[np.int64] = start_ns + before + frame_time_ns * np.arange(len(self.source), dtype=np.int64)
        return times

    def duration_ns(self, frame_time_ns: int) -> int:
        """Time the call takes."""
        frames = len(self.source) + int(self.dropped.sum())
        return frames * frame_time_ns + int(self.timeouts.sum()) * self.timeout_ns


def plan(
    settings: FaultSettings, noise_seed: int, first_frame: int, n_frames: int, just_configured: bool = False
) -> FaultPlan:
    """What happens to frames number first_frame onwards; `just_configured`: the first of them is the first since configure().

    A showing is lost with the sum of both loss fractions, and what is lost is shown until it is seen. A reading is
    duplicated by its fraction, except the first since configure() and frame 0: the camera has none yet. After a
    duplicated reading, a duplicated one repeats the same reading again.
    """
    frames = np.arange(first_frame, first_frame + n_frames)
    dropped, timeouts = np.zeros(n_frames, np.int64), np.zeros(n_frames, np.int64)
    source = np.arange(n_frames, dtype=np.intp)
    lost_fraction = settings.trigger_loss_fraction + settings.dropped_fraction
    waiting, showing = np.arange(n_frames) if lost_fraction else np.arange(0), 0
    while waiting.size:
        chance = _uniform(stream_seed(noise_seed, LOSS_STREAM), frames[waiting], showing)
        untriggered = chance < settings.trigger_loss_fraction
        lost = chance < lost_fraction
        timeouts[waiting[untriggered]] += 1
        dropped[waiting[lost & ~untriggered]] += 1
        waiting, showing = waiting[lost], showing + 1
    if settings.first_trigger_lost and just_configured and n_frames:
        timeouts[0] += 1
    if settings.duplicated_fraction:
        chance = _uniform(stream_seed(noise_seed, DUPLICATE_STREAM), frames, 0)
        fresh = (chance >= settings.duplicated_fraction) | (frames == 0)
        fresh[:1] |= just_configured
        source = np.maximum.accumulate(np.where(fresh, source, -1))
    return FaultPlan(source, dropped, timeouts, to_ns(settings.trigger_timeout_s))


def _uniform(seed: int, frames: NDArray[np.int64], showing: int) -> NDArray[np.float64]:
    """float64[n] in (0, 1), 52 bits."""
    bits = words(seed, frames, [showing])[:, 0] >> np.uint64(12)
    chance: NDArray[np.float64] = (bits.astype(np.float64) + 0.5) * 2.0**-52
    return chance

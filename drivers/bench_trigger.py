"""Three ways to pace a sequence: by this computer, by the modulator's clock, by the camera's exposures.

Each shows the loaded patterns 0 to n - 1 and hands every frame that a pattern may own to `see`. Nothing is believed before
the camera has no more frames to give: a superfluous exposure leaves one over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from opu.errors import DeviceError, DeviceLost
from opu.parts import Camera, CameraFrame, Modulator

from .bench_sequence import Counts, Sequence, Shown

See: TypeAlias = Callable[[int, CameraFrame], bool]
"""see(pattern, frame): take the pixels; False if they are the image of another pattern."""
Pause: TypeAlias = Callable[[], None]
"""Called between frames: raises if the bench is being closed, waits where frames have a time."""


@dataclass(frozen=True)
class Timing:
    """frame_time_s: from pattern to pattern. late_s: how long a frame may take to come, its exposure included."""

    frame_time_s: float
    late_s: float
    lead_frames: int = 0

    @property
    def empty_s(self) -> float:
        """No frame for so long: the camera has none left."""
        return min(self.late_s, 2 * self.frame_time_s)


def by_software(modulator: Modulator, camera: Camera, n: int, timing: Timing, see: See, pause: Pause) -> Shown:
    """Pattern, trigger, frame, one by one. A frame that does not come ends the sequence; those before it are good.

    They are good because the camera has none left then: had there been an exposure too many, one would be waiting.
    """
    sequence, triggers = Sequence(n), 0
    try:
        camera.start()
        while not sequence.doubt and sequence.highest == triggers - 1 and triggers < n:
            pause()
            modulator.show(triggers)
            camera.trigger()
            triggers += 1
            _take_next(sequence, camera, timing.late_s, see, triggers)
        _drain(sequence, camera, timing, see, triggers)
    finally:
        _stop(modulator, camera)
    # The camera has none left: only the last one can be missing.
    sequence.n_patterns = sequence.highest + 1
    shown = sequence.outcome()
    if shown.doubt or sequence.n_patterns == triggers:
        return shown
    missing = f"no frame came within {timing.late_s:g} s of a trigger"
    return replace(shown, counts=shown.counts + Counts(lost=1), doubt=missing)


def by_modulator(modulator: Modulator, camera: Camera, n: int, timing: Timing, see: See, pause: Pause) -> Shown:
    """The modulator's clock paces; its pulse at each pattern exposes the camera."""
    sequence = Sequence(n, frame_time_s=timing.frame_time_s)
    try:
        camera.start()
        modulator.start(timing.frame_time_s, "software")
        while not sequence.ended:
            pause()
            if not _take_next(sequence, camera, timing.late_s, see, n):
                break
        _drain(sequence, camera, timing, see, n)
        if sequence.ended:
            _check_end(sequence, modulator, timing.late_s)
    finally:
        _stop(modulator, camera)
    return sequence.outcome()


def by_camera(modulator: Modulator, camera: Camera, n: int, timing: Timing, see: See, pause: Pause) -> Shown:
    """This computer triggers the camera, and its exposures pulse the modulator.

    After a frame that does not come, the next one's number tells whether it was exposed, and so whether the modulator was
    pulsed. The last one has no next: without it nothing is believed. The modulator's count is looked at before the last
    exposure too, whose pulse might make up for one that it missed.
    """
    sequence, exposed = Sequence(n, timing.lead_frames), 0
    try:
        camera.start()
        modulator.start(timing.frame_time_s, "hardware")
        while not sequence.ended and exposed < sequence.n_frames:
            pause()
            if exposed == sequence.n_frames - 1:
                _check_count(sequence, modulator, n - 1 + timing.lead_frames)
            camera.trigger()
            exposed += 1
            if _take_next(sequence, camera, timing.late_s, see, exposed):
                exposed = sequence.highest + 1
        _drain(sequence, camera, timing, see, exposed)
        if sequence.ended:
            _check_end(sequence, modulator, timing.late_s)
    finally:
        _stop(modulator, camera)
    return sequence.outcome()


TRIGGERS: dict[
    Literal["software", "modulator", "camera"], Callable[[Modulator, Camera, int, Timing, See, Pause], Shown]
] = {"software": by_software, "modulator": by_modulator, "camera": by_camera}


def _take_next(sequence: Sequence, camera: Camera, late_s: float, see: See, triggers: int) -> bool:
    """Frames until one is newer than all before; whether it came."""
    before = sequence.highest
    while sequence.highest == before and not sequence.doubt:
        frame = _next(camera, late_s)
        if frame is None:
            return False
        _take(sequence, frame, see, triggers)
    return True


def _drain(sequence: Sequence, camera: Camera, timing: Timing, see: See, triggers: int) -> None:
    while not sequence.doubt and (frame := _next(camera, timing.empty_s)) is not None:
        _take(sequence, frame, see, triggers)


def _take(sequence: Sequence, frame: CameraFrame, see: See, triggers: int) -> None:
    if frame.number >= triggers:
        sequence.doubt = f"frame number {frame.number} came after {triggers} triggers: one of no pattern"
        return
    pattern = sequence.take(frame)
    if pattern is not None and not see(pattern, frame):
        sequence.refuse(pattern)


def _next(camera: Camera, timeout_s: float) -> CameraFrame | None:
    try:
        return camera.grab(timeout_s)
    except DeviceLost:
        raise
    except DeviceError:
        return None


def _check_end(sequence: Sequence, modulator: Modulator, late_s: float) -> None:
    try:
        modulator.wait(late_s)
    except DeviceLost:
        raise
    except DeviceError as error:
        sequence.doubt = sequence.doubt or f"the modulator is not at its end ({error}): a trigger lost"
    _check_count(sequence, modulator, sequence.n_patterns)


def _check_count(sequence: Sequence, modulator: Modulator, expected: int) -> None:
    shown = modulator.status().frames
    if shown is not None and shown != expected and not sequence.doubt:
        sequence.doubt = f"the modulator showed {shown} patterns, not {expected}: a trigger lost, or one of no pattern"


def _stop(modulator: Modulator, camera: Camera) -> None:
    try:
        modulator.stop()
    finally:
        camera.stop()

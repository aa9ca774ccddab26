"""Frames: every pattern read once, in order, none lost, none twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.characterization.quantity import Quantity

from .check import Check
from .measured import exposure, good, half_on
from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

N_PATTERNS, N_FRAMES, N_REPEATS = 48, 512, 6
BLOCK, N_RUN = 128, 8
CLEAR = 5.0
"""Standard deviations by which another pattern must fit better than a frame's own, and its own fit badly."""


class Matched(NamedTuple):
    """asked: the pattern each frame should show. found: the pattern it fits, -1 none clearly. margin: by which the best
    fit beats the next, in deviations."""

    asked: NDArray[np.intp]
    found: NDArray[np.intp]
    margin: float


def _matched(session: Session) -> Matched:
    """Patterns in random order, no two alike in a row; each frame recognised among patterns learned before, one by one."""

    def measure() -> Matched:
        n = N_FRAMES * session.thorough
        rng = session.rng("frames")
        patterns = half_on(session, N_PATTERNS, "frames")
        bench, working = good(session), exposure(session)
        repeated = bench.show(np.repeat(patterns, N_REPEATS, axis=0), working)
        # The median of repeats: a frame lost or doubled while learning spoils one of them.
        learned = np.median(repeated.reshape(N_PATTERNS, N_REPEATS, -1), axis=1)
        steps = rng.integers(1, N_PATTERNS, n)
        asked = np.cumsum(steps) % N_PATTERNS
        shown = np.concatenate(
            [bench.show(patterns[part], working) for part in np.split(asked, range(BLOCK, n, BLOCK))]
        )
        middle = learned.mean(axis=0)
        known, seen = learned - middle, shown - middle
        known /= np.linalg.norm(known, axis=1, keepdims=True) + 1e-12
        seen = seen / (np.linalg.norm(seen, axis=1, keepdims=True) + 1e-12)
        fit = seen @ known.T
        own = fit[np.arange(n), asked]
        others = fit.copy()
        others[np.arange(n), asked] = -1.0
        best = others.argmax(axis=1)
        deviation = 1 / np.sqrt(known.shape[1])
        clear = others.max(axis=1) > own + CLEAR * deviation
        found = np.where(clear, best, np.where(own > CLEAR * deviation, asked, -1))
        ordered = np.sort(fit, axis=1)
        margin = float(np.median(ordered[:, -1] - ordered[:, -2]) / deviation)
        return Matched(asked, found, margin)

    return session.shared("frames", measure)


def _each(session: Session) -> Outcome:
    asked, found, margin = _matched(session)
    n = len(asked)
    wrong = np.flatnonzero((found != asked) & (found >= 0))
    statistics = Statistics(
        "every frame recognised among 48 patterns, 5 standard deviations", n, session.significance, power=_power(n)
    )
    figure = Quantity(len(wrong) / n, float(np.sqrt(max(len(wrong), 1)) / n))
    limit = Limit("most", session.limits.lost_frames, key="lost_frames")
    more: dict[str, Any] = {
        "figure": figure,
        "limit": limit,
        "statistics": statistics,
        "data": {"frames": wrong.tolist()[:500]},
    }
    if margin < CLEAR:
        return unjudged("frames are too noisy to tell which pattern each shows; raise the light", **more)
    if len(wrong) <= session.limits.lost_frames * n:
        return passed(f"each of {n} frames showed its own pattern", **more)
    cause, text = _cause(asked, found, wrong)
    return failed(cause, f"{len(wrong)} of {n} frames: {text}", **more)


def _power(n: int) -> float:
    """Against one frame in a hundred."""
    return 1 - 0.99**n


def _cause(asked: NDArray[np.intp], found: NDArray[np.intp], wrong: NDArray[np.intp]) -> tuple[str, str]:
    before, after = np.roll(asked, 1), np.roll(asked, -1)
    inside = wrong[(wrong > 0) & (wrong < len(asked) - 1)]
    late = inside[found[inside] == before[inside]]
    early = inside[found[inside] == after[inside]]
    first = int(wrong[0])
    run = any(
        _runs_on(wrong[wrong // BLOCK == block], min(len(asked), (block + 1) * BLOCK)) for block in set(wrong // BLOCK)
    )
    if len(late) > 0.6 * len(wrong):
        if run:
            return "a trigger was lost", (
                f"from frame {first} on, readings belong to the pattern before: the modulator did not step, or a frame came "
                "twice and moved all others; check the trigger line and the frame counter"
            )
        return "duplicated frames", (
            f"single frames (the first is {first}) show the pattern before again; the camera delivers a frame twice, or "
            "exposes before the mirrors have settled: check the trigger delay"
        )
    if len(early) > 0.6 * len(wrong):
        if run:
            return "a frame was lost", (
                f"from frame {first} on, readings belong to the next pattern: a frame was lost on its way; check the link's "
                "packet loss and the frame counter"
            )
        return "lost frames", f"single frames (the first is {first}) show the next pattern: check the trigger delay"
    return "frames in wrong order", (
        f"frames (the first is {first}) show patterns of other frames; check the upload order and the frame counter"
    )


def _runs_on(wrong: NDArray[np.intp], stop: int) -> bool:
    """Whether from the first wrong frame of a call nearly all are wrong, up to its end at `stop`."""
    return len(wrong) > N_RUN and len(wrong) > 0.7 * (stop - int(wrong[0]))


def _counters(session: Session) -> Outcome:
    frames, working = half_on(session, 32, "counters"), exposure(session)
    session.measure(frames, working)
    before = session.opu.status()
    session.measure(frames, working)
    after = session.opu.status()
    counted, dropped = after.frames_shown - before.frames_shown, after.frames_dropped
    if counted != len(frames):
        return failed(
            "the frame counter lies",
            f"{len(frames)} frames were shown and the counter went on by {counted}; lost frames would go unseen",
        )
    share = dropped / max(1, after.frames_shown)
    figure = Quantity(share, float(np.sqrt(max(dropped, 1)) / max(1, after.frames_shown)))
    if share > max(session.limits.lost_frames, 0.01):
        return failed(
            "lost frames",
            f"{dropped} of {after.frames_shown} frames were dropped and shown again; check cables, packet size and power",
            figure=figure,
        )
    return passed(f"{len(frames)} frames counted as {counted}; {dropped} dropped since opening", figure=figure)


CHECKS = (
    Check(
        "frames.each",
        "every pattern is read once, in order",
        _each,
        test="512 frames (standard 2048, soak 8192) told apart among 48 patterns; faults in 1 % are missed once in 170",
        faults=("duplicated frames", "a trigger was lost", "a frame was lost", "lost frames", "frames in wrong order"),
        headline="",
    ),
    Check(
        "frames.counters",
        "the device counts the frames it shows",
        _counters,
        faults=("the frame counter lies", "lost frames"),
    ),
)

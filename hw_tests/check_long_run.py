"""Hours of frames, kept round by round, so that an interrupted run goes on where it was."""

from __future__ import annotations

import io
import json
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.characterization.quantity import Quantity
from opu.files import write_atomic

from .check import Check
from .measured import exposure, half_on
from .outcome import Limit, Outcome, Statistics, failed, passed
from .session import Session

N_FRAMES, ROUND_CALLS, ROUND_S = 64, 100, 60.0
SELDOM = 1e-3
"""Share of frames dropped and shown again that a long run may have, where no limit allows more."""
FIRST = "first.npy"


def _long_run(session: Session) -> Outcome:
    """Rounds of frames for `hours` of the device's time; each round is kept."""
    rounds = resumed(session.journal)
    working, frames = exposure(session), half_on(session, N_FRAMES, "long run")
    session.measure(frames, working)
    first = _first(session.journal, session.opu.device.measure(frames), fresh=not rounds)
    done_s = rounds[-1]["seconds"] if rounds else 0.0
    while done_s < 3600 * session.hours:
        before, start = session.opu.status(), perf_counter()
        for _ in range(ROUND_CALLS):
            shown = session.opu.device.measure(frames)
            if perf_counter() - start > ROUND_S:
                break
        after = session.opu.status()
        done_s += max(after.device_seconds - before.device_seconds, perf_counter() - start)
        rounds.append(
            {
                "seconds": done_s,
                "frames": after.frames_shown - before.frames_shown,
                "dropped": after.frames_dropped - before.frames_dropped,
                "level_dn": float(shown.mean(dtype=np.float64)),
                "correlation": float(np.corrcoef(first.ravel(), shown.ravel().astype(np.float64))[0, 1]),
                "temperature_c": after.temperature_c,
            }
        )
        session.say(f"long run, {done_s / 3600:.2f} of {session.hours:g} h")
        if session.journal is not None:
            with session.journal.open("a", encoding="utf-8") as file:
                file.write(json.dumps(rounds[-1]) + "\n")
    return _judged(session, rounds)


def _judged(session: Session, rounds: list[dict[str, Any]]) -> Outcome:
    shown, lost = sum(r["frames"] for r in rounds), sum(r["dropped"] for r in rounds)

    def draw(axes: Any) -> None:
        hours = [r["seconds"] / 3600 for r in rounds]
        axes.plot(hours, [r["correlation"] for r in rounds], color="tab:blue", label="correlation with the first")
        axes.plot(hours, [r["level_dn"] / rounds[0]["level_dn"] for r in rounds], color="tab:red", label="light")
        axes.set(xlabel="hours")
        axes.legend()

    share = lost / max(1, shown)
    most = max(session.limits.lost_frames, SELDOM)
    more: dict[str, Any] = {
        "draw": draw,
        "figure": Quantity(share, float(np.sqrt(lost + 1) / max(1, shown))),
        "limit": Limit("most", most, key="lost_frames"),
        "statistics": Statistics("every frame counted", shown, session.significance),
        "data": {"rounds": len(rounds), "hours": rounds[-1]["seconds"] / 3600 if rounds else 0.0},
    }
    if share > most:
        return failed(
            "lost frames", f"{lost} of {shown} frames of a long run were dropped; check cables and packet size", **more
        )
    worst = min((r["correlation"] for r in rounds), default=1.0)
    return passed(f"{shown} frames, {lost} dropped; images correlate by {worst:.3f} or more with the first", **more)


def resumed(journal: Path | None) -> list[dict[str, Any]]:
    """The rounds of an interrupted run. A last line that was cut off is taken out of the file: the next would follow it."""
    if journal is None or not journal.is_file():
        return []
    rounds: list[dict[str, Any]] = []
    lines = journal.read_text(encoding="utf-8").splitlines(keepends=True)
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            break
        if not (isinstance(found, dict) and line.endswith("\n")):
            break
        rounds.append(found)
    if len(rounds) < len(lines):
        write_atomic(journal, "".join(lines[: len(rounds)]))
    return rounds


def _first(journal: Path | None, shown: NDArray[Any], fresh: bool) -> NDArray[np.float64]:
    """The images that the run began with, kept beside the journal."""
    if journal is None:
        return shown.astype(np.float64)
    kept = journal.with_name(FIRST)
    if fresh or not kept.is_file():
        buffer = io.BytesIO()
        np.save(buffer, shown)
        write_atomic(kept, buffer.getvalue())
    found: NDArray[Any] = np.load(kept)
    return (found if found.shape == shown.shape else shown).astype(np.float64)


CHECKS = (
    Check(
        "timing.long_run",
        "a long run loses no frames; how far its light and images moved is told",
        _long_run,
        level="soak",
        test="every frame of --hours counted",
        faults=("lost frames",),
    ),
)

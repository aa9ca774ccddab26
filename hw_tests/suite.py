"""Every check of a level, one after another, and the verdict: fit, unfit, or not to be judged."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter
from typing import Literal, TypeAlias

from opu.errors import ConfigError, DeviceLost, OPUError

from .check import Check, asked
from .outcome import Outcome, failed, skipped, unjudged
from .session import Session, Unavailable

Fitness: TypeAlias = Literal["fit", "unfit", "unjudged"]
LEAST_BITS = 6
"""With fewer, rounding bends the readings' response to light by more than the limits of healthy devices."""
EXIT_STATUS: dict[Fitness, int] = {"fit": 0, "unfit": 1, "unjudged": 2}


@dataclass(frozen=True)
class Judged:
    """A check, what it said, and what it took."""

    check: Check
    outcome: Outcome
    seconds: float
    frames: int


@dataclass(frozen=True)
class Verdict:
    """All outcomes. fit: nothing failed and nothing was left unjudged; unfit: something failed; unjudged: neither."""

    device: str
    level: str
    started_utc: str
    seconds: float
    judged: tuple[Judged, ...]

    @property
    def fitness(self) -> Fitness:
        """The answer."""
        results = {one.outcome.result for one in self.judged}
        if "failed" in results:
            return "unfit"
        return "unjudged" if "unjudged" in results or "passed" not in results else "fit"

    @property
    def failures(self) -> tuple[Judged, ...]:
        """What is wrong, in the order of the checks: the first is usually the cause of the others."""
        return tuple(one for one in self.judged if one.outcome.result == "failed")


def judge(session: Session, check: Check) -> Judged:
    """One check; an error of the device is a failure, a shared measurement that failed earlier leaves it unjudged."""
    frames, start = _frames(session), perf_counter()
    if check.light and not session.lit:
        outcome = unjudged(f"needs light, and {session.name} emits it: allow it with --allow-laser")
    else:
        try:
            outcome = (too_few_bits(session) if check.light else None) or check.run(session)
        except Unavailable as error:
            outcome = unjudged(f"stands on a measurement that failed: {error}")
        except ConfigError:
            raise
        except DeviceLost as error:
            outcome = failed("device lost", str(error))
        except OPUError as error:
            outcome = failed(_cause(session), str(error))
    return Judged(check, outcome, perf_counter() - start, max(0, _frames(session) - frames))


def too_few_bits(session: Session) -> Outcome | None:
    """Unjudged, where no figure of light could be trusted."""
    bits = session.spec.bit_depth
    if bits >= LEAST_BITS:
        return None
    return unjudged(
        f"the camera has {bits} bits, and its light is judged from {LEAST_BITS} on: choose more bits, or ask `opu budget "
        "--sweep bits=8,4,2,1` what accuracy so few buy"
    )


def _cause(session: Session) -> str:
    """An open interlock explains why a device refuses."""
    return "interlock open" if session.opu.status().interlock == "open" else "device error"


def run(session: Session, checks: Iterable[Check], on_judged: Callable[[Judged], None] = lambda _: None) -> Verdict:
    """Every check that the session's level asks for; the device is closed, dark, whatever happens.

    on_judged: told each outcome as it comes. A lost device ends the run: the checks left are skipped.
    """
    started, start = datetime.now(UTC).isoformat(timespec="seconds"), perf_counter()
    judged: list[Judged] = []
    lost = False
    try:
        for check in (each for each in checks if asked(each, session.level)):
            session.say(check.name)
            one = Judged(check, skipped("the device was lost"), 0.0, 0) if lost else judge(session, check)
            lost = lost or one.outcome.cause == "device lost"
            judged.append(one)
            on_judged(one)
    finally:
        session.close()
    return Verdict(session.name, session.level, started, perf_counter() - start, tuple(judged))


def _frames(session: Session) -> int:
    return session.opu.device.status().frames_shown if session._opu is not None else 0

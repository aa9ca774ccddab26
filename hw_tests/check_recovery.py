"""After closing and opening again, it is the same device with the same medium, and dark until told otherwise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from opu.characterization.quantity import Quantity

from .check import Check
from .judging import z_of
from .measured import exposure, half_on
from .medium_signature import noise_free
from .outcome import Limit, Outcome, failed, passed
from .session import Session

N_PATTERNS, N_REPEATS = 16, 4


def _reopens(session: Session) -> Outcome:
    working, frames = exposure(session), half_on(session, N_PATTERNS, "reopens")
    spec = session.spec

    def halves() -> NDArray[np.float64]:
        shown = np.stack([session.measure(frames, working) for _ in range(N_REPEATS)]).astype(np.float64)
        return np.stack([shown[::2].mean(axis=0), shown[1::2].mean(axis=0)])

    before = halves()
    for _ in range({"quick": 1, "standard": 10, "soak": 50}[session.level]):
        session.close()
        if session.opu.status().light_on:
            return failed("lit at open", "the light is on right after open(); it must wait for the first frame")
    if session.spec != spec:
        return failed("another device", f"after closing and opening the spec is {session.spec}, before it was {spec}")
    after = halves()
    r = noise_free(before, after)
    limit = Limit("least", session.limits.medium_correlation, key="medium_correlation")
    assert r.value is not None
    if r.value + z_of(session) * (r.standard_error or 0.0) < limit.value:
        return failed(
            "another medium after opening",
            f"readings before closing and after opening correlate by {r}, accepted is {limit}; the medium or the alignment "
            "moves when the device starts",
            figure=r,
            limit=limit,
        )
    return passed(f"readings before closing and after opening correlate by {r}", figure=r, limit=limit)


def _health(session: Session) -> Outcome:
    status = session.opu.status()
    temperature = "unknown" if status.temperature_c is None else f"{status.temperature_c:.1f} °C"
    if not status.is_open:
        return failed("closed by itself", "the device says that it is not open, though nobody closed it")
    return passed(
        f"open; temperature {temperature}; interlock {status.interlock}; {status.frames_dropped} frames dropped"
        + (f"; {status.message}" if status.message else ""),
        figure=Quantity(status.temperature_c, None, "°C", note="the device cannot tell"),
    )


CHECKS = (
    Check(
        "recovery.reopens",
        "closed and opened, it is the same device and medium",
        _reopens,
        test="z test of the noise-free correlation of 16 patterns before and after",
        faults=("lit at open", "another device", "another medium after opening"),
        headline="correlation after opening again",
    ),
    Check("recovery.health", "the device is well by its own word", _health, light=False, faults=("closed by itself",)),
)

"""Is it the device that was meant, and the one that was here before?"""

from __future__ import annotations

from .check import Check
from .outcome import Outcome, failed, passed
from .session import Session

SAME = ("kind", "model", "n_inputs", "n_outputs", "bit_depth", "saturation_dn")


def _serial(session: Session) -> Outcome:
    wanted = session.limits.serial or (session.baseline.spec.get("serial") if session.baseline else None)
    found = session.spec.serial
    if wanted is None:
        return passed(f"serial {found!r}; no other is expected (hil.serial, --baseline)")
    if found != wanted:
        return failed(
            "another device",
            f"serial is {found!r}, expected {wanted!r}; connect the device meant, or take a new baseline for this one",
        )
    return passed(f"serial {found!r}, as expected")


def _spec(session: Session) -> Outcome:
    if session.baseline is None:
        return passed("no baseline to compare the spec with")
    before, now = session.baseline.spec, session.spec
    moved = [f"{key} was {before[key]}, is {getattr(now, key)}" for key in SAME if before.get(key) != getattr(now, key)]
    if moved:
        return failed("the spec changed", f"{'; '.join(moved)}; a calibration made before no longer fits")
    return passed("the spec is that of the baseline")


def _fingerprint(session: Session) -> Outcome:
    wanted = session.limits.fingerprint or (session.baseline.spec.get("fingerprint") if session.baseline else None)
    found = session.spec.fingerprint
    if wanted is None:
        return passed(f"fingerprint {found!r}; no other is expected")
    if found != wanted:
        return failed(
            "the medium was replaced",
            f"fingerprint is {found!r}, expected {wanted!r}; trained networks and calibrations belong to the other medium",
        )
    return passed("the fingerprint is the one expected")


CHECKS = (
    Check(
        "identity.serial", "the device is the one meant", _serial, light=False, faults=("another device",), headline=""
    ),
    Check(
        "identity.spec", "size and range are those of the baseline", _spec, light=False, faults=("the spec changed",)
    ),
    Check(
        "identity.fingerprint",
        "the medium is the one the calibration was made for, by the device's own word",
        _fingerprint,
        light=False,
        faults=("the medium was replaced",),
    ),
)

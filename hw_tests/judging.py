"""Figures against limits, with the figure's error: what fails has failed beyond chance."""

from __future__ import annotations

import math
from typing import Any

from scipy.stats import norm

from opu.characterization.quantity import Quantity

from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

ENOUGH_POWER = 0.8


def z_of(session: Session) -> float:
    """Standard errors that chance reaches with the significance of one test, two-sided."""
    return float(norm.isf(session.significance / 2))


def against(
    session: Session,
    figure: Quantity,
    limit: Limit,
    cause: str,
    what: str,
    remedy: str,
    *,
    n: int,
    fault: float | None = None,
    fault_error: float | None = None,
    **more: Any,
) -> Outcome:
    """Failed where the figure lies beyond the limit by more than chance; unjudged where it might, and a fault would not show.

    cause: the fault's name. what: the figure's. n: sample size. fault: value of the figure in the fault this is for, from
    which the power follows; below ENOUGH_POWER the check cannot judge. fault_error: the figure's error there, where it is
    another. A bound counts for the side that it bounds.
    """
    if figure.value is None:
        return unjudged(f"{what}: {figure.note}", figure=figure, limit=limit, **more)
    z, error = z_of(session), figure.standard_error or 0.0
    beyond, sure = _beyond(figure, limit)
    p_value = None if error == 0 else float(2 * norm.sf(max(0.0, beyond / error)))
    power = None
    if fault is not None:
        reach = _beyond(Quantity(fault, 0.0), limit)[0]
        there = error if fault_error is None else fault_error
        power = float(reach > 0) if there == 0 else float(norm.cdf(reach / there - z))
    statistics = Statistics(f"z test of {what} against its limit", n, session.significance, p_value, power)
    kept = {"figure": figure, "limit": limit, "statistics": statistics, **more}
    text = f"{what} is {figure}, accepted is {limit}"
    if sure and beyond > z * error:
        return failed(cause, f"{text}; {remedy}", **kept)
    # A figure that lies within the limit by more than chance needs no power: it is no fault.
    if power is not None and power < ENOUGH_POWER and not -beyond > z * error:
        return unjudged(
            f"{text}, but so uncertain that {cause} might go unseen; a higher --level takes more frames", **kept
        )
    return passed(text, **kept)


def _beyond(figure: Quantity, limit: Limit) -> tuple[float, bool]:
    """How far past the limit, and whether a bound can tell."""
    assert figure.value is not None
    if limit.side == "least":
        return limit.value - figure.value, figure.bound != "lower"
    if limit.side == "most":
        return figure.value - limit.value, figure.bound != "upper"
    distance = abs(figure.value - limit.value) - limit.tolerance
    towards = "lower" if figure.value < limit.value else "upper"
    return distance, figure.bound != towards


def expected(session: Session, check: str, declared: float | None) -> tuple[float, float, str] | None:
    """What a figure should be, its error and where that stands: the config's word, else the baseline's; None: nowhere."""
    if declared is not None:
        return declared, 0.0, "the config"
    kept = session.baseline.figures.get(check) if session.baseline else None
    if not kept or kept.get("value") is None or kept.get("bound"):
        return None
    error = float(kept.get("standard_error") or 0.0)
    when = session.baseline.created_utc if session.baseline else ""
    return float(kept["value"]), error if math.isfinite(error) else 0.0, f"the baseline of {when}"


def with_error(figure: Quantity, error: float) -> Quantity:
    """The figure with the error of what it is compared with added in squares."""
    if figure.value is None:
        return figure
    return Quantity(
        figure.value, math.hypot(figure.standard_error or 0.0, error), figure.unit, figure.bound, figure.note
    )

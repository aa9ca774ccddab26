"""The linear projection that training asks for: linear, and above its noise."""

from __future__ import annotations

import warnings
from typing import Any

from opu import OPU
from opu.characterization.linearity import Linearity, measure_linearity
from opu.errors import CapabilityError, OPUWarning
from opu.retrieval import RETRIEVALS, retrieval_from

from .check import Check
from .check_outputs import snr_error
from .judging import against, z_of
from .measured import good, linearity
from .outcome import Limit, Outcome, failed, passed, unjudged
from .session import Session

N_PAIRS = 4


def _linear(session: Session) -> Outcome:
    found = linearity(session)

    def draw(axes: Any) -> None:
        axes.plot(found.together, found.apart, ".", ms=2, color="0.3")
        axes.axline((0, 0), slope=1, color="tab:red", lw=1)
        axes.set(xlabel="B(x + y)", ylabel="Bx + By")

    if found.additivity.value is None:
        return unjudged(f"no linear projection: {found.additivity.note}")
    limit = Limit("most", session.limits.nonlinear_power, key="nonlinear_power")
    homogeneous = found.homogeneity.value is None or found.homogeneity.value <= limit.value
    return against(
        session,
        found.additivity if homogeneous else found.homogeneity,
        limit,
        "the projection is not linear",
        f"the power of B(x + y) - Bx - By over that of the projection ({found.uses})",
        "the anchor or reference changes between frames, readings saturate, or mirrors leak; calibrate again",
        n=len(found.together),
        fault=0.5,
        draw=draw,
    )


def _signal(session: Session) -> Outcome:
    found = linearity(session).projection_snr
    if found.value is None and found.note.startswith("no noise"):
        return passed(f"one projection: {found.note}", figure=found)
    return against(
        session,
        found,
        Limit("least", session.limits.projection_snr, key="projection_snr"),
        "the projection is too noisy",
        "the signal over noise power of one projection",
        "training needs 0.3, and fails at 0.1: more light, a stronger anchor, or another retrieval",
        n=len(good(session).outputs),
        fault=0.1 * session.limits.projection_snr,
        fault_error=snr_error(0.1 * session.limits.projection_snr, len(good(session).outputs) * N_PAIRS),
    )


def _retrievals(session: Session) -> Outcome:
    """Every retrieval that is linear by its law, and that the device's spec says it can do."""
    told: dict[str, Any] = {}
    worst: list[str] = []
    for name in RETRIEVALS:
        if not retrieval_from(name).exactly_linear:
            continue
        try:
            found = _with(session, name)
        except CapabilityError:
            continue
        if found.additivity.value is None:
            continue
        told[name] = {"additivity": found.additivity.as_json(), "projection_snr": found.projection_snr.as_json()}
        error = found.additivity.standard_error or 0.0
        if found.additivity.value - z_of(session) * error > session.limits.nonlinear_power:
            worst.append(f"{name}: nonlinear power {found.additivity}")
    if not told:
        return unjudged("this device can do no linear retrieval")
    if worst:
        return failed(
            "the projection is not linear",
            f"{'; '.join(worst)}, accepted is {session.limits.nonlinear_power:g}; use another retrieval, or mend its optics",
            data=told,
        )
    return passed(f"linear: {', '.join(told)}", data=told)


def _with(session: Session, name: str) -> Linearity:
    opu = OPU(session.opu.device, retrieval=retrieval_from(name), encoding=session.opu.encoding)
    opu.retrieval.check(opu.spec)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OPUWarning)
        return measure_linearity(opu, good(session))


CHECKS = (
    Check(
        "projection.linear",
        "projections add up: B(x + y) = Bx + By, B(ax) = a Bx",
        _linear,
        test="z test, jackknife over blocks of outputs; power against half of the power",
        faults=("the projection is not linear",),
    ),
    Check(
        "projection.signal",
        "one projection stands above its noise",
        _signal,
        test="z test, jackknife over blocks of outputs; power against a tenth of the limit",
        faults=("the projection is too noisy",),
        headline="signal/noise of a projection",
    ),
    Check(
        "projection.retrievals",
        "every retrieval that is linear by its law is linear on the device",
        _retrievals,
        level="standard",
        test="z test of each retrieval against the limit, jackknife over blocks of outputs",
        faults=("the projection is not linear",),
    ),
)

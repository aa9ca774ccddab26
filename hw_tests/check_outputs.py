"""The outputs one by one: dead, hot, stuck; and the signal they carry."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against
from .measured import bad_outputs, exposure, half_on, signal_to_noise
from .outcome import Limit, Outcome, Statistics, failed, passed
from .session import Session

N_PATTERNS = 48
N_SNR_PATTERNS = 32
LIT = 0.05
STUCK = 1e-3
"""Of the typical variance over patterns: speckle of 48 patterns varies less by chance in one output of 10^30 or fewer."""


def _share(session: Session, found: NDArray[np.intp], limit: float, key: str, cause: str, remedy: str) -> Outcome:
    n = session.spec.n_outputs
    figure = Quantity(len(found) / n, 0.0)
    p_value = float(binom.sf(len(found) - 1, n, limit)) if len(found) else 1.0
    more: dict[str, Any] = {
        "figure": figure,
        "limit": Limit("most", limit, key=key),
        "statistics": Statistics("every output looked at", n, session.significance, p_value, 1.0),
        "data": {"outputs": found.tolist()[:1000]},
    }
    if len(found) > max(limit * n, 0):
        return failed(cause, f"{len(found)} of {n} outputs: {where(session, found)}; {remedy}", **more)
    return passed(f"{len(found)} of {n} outputs" + (f": {where(session, found)}" if len(found) else ""), **more)


def where(session: Session, outputs: NDArray[np.intp]) -> str:
    """Whole columns and rows by name where the outputs are pixels, else runs of outputs."""
    shape = session.spec.output_shape
    if shape is not None:
        mask = np.zeros(shape, np.bool_)
        mask.ravel()[outputs] = True
        lines = [f"column {c}" for c in np.flatnonzero(mask.all(axis=0))] + [
            f"row {r}" for r in np.flatnonzero(mask.all(axis=1))
        ]
        if lines:
            return "the whole of " + ", ".join(lines[:8])
    ends = np.flatnonzero(np.diff(outputs) != 1)
    starts = np.concatenate([[0], ends + 1])
    stops = np.concatenate([ends, [len(outputs) - 1]])
    runs = [str(outputs[a]) if a == b else f"{outputs[a]} to {outputs[b]}" for a, b in zip(starts, stops, strict=True)]
    return ", ".join(runs[:8]) + (f" and {len(runs) - 8} more" if len(runs) > 8 else "")


def _dead(session: Session) -> Outcome:
    return _share(
        session,
        np.setdiff1d(bad_outputs(session).dead, stuck_outputs(session)),
        session.limits.dead_outputs,
        "dead_outputs",
        "dead outputs",
        "they stay dark whatever is shown: leave them out of the region of interest, or clean the optics",
    )


def _hot(session: Session) -> Outcome:
    return _share(
        session,
        np.setdiff1d(bad_outputs(session).hot, stuck_outputs(session)),
        session.limits.hot_outputs,
        "hot_outputs",
        "hot outputs",
        "they read light in the dark: cool the camera, or leave them out",
    )


def stuck_outputs(session: Session) -> NDArray[np.intp]:
    """Those that read the same under every pattern, and not what the dark reads."""

    def measure() -> NDArray[np.intp]:
        frames, working = half_on(session, N_PATTERNS, "stuck"), exposure(session)
        shown = session.measure(frames, working).astype(np.float32)
        variance, level = shown.var(axis=0), shown.mean(axis=0)
        off = session.measure(np.zeros_like(frames[:8]), replace(working, light=not session.spec.can_blank))
        lit = level - float(np.median(off)) > LIT * (float(np.median(level)) - float(np.median(off)))
        return np.flatnonzero(lit & (variance <= STUCK * float(np.median(variance))))

    return session.shared("stuck outputs", measure)


def _stuck(session: Session) -> Outcome:
    return _share(
        session,
        stuck_outputs(session),
        session.limits.dead_outputs,
        "dead_outputs",
        "stuck outputs",
        "they always read the same: leave them out of the region of interest",
    )


def _saturated(session: Session) -> Outcome:
    shown = session.measure(half_on(session, N_PATTERNS, "saturated"), exposure(session))
    clipped = (shown >= session.spec.saturation_dn).mean(axis=0)
    figure = Quantity(float(clipped.mean()), float(clipped.std() / np.sqrt(len(clipped))))
    return against(
        session,
        figure,
        Limit("most", session.limits.saturated, key="saturated"),
        "too many readings saturate",
        "the share of saturated readings at the working exposure",
        "look for stray light or a bright spot in the beam, or lower the exposure",
        n=shown.size,
        fault=0.2,
    )


def _snr(session: Session) -> Outcome:
    found = signal_to_noise(session)
    if found.per_frame.value is None:
        return passed(f"one frame: {found.per_frame.note}", figure=found.per_frame)

    def draw(axes: Any) -> None:
        axes.hist(np.log10(np.clip(found.per_output, 1e-3, 1e6)), 40, color="0.4")
        axes.axvline(np.log10(session.limits.snr_per_frame), color="tab:red", lw=1)
        axes.set(xlabel="log10 signal / noise of one frame", ylabel="outputs")

    return against(
        session,
        found.per_frame,
        Limit("least", session.limits.snr_per_frame, key="snr_per_frame"),
        "too little signal over noise",
        "the signal over noise power of one frame",
        "training needs 0.3, and fails at 0.1: more light, a longer exposure, or a better camera",
        n=len(found.indices),
        fault=0.1 * session.limits.snr_per_frame,
        fault_error=snr_error(0.1 * session.limits.snr_per_frame, len(found.indices) * N_SNR_PATTERNS),
        draw=draw,
    )


def snr_error(snr: float, n: int) -> float:
    """Standard error of a ratio of signal to noise power from n pairs of readings, where it is below 1."""
    return float((1 + snr) * np.sqrt(2 / n))


CHECKS = (
    Check("outputs.dead", "outputs see light", _dead, test="every output, 32 patterns", faults=("dead outputs",)),
    Check(
        "outputs.hot", "outputs are dark without light", _hot, test="every output, 16 frames", faults=("hot outputs",)
    ),
    Check("outputs.stuck", "outputs change", _stuck, test="every output, 48 patterns", faults=("stuck outputs",)),
    Check(
        "outputs.saturated",
        "the working exposure leaves room for the bright tail of speckle",
        _saturated,
        test="z test over outputs; power against 20 % of readings saturated",
        faults=("too many readings saturate",),
    ),
    Check(
        "outputs.signal",
        "one frame holds enough signal over noise to train on",
        _snr,
        test="z test, jackknife over blocks of outputs; power against a tenth of the limit",
        faults=("too little signal over noise",),
        headline="signal/noise of a frame",
    ),
)

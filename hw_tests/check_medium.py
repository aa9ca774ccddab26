"""The medium: is it random, does it keep still, and is it the one that was calibrated?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from opu.characterization.kernel import FLIPPED, N_VECTORS
from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against, z_of
from .measured import exposure, good, half_on, kernel, repeatability, speckle
from .medium_signature import compare, measure_signature
from .outcome import Limit, Outcome, Statistics, failed, passed, unjudged
from .session import Session

N_PATTERNS = 256
N_INPUTS, N_DRAWS = 64, 64
MOST_OUTPUTS = 384
DISTANCE = 0.15
FRAMES_PER_SAMPLE = 4


def _contrast(session: Session) -> Outcome:
    least, most = session.limits.speckle_contrast
    found = speckle(session)
    middle, half = (least + most) / 2, (most - least) / 2

    def draw(axes: Any) -> None:
        x = (found.bin_edges[1:] + found.bin_edges[:-1]) / 2
        axes.semilogy(x, np.maximum(found.density, 1e-6), ".", color="0.3")
        axes.semilogy(x, np.exp(-x), color="tab:red", lw=1)
        axes.set(xlabel="light over its mean", ylabel="density; line: theory", ylim=(1e-4, 2))

    return against(
        session,
        found.contrast,
        Limit("equal", middle, tolerance=half, key="speckle_contrast"),
        "the medium is not random",
        "the contrast of the speckle",
        "fully developed speckle has 1: check polariser, focus, coherence of the laser and stray light",
        n=len(good(session).outputs),
        fault=0.2,
        draw=draw,
    )


def _distribution(session: Session) -> Outcome:
    """Intensities over outputs against the exponential law of the same mean; structure shows as distance."""
    found = speckle(session)
    if not np.isfinite(found.distance):
        return passed("outputs are neighbouring pixels; the contrast judges their light")
    n = len(good(session).outputs)
    figure = Quantity(found.distance, 0.6 / np.sqrt(min(n, 2000)))
    least = session.limits.speckle_contrast[0]
    partly = found.contrast.value is not None and found.contrast.value < 0.9 and found.contrast.value >= least
    return against(
        session,
        figure,
        Limit("most", 2 * DISTANCE if partly else DISTANCE),
        "the medium is not random",
        "Kolmogorov's distance of the light from the exponential law",
        "its light is not that of fully developed speckle: check focus, stray light, and that patterns scatter",
        n=n,
        fault=0.5,
    )


def _rows(session: Session) -> Outcome:
    """Over random patterns no output should know another; the largest squared correlation among neighbours and in all."""
    bench, working = good(session), exposure(session)
    frames = half_on(session, N_PATTERNS, "rows")
    shown = np.stack([bench.show(frames, working) for _ in range(2)])[:, :, :MOST_OUTPUTS].astype(np.float64)
    centred = shown - shown.mean(axis=1, keepdims=True)
    n_outputs = centred.shape[2]
    cross = centred[0].T @ centred[1] / N_PATTERNS
    cross = (cross + cross.T) / 2
    signal = np.diagonal(cross)
    if not signal.mean() > 0:
        return unjudged("readings do not change with the pattern beyond their noise")
    signal = np.maximum(signal, 1e-3 * signal.mean())
    r = cross / np.sqrt(np.outer(signal, signal))
    near = int(np.ceil(3 * session.spec.grain_px)) if session.spec.output_shape is not None else 0
    lags = range(near + 1, min(near + 9, n_outputs - 1))
    by_lag = {lag: np.diagonal(r, lag) for lag in lags}
    # Over a finite number of patterns and inputs independent outputs correlate too, but not alike and not in sign.
    figures = {lag: float(np.median(values)) for lag, values in by_lag.items()}
    worst = max(figures, key=lambda lag: abs(figures[lag])) if figures else 0
    spread = 1.2533 * float(np.std(r[np.triu_indices(n_outputs, near + 1)])) / np.sqrt(max(1, n_outputs - worst))
    figure = Quantity(abs(figures.get(worst, 0.0)), spread)

    def draw(axes: Any) -> None:
        axes.imshow(np.clip(r[:96, :96], -1, 1), cmap="coolwarm", vmin=-1, vmax=1)
        axes.set(xlabel="output", ylabel="output")

    return against(
        session,
        figure,
        Limit("most", session.limits.row_correlation, key="row_correlation"),
        "correlated outputs",
        f"the typical correlation of outputs {worst} apart",
        "they see the same speckle: outputs overlap, blur, or the grain is larger than the spec says",
        n=N_PATTERNS * n_outputs,
        fault=session.limits.row_correlation + 0.2,
        draw=draw,
    )


def _drift(session: Session) -> Outcome:
    found = repeatability(session)
    limits, spec = session.limits, session.spec
    step_s = limits.batch_size * FRAMES_PER_SAMPLE / spec.frame_rate_hz
    least = limits.drift_time_s or limits.drift_steps * step_s
    limit = Limit("least", least, "s", key="drift_time_s" if limits.drift_time_s else "drift_steps")

    def draw(axes: Any) -> None:
        axes.errorbar(found.lag_s, found.correlation, found.correlation_error, fmt="o", ms=3, lw=1)
        axes.axhline(float(np.exp(-2)), color="0.7", lw=1)
        axes.set(xlabel="seconds between two frames of one pattern", ylabel="correlation", xscale="symlog")

    agree = found.at_once.value is not None and found.drift_time_s.note.startswith(
        "readings of one pattern do not agree"
    )
    if agree:
        return failed(
            "the medium drifts", f"{found.drift_time_s.note}; fix the medium mechanically", limit=limit, draw=draw
        )
    if found.drift_time_s.value is None:
        bound = found.lower_bound_s
        if bound.value is None or bound.value < least:
            # A short look cannot exclude a slow drift: it is named only where a level long enough was asked for.
            return (
                passed(
                    f"nothing was seen to move in {found.span_s:.3g} s; the 1/e time is at least {bound}, accepted is {limit}; "
                    "a higher --level looks longer",
                    figure=bound,
                    limit=limit,
                    draw=draw,
                )
                if session.level == "quick"
                else unjudged(f"nothing moved in {found.span_s:.3g} s, too short for {limit}", figure=bound, draw=draw)
            )
        return passed(f"the medium keeps still: its 1/e time is {bound}", figure=bound, limit=limit, draw=draw)
    return against(
        session,
        found.drift_time_s,
        limit,
        "the medium drifts",
        "the 1/e time of the medium",
        f"training at {step_s:.2g} s a step needs more: fix the medium, shield it from heat and air, or use a faster device",
        n=len(found.lag_s),
        draw=draw,
    )


def _kernel(session: Session) -> Outcome:
    found = kernel(session)
    n, chance = int(found.n_features[-1]), float(found.expected[-1])

    def draw(axes: Any) -> None:
        axes.errorbar(found.n_features, found.errors, found.errors_error, fmt="o", ms=3, lw=1)
        axes.plot(found.n_features, found.expected, color="tab:red", lw=1)
        axes.set(xscale="log", yscale="log", xlabel="outputs", ylabel="relative error of the kernel")
        axes.set_xticks(found.n_features[::2], [f"{count:.0f}" for count in found.n_features[::2]])
        axes.tick_params(which="minor", labelbottom=False)

    return against(
        session,
        Quantity(found.error.value, chance * spread_of_chance(n), note=found.error.note),
        Limit("most", chance + session.limits.kernel_error, key="kernel_error"),
        "the kernel is wrong",
        "the relative error of the optical kernel",
        f"independent outputs alone would give {chance:.2g}: the medium is not random, inputs differ in light, or outputs "
        "correlate",
        n=n,
        fault=chance + 5 * session.limits.kernel_error,
        draw=draw,
    )


@lru_cache
def spread_of_chance(n_outputs: int) -> float:
    """Standard deviation over mean of the kernel's error, by simulation of n independent outputs of an ideal medium.

    A few bright outputs make most of the error: the spread of one device's own outputs would tell it badly.
    """
    rng = np.random.default_rng(6)
    parents = rng.permuted(np.tile(np.arange(N_INPUTS) < N_INPUTS // 2, (N_VECTORS // len(FLIPPED), 1)), axis=1)
    x = np.concatenate([parents ^ (rng.random(parents.shape) < share) for share in FLIPPED]).astype(np.float64)
    dot = x @ x.T
    k2 = np.multiply.outer(np.diagonal(dot), np.diagonal(dot)) + dot**2
    field_of, errors = np.linalg.cholesky(dot) / np.sqrt(2), []
    for _ in range(N_DRAWS):
        light = ((field_of @ rng.standard_normal((2, len(x), n_outputs))) ** 2).sum(axis=0)
        errors.append(np.linalg.norm(light @ light.T / n_outputs - k2))
    return float(np.std(errors) / np.mean(errors))


def _kept(session: Session) -> Outcome:
    baseline = session.baseline
    if baseline is None or baseline.signature is None:
        return passed("no baseline to know the medium by")
    if baseline.signature.n_inputs != session.spec.n_inputs or baseline.signature.n_outputs != session.spec.n_outputs:
        return failed("another device", "the baseline's medium has another size; take a new baseline for this device")
    now = session.shared("medium signature", lambda: measure_signature(session))
    found = compare(session, baseline.signature, now)
    limit = Limit("least", session.limits.medium_correlation, key="medium_correlation")
    statistics = Statistics(
        "z test of the noise-free correlation with the baseline's readings", found.n, session.significance, power=1.0
    )
    more: dict[str, Any] = {"figure": found.correlation, "limit": limit, "statistics": statistics}
    assert found.correlation.value is not None
    error = found.correlation.standard_error or 0.0
    if found.correlation.value + z_of(session) * error >= limit.value:
        return passed(f"readings correlate by {found.correlation} with those of {baseline.created_utc}", **more)
    return failed(
        found.cause,
        f"readings correlate by {found.correlation} with those of {baseline.created_utc}, accepted is {limit}; {found.remedy}",
        **more,
    )


CHECKS = (
    Check(
        "medium.kept",
        "the medium is the one of the baseline, its inputs and outputs in their places",
        _kept,
        test="z test of the noise-free correlation with the baseline's readings; power 1 against another medium",
        faults=("the medium was replaced", "outputs shifted", "inputs shifted", "transposed medium", "bytes swapped"),
    ),
    Check(
        "medium.contrast",
        "speckle is fully developed",
        _contrast,
        test="z test, jackknife over blocks of outputs; power against a contrast of 0.2",
        faults=("the medium is not random",),
        headline="speckle contrast",
    ),
    Check(
        "medium.distribution",
        "light over outputs has the exponential law",
        _distribution,
        test="Kolmogorov's distance; power against a distance of 0.5",
        faults=("the medium is not random",),
    ),
    Check(
        "medium.outputs",
        "outputs are independent beyond the grain",
        _rows,
        test="median correlation of outputs up to 8 apart over 256 patterns; power against 0.2 over the limit",
        faults=("correlated outputs",),
        headline="correlation of outputs",
    ),
    Check(
        "medium.drift",
        "the medium keeps still while a network learns it",
        _drift,
        test="fit of correlation against time; z test of its 1/e time",
        faults=("the medium drifts",),
    ),
    Check(
        "medium.kernel",
        "the Gram matrix of readings is the kernel of theory",
        _kernel,
        test="z test, the spread that independent outputs have by simulation; power against five times the limit",
        faults=("the kernel is wrong",),
    ),
)

"""Repeatability against time: the same patterns again and again; how fast their speckle forgets itself."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition
from opu.errors import DeviceError

from .bench import Bench, Floats
from .quantity import Quantity, quantity, unmeasured

N_PATTERNS = 8
N_AT_ONCE = 4
N_ROUNDS = 36
SPAN_S, QUICK_SPAN_S = 30.0, 3.0
SEEN_ERRORS = 4.0
LEAST_CORRELATION = 0.05
ONE_SIDED_95 = 1.645
N_BINS = 24


@dataclass(frozen=True)
class Repeatability:
    """Correlation over outputs of two readings of one pattern: c0 exp(-2 dt / tau) at lag dt, tau = drift_time_s.

    rate_per_s: 2 / tau, which may come out as 0 or a little below. drift_time_s has no value where nothing was seen to
    move; lower_bound_s is then what 95 % confidence allows. at_once: c0, below 1 by noise alone. lag_s, correlation,
    correlation_error: means over bins of lag, for a plot.
    """

    drift_time_s: Quantity
    lower_bound_s: Quantity
    rate_per_s: Quantity
    at_once: Quantity
    span_s: float
    lag_s: Floats
    correlation: Floats
    correlation_error: Floats


def measure_repeatability(bench: Bench, acquisition: Acquisition) -> Repeatability:
    """Patterns shown four times at once, then in rounds ever further apart, up to 30 s of the device's time (quick: 3)."""
    frames = bench.frames(bench.patterns(N_PATTERNS, purpose=1))
    readings, times_s = _rounds(bench, frames, acquisition)
    return analyse(bench, readings, times_s)


def analyse(bench: Bench, readings: Floats, times_s: Floats) -> Repeatability:
    """readings: (n_patterns, n_times, n_outputs) DN, taken at times_s (n_patterns, n_times) of the device's clock."""
    n_times = readings.shape[1]
    first, second = np.triu_indices(n_times, 1)
    lag = np.abs(times_s[:, second] - times_s[:, first]).ravel()
    blocks = _sums(bench, readings)

    def correlations(total: Floats) -> Floats:
        n = total[0, 0, 0]
        sums, products = total[:, 1:, 0] / n, total[:, 1:, 1:] / n
        covariance = products - sums[:, :, None] * sums[:, None, :]
        spread = np.sqrt(np.maximum(np.diagonal(covariance, axis1=1, axis2=2), 1e-12))
        r: Floats = (covariance / (spread[:, :, None] * spread[:, None, :]))[:, first, second].ravel()
        return r

    total = blocks.sum(axis=0)
    whole = correlations(total)
    c0, rate = _fit(lag, whole)
    others = [correlations(total - block) for block in blocks]
    fits = np.array([_fit(lag, other, (c0, rate)) for other in others])
    errors = _spread(fits)
    edges = _edges(lag)
    bin_of = np.digitize(lag, edges)
    used = np.unique(bin_of)
    means = np.array([whole[bin_of == b].mean() for b in used])
    mean_errors = _spread(np.array([[other[bin_of == b].mean() for b in used] for other in others]))
    lags = np.array([lag[bin_of == b].mean() for b in used])
    span = float(lag.max())
    agree = bool(means[0] > max(5 * mean_errors[0], LEAST_CORRELATION))
    drift, bound = _drift_time(rate, float(errors[1]), agree, span)
    return Repeatability(
        drift,
        bound,
        quantity(rate, float(errors[1]), "1/s"),
        quantity(c0, float(errors[0])),
        span,
        lags,
        means,
        mean_errors,
    )


def _drift_time(rate: float, error: float, agree: bool, span_s: float) -> tuple[Quantity, Quantity]:
    if not agree or not np.isfinite(rate):
        note = "readings of one pattern do not agree from one frame to the next: drift faster than frames, or no signal"
        return unmeasured("s", note), unmeasured("s", note)
    if rate > SEEN_ERRORS * error:
        return Quantity(2 / rate, 2 * error / rate**2, "s"), Quantity(
            2 / (rate + ONE_SIDED_95 * error), None, "s", "lower"
        )
    lower = 2 / max(rate + ONE_SIDED_95 * error, ONE_SIDED_95 * error, 1e-12)
    note = f"nothing was seen to move in {span_s:.3g} s"
    return unmeasured("s", note), Quantity(lower, None, "s", "lower", "95 % confidence")


def _rounds(bench: Bench, frames: NDArray[np.bool_], acquisition: Acquisition) -> tuple[Floats, Floats]:
    n = len(frames)
    span = QUICK_SPAN_S if bench.quick else SPAN_S
    bench.show(frames[:1], acquisition)
    clock = _Clock(bench, own=bench.device.status().device_seconds > 0)
    times, readings = [], []
    start = clock.now_s()
    shown = bench.show(np.repeat(frames, N_AT_ONCE, axis=0), acquisition).reshape(n, N_AT_ONCE, -1)
    per_frame = (clock.now_s() - start) / (n * N_AT_ONCE)
    times += list((start + per_frame * np.arange(n * N_AT_ONCE).reshape(n, N_AT_ONCE)).T)
    readings += list(shown.transpose(1, 0, 2))
    shortest = bench.device.configure(acquisition).frame_time_s or per_frame
    # Rounds whose length grows by one factor from the shortest to a fifth of the span.
    lengths = np.geomspace(n * shortest, max(n * shortest, span / 5), N_ROUNDS)
    lengths *= min(1.0, span / lengths.sum()) if lengths.sum() > span else 1.0
    for length in lengths:
        slower = replace(acquisition, frame_time_s=max(length / n, shortest))
        start = clock.now_s()
        try:
            shown = bench.show(frames, slower)
        except DeviceError:  # a device that cannot wait so long between frames
            shown = bench.show(frames, acquisition)
        per_frame = (clock.now_s() - start) / n
        times.append(start + per_frame * np.arange(n))
        readings.append(shown)
    order = np.stack(readings, axis=1).astype(np.float64)
    return order, np.stack(times, axis=1)


@dataclass(frozen=True)
class _Clock:
    """The device's own time where it counts one, else ours."""

    bench: Bench
    own: bool

    def now_s(self) -> float:
        """Seconds since some moment."""
        return self.bench.device.status().device_seconds if self.own else time.monotonic()


def _sums(bench: Bench, readings: Floats) -> Floats:
    """By block of outputs: (1, x) (1, x)^T summed over outputs, for each pattern's times x; an offset is taken off first."""
    block = bench.block_of_output
    centred = readings - readings.mean()
    ones = np.ones((len(readings), 1, readings.shape[2]))
    both = np.concatenate([ones, centred], axis=1)
    return np.stack(
        [both[..., block == b] @ both[..., block == b].transpose(0, 2, 1) for b in range(int(block.max()) + 1)]
    )


def _fit(lag: Floats, correlation: Floats, start: tuple[float, float] | None = None) -> tuple[float, float]:
    """(c0, rate) of c0 exp(-rate lag), weighted least squares by Gauss and Newton; a pair's weight is 1/(1 - c^2)^2.

    That is the sampling variance of a correlation coefficient, times the number of outputs.
    """
    if start is None:
        short = lag <= np.quantile(lag, 0.1)
        c0 = float(np.clip(correlation[short].mean(), 1e-3, 1.0))
        half = np.interp(-0.6 * c0, *_decay(lag, correlation))
        start = c0, 0.5 / max(float(half), 1e-9) if correlation.min() < 0.8 * c0 else 0.0
    c0, rate = start
    for _ in range(30):
        decay = np.exp(-np.clip(rate * lag, -1.0, 50.0))
        model = c0 * decay
        weight = 1 / (1 - np.minimum(model, 1.0) ** 2 + 0.01)
        design = np.stack([decay, -lag * model], axis=1) * weight[:, None]
        step, *_ = np.linalg.lstsq(design, (correlation - model) * weight, rcond=None)
        c0, new = c0 + step[0], rate + step[1]
        # A step that overshoots zero by far is halved: the law bends.
        rate, old = (new if new > -0.5 / lag.max() else rate / 2), rate
        if abs(rate - old) <= 1e-9 * max(abs(rate), 1e-9):
            break
    return float(c0), float(rate)


def _decay(lag: Floats, correlation: Floats) -> tuple[Floats, Floats]:
    """-correlation (increasing) against lag, smoothed over bins."""
    edges = _edges(lag)
    bin_of = np.digitize(lag, edges)
    used = np.unique(bin_of)
    means = np.array([correlation[bin_of == b].mean() for b in used])
    return np.maximum.accumulate(-means), np.array([lag[bin_of == b].mean() for b in used])


def _edges(lag: Floats) -> Floats:
    return np.geomspace(max(lag[lag > 0].min(), 1e-9), lag.max() * 1.001, N_BINS)[1:]


def _spread(left_out: Floats) -> Floats:
    """Jackknife standard errors from delete-one estimates."""
    n = len(left_out)
    error: Floats = np.sqrt((n - 1) * np.mean((left_out - left_out.mean(axis=0)) ** 2, axis=0))
    return error

"""Time: as fast as the spec says, and steady."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from scipy.stats import binom

from opu import Acquisition
from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against
from .measured import exposure, half_on
from .outcome import Limit, Outcome, Statistics, failed, passed
from .session import Session

N_FRAMES = 256
N_SINGLE = 64
HARMLESS_S, SELDOM = 0.1, 0.01


def _rate(session: Session) -> Outcome:
    """Frames over the device's own seconds, and over the wall's where light is real."""
    spec = session.spec
    shortest = Acquisition(max(spec.exposure_min_s, min(exposure(session).exposure_s, 0.5 / spec.frame_rate_hz)))
    really = session.opu.device.configure(shortest)
    frames = half_on(session, 32, "rate")
    session.measure(frames, shortest)
    before, start = session.opu.status(), perf_counter()
    for _ in range(N_FRAMES // 32):
        session.opu.device.measure(frames)
    wall_s = perf_counter() - start
    own_s = session.opu.status().device_seconds - before.device_seconds
    frame_time_s = max(really.frame_time_s or 0.0, 1 / spec.frame_rate_hz)
    seconds = max(own_s, wall_s) if session.emits_light else own_s
    if own_s <= 0:
        return failed(
            "the clock stands still",
            "status().device_seconds does not go on while frames are shown; its reports mislead",
        )
    share = Quantity(N_FRAMES * frame_time_s / seconds, 0.0)
    return against(
        session,
        share,
        Limit("least", session.limits.frame_rate, key="frame_rate"),
        "slower than it says",
        f"the rate reached over the {1 / frame_time_s:.4g} Hz that the spec and the exposure allow",
        "look at the transfer, at the computer, and at lost frames shown again",
        n=N_FRAMES,
        fault=0.0,
        data={"wall_s": wall_s, "device_s": own_s},
    )


def _latency(session: Session) -> Outcome:
    session.measure(half_on(session, 2, "latency"), exposure(session))
    frame = half_on(session, 1, "latency")
    times = []
    for _ in range(N_SINGLE * session.thorough):
        start = perf_counter()
        session.opu.device.measure(frame)
        times.append(perf_counter() - start)
    median, high = float(np.median(times)), float(np.quantile(times, 0.99))
    figure = Quantity(median, 1.2533 * _spread(times) / float(np.sqrt(len(times))), "s")
    limits = session.limits
    late = sum(each > max(limits.jitter * median, HARMLESS_S) for each in times)
    # More than one in a hundred, beyond chance; a simulator's time is this computer's, and says nothing of a device.
    p_value = float(binom.sf(late - 1, len(times), SELDOM)) if late else 1.0
    statistics = Statistics(
        f"binomial test of late calls against {SELDOM:.0%}",
        len(times),
        session.significance,
        p_value,
        _power(len(times), session.significance),
    )

    def draw(axes: Any) -> None:
        axes.plot(np.sort(times), np.linspace(0, 1, len(times)), color="0.3")
        axes.set(xscale="log", xlabel="seconds from call to reading, one frame", ylabel="share of calls")

    more: dict[str, Any] = {
        "figure": figure,
        "limit": Limit("most", limits.latency_s, "s", key="latency_s"),
        "draw": draw,
        "statistics": statistics,
        "data": {"median_s": median, "p99_s": high, "late": late},
    }
    if median > limits.latency_s:
        return failed(
            "too slow to answer", f"one frame takes {median:.3g} s; look at the transfer and the exposure", **more
        )
    if p_value < session.significance and session.emits_light:
        return failed(
            "jitter",
            f"{late} of {len(times)} calls take over {limits.jitter:g} times the median, {median:.3g} s, the slowest "
            f"{max(times):.3g} s; look for retries, sleep states and other users of the computer or the network",
            **more,
        )
    return passed(f"one frame takes {median:.3g} s, one in a hundred {high:.3g} s", **more)


def _spread(times: list[float]) -> float:
    """Robust standard deviation."""
    return 1.4826 * float(np.median(np.abs(np.asarray(times) - np.median(times))))


def _power(n: int, significance: float) -> float:
    """To see that every fifth call is late."""
    least = int(binom.isf(significance, n, SELDOM)) + 1
    return float(binom.sf(least - 1, n, 0.2))


def _steady(session: Session) -> Outcome:
    """Brightness, dark level and temperature over a run; slow changes are heat."""
    spec, working = session.spec, exposure(session)
    frames = half_on(session, 16, "steady")
    off = Acquisition(working.exposure_s, light=not spec.can_blank)
    lit, dark, temperature = [], [], []
    for _ in range({"quick": 8, "standard": 48, "soak": 960}[session.level]):
        dark.append(float(session.measure(np.zeros_like(frames), off).mean()))
        lit.append(float(session.measure(frames, working).mean()) - dark[-1])
        temperature.append(session.opu.status().temperature_c)
    x = np.linspace(-0.5, 0.5, len(lit))
    slope = np.polyfit(x, lit, 1)[0]
    residual = np.asarray(lit) - np.polyval(np.polyfit(x, lit, 1), x)
    error = float(residual.std(ddof=2) / np.sqrt(len(lit) * x.var()))
    mean = float(np.mean(lit))
    figure = Quantity(abs(slope) / mean, error / mean)

    def draw(axes: Any) -> None:
        axes.plot(np.asarray(lit) / mean, color="tab:red", label="light")
        axes.plot(np.asarray(dark) / max(np.mean(dark), 1e-9), color="0.4", label="dark level")
        axes.set(xlabel="round", ylabel="over its mean")
        axes.legend()

    known = [t for t in temperature if t is not None]
    return against(
        session,
        figure,
        Limit("most", session.limits.thermal_drift, key="thermal_drift"),
        "the light is not steady",
        "the change of the light over the run",
        "let laser and camera warm up, and keep draughts away"
        + (f" ({known[0]:.1f} to {known[-1]:.1f} °C)" if known else ""),
        n=16 * len(lit),
        fault=4 * session.limits.thermal_drift,
        draw=draw,
    )


CHECKS = (
    Check(
        "timing.rate",
        "frames come as fast as the spec says",
        _rate,
        test="256 frames against the device's clock, and the wall's where light is real",
        faults=("slower than it says", "the clock stands still"),
    ),
    Check(
        "timing.latency",
        "one frame is answered soon, and each as soon",
        _latency,
        test="64 calls (standard 256): the median, and a binomial test of late calls against 1 %; power against 20 % late",
        faults=("too slow to answer", "jitter"),
        headline="a frame takes",
    ),
    Check(
        "timing.steady",
        "the light does not change over the run",
        _steady,
        test="z test of the slope over rounds of 16 frames; power against four times the limit",
        faults=("the light is not steady",),
    ),
)

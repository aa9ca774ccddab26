"""Light: it arrives, goes when told to, and follows the exposure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from opu import Acquisition
from opu.characterization.quantity import Quantity
from opu.exposure import blanked

from .check import Check
from .judging import against, expected, with_error, z_of
from .measured import exposure, half_on
from .outcome import Limit, Outcome, Statistics, failed, passed, skipped
from .session import Session, Unavailable

N_FRAMES = 16
ROUNDS = 6
FRACTIONS = (1.0, 0.5, 0.25, 0.125)
SLOPE_TOLERANCE = 0.05
BRIGHTNESS_FACTOR = 2.0


def _arrives(session: Session) -> Outcome:
    spec = session.spec
    frames = half_on(session, N_FRAMES, "arrives")
    dark = np.zeros_like(frames) if not spec.can_blank else frames
    longest, shortest = Acquisition(spec.exposure_max_s), Acquisition(spec.exposure_min_s)
    off = session.measure(dark, replace(longest, light=not spec.can_blank)).mean(axis=1, dtype=np.float64)
    lit = session.measure(frames, longest).mean(axis=1, dtype=np.float64)
    short = session.measure(frames, shortest)
    clipped = float(np.mean(short >= spec.saturation_dn))
    error = float(np.hypot(off.std(ddof=1), lit.std(ddof=1)) / np.sqrt(N_FRAMES))
    error = float(np.hypot(error, 0.3 / np.sqrt(N_FRAMES * spec.n_outputs)))
    excess = Quantity(float(lit.mean() - off.mean()), error, "DN")
    statistics = Statistics("z test of lit over dark frames", N_FRAMES, session.significance)
    if clipped > 0.1:
        return failed(
            "saturated at the shortest exposure",
            f"{clipped:.0%} of readings clip at {spec.exposure_min_s * 1e6:.3g} µs; lower the laser power",
            figure=excess,
            statistics=statistics,
        )
    if float(off.mean()) >= spec.saturation_dn:
        return failed(
            "saturated without light",
            f"dark frames read {off.mean():.0f} of {spec.saturation_dn} DN; cool the camera or lower its black level",
            figure=excess,
        )
    assert excess.value is not None
    if not excess.value > max(z_of(session), 5.0) * error:
        return failed(
            "no light arrives",
            f"frames with half of the inputs on read {excess} over dark ones at the longest exposure, "
            f"{spec.exposure_max_s * 1e3:.3g} ms; check laser, shutter, beam path and lens cap",
            figure=excess,
            statistics=statistics,
        )
    return passed(f"half of the inputs on read {excess} over dark frames at the longest exposure", figure=excess)


def _exposes(session: Session) -> Outcome:
    try:
        found = exposure(session)
    except Unavailable as error:
        return failed("no exposure fits", str(error))
    return passed(f"half of the inputs on read 1/8 of the range at {found.exposure_s * 1e6:.4g} µs")


def _goes(session: Session) -> Outcome:
    """Blanked frames do not know what is on the panel."""
    if not session.spec.can_blank:
        return skipped("this device cannot blank its laser")
    acquisition = exposure(session)
    frames = half_on(session, 4 * N_FRAMES, "goes")
    none = np.zeros_like(frames)
    lit = session.measure(frames, acquisition).mean(dtype=np.float64)
    shown = session.measure(frames, blanked(acquisition)).mean(axis=1, dtype=np.float64)
    off = session.measure(none, blanked(acquisition)).mean(axis=1, dtype=np.float64)
    light = max(float(lit - off.mean()), 1e-9)
    error = float(np.hypot(shown.std(ddof=1), off.std(ddof=1)) / np.sqrt(len(frames)))
    error = float(np.hypot(error, 0.3 / np.sqrt(shown.size * session.spec.n_outputs))) / light
    share = Quantity(float(shown.mean() - off.mean()) / light, error)
    on = session.opu.status().light_on
    if on:
        return failed(
            "light stays on",
            "status() says that the light is on in a blanked acquisition; check the laser's modulation",
        )
    return against(
        session,
        share,
        Limit("most", 0.02),
        "light stays on",
        "the light left in blanked frames",
        "the laser does not go dark: check its modulation or the shutter",
        n=2 * len(frames),
        fault=0.5,
    )


def _dark_level(session: Session) -> Outcome:
    spec = session.spec
    frames = half_on(session, N_FRAMES, "level")
    some = np.zeros_like(frames)
    acquisition = Acquisition(exposure(session).exposure_s, light=not spec.can_blank)
    level = session.measure(some, acquisition).mean(axis=1, dtype=np.float64) / spec.saturation_dn
    figure = Quantity(float(level.mean()), float(level.std(ddof=1) / np.sqrt(len(level))))
    return against(
        session,
        figure,
        Limit("most", session.limits.dark_level, key="dark_level"),
        "the dark level is too high",
        "the dark level, over the range,",
        "lower the black level, cool the camera or look for stray light",
        n=len(frames),
        fault=2 * session.limits.dark_level,
    )


def _follows(session: Session) -> Outcome:
    """log(light) against log(exposure) has slope 1; rounds of interleaved exposures, each a sample of the slope."""
    spec = session.spec
    try:
        working = exposure(session)
    except Unavailable:
        working = Acquisition(spec.exposure_max_s)
    frames = half_on(session, N_FRAMES, "follows")
    none = np.zeros_like(frames)
    exposures = [max(working.exposure_s * f, spec.exposure_min_s) for f in FRACTIONS]
    if exposures[-1] > 0.6 * exposures[0]:
        exposures = [min(working.exposure_s * f, spec.exposure_max_s) for f in (0.25, 0.5, 1.0, 2.0)]
    slopes, per_second = [], []
    for _ in range(ROUNDS):
        levels = []
        for exposure_s in exposures:
            really = session.opu.device.configure(Acquisition(exposure_s, light=not spec.can_blank))
            if abs(really.exposure_s / exposure_s - 1) > 0.5:
                return failed(
                    "exposure in wrong units",
                    f"an exposure of {exposure_s:.3g} s was asked for and {really.exposure_s:.3g} s was set; check the unit",
                )
            off = session.measure(none, Acquisition(exposure_s, light=not spec.can_blank)).mean(dtype=np.float64)
            lit = session.measure(frames, Acquisition(exposure_s)).mean(dtype=np.float64)
            levels.append(max(float(lit - off), 1e-6))
        slopes.append(np.polyfit(np.log(exposures), np.log(levels), 1)[0])
        per_second.append(levels[-1] / exposures[-1])
    slope = Quantity(float(np.mean(slopes)), float(np.std(slopes, ddof=1) / np.sqrt(ROUNDS)))
    session.shared("light per second", lambda: per_second)
    return against(
        session,
        slope,
        Limit("equal", 1.0, tolerance=SLOPE_TOLERANCE),
        "light does not follow the exposure",
        "the slope of log light over log exposure",
        "check that the laser is steady, that the camera really sets the exposure, and in which unit",
        n=ROUNDS * len(exposures) * N_FRAMES,
        fault=0.8,
    )


def _brightness(session: Session) -> Outcome:
    samples: list[float] = session.shared("light per second", list)
    if not samples:
        return skipped("the light was not measured")
    error = float(np.std(np.log(samples), ddof=1) / np.sqrt(len(samples)))
    figure = Quantity(float(np.exp(np.mean(np.log(samples)))), float(np.mean(samples)) * error, "DN/s")
    known = expected(session, "light.brightness", None)
    if known is None:
        return passed(f"half of the inputs on give {figure}; no baseline says what it was", figure=figure)
    was, was_error, where = known
    assert figure.value is not None
    log_ratio = Quantity(float(np.log(figure.value / was)), error)
    outcome = against(
        session,
        with_error(log_ratio, was_error / was),
        Limit("equal", 0.0, tolerance=float(np.log(BRIGHTNESS_FACTOR))),
        "exposure in wrong units" if abs(log_ratio.value or 0) > np.log(100) else "the light changed",
        f"the logarithm of the light over that of {where}",
        f"{figure} now, {was:.4g} DN/s then: check laser power, alignment, camera gain, and the unit of the exposure",
        n=len(samples),
        fault=float(np.log(10)),
    )
    return replace(outcome, figure=figure)


CHECKS = (
    Check(
        "light.arrives",
        "light reaches the camera, and does not drown it",
        _arrives,
        test="z test of 16 lit over 16 dark frames at the longest exposure; at least 5 standard errors",
        faults=("no light arrives", "saturated at the shortest exposure", "saturated without light"),
    ),
    Check(
        "light.working_exposure",
        "an exposure exists at which speckle fills the range and does not clip",
        _exposes,
        test="search for a mean of 1/8 of the range",
        faults=("no exposure fits",),
        headline="",
    ),
    Check(
        "light.goes",
        "without light, frames do not show what is on the panel",
        _goes,
        test="z test of 64 blanked frames with and without a pattern; power against half of the light staying",
        faults=("light stays on",),
    ),
    Check(
        "light.dark_level",
        "the dark level leaves room for light",
        _dark_level,
        test="z test over 16 frames; power against twice the limit",
        faults=("the dark level is too high",),
    ),
    Check(
        "light.follows_exposure",
        "light is proportional to the exposure",
        _follows,
        test="z test of the slope over 6 rounds of 4 exposures; power against a slope of 0.8",
        faults=("light does not follow the exposure", "exposure in wrong units"),
    ),
    Check(
        "light.brightness",
        "as bright as it was",
        _brightness,
        test="z test of the logarithm of the light against the baseline, within a factor of 2; power against a factor of 10",
        faults=("exposure in wrong units", "the light changed"),
    ),
)

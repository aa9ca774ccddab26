"""The camera against its data sheet and the laws of photon noise (EMVA 1288)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import chi2

from opu.characterization.full_well import measure_full_well
from opu.characterization.quantity import Quantity

from .check import Check
from .judging import against, expected, with_error
from .measured import dark, exposure, good, photon_transfer, signal_to_noise
from .outcome import Limit, Outcome, Side, Statistics, failed, passed, unjudged
from .session import Session

N_PARAMETERS = 3
LAW_TOLERANCE = 3.0
"""Reduced chi squared that is accepted beside chance: rounding and fixed patterns leave a little structure in any curve."""


def _draw_transfer(session: Session) -> Any:
    transfer = photon_transfer(session)

    def draw(axes: Any) -> None:
        axes.errorbar(transfer.mean_dn, transfer.variance_dn2, transfer.variance_error_dn2, fmt="o", ms=3, lw=1)
        axes.plot(transfer.mean_dn, transfer.fitted_dn2, color="0.3", lw=1)
        axes.set(xscale="log", yscale="log", xlabel="light, DN", ylabel="noise variance, DN²")

    return draw


def _noise_law(session: Session) -> Outcome:
    transfer = photon_transfer(session)
    if signal_to_noise(session).per_frame.note.startswith("no noise"):
        return passed("readings hold no noise at all, so that it has no law: an ideal simulator")
    used = transfer.variance_error_dn2 > 0
    if np.count_nonzero(used) <= N_PARAMETERS + 2:
        return unjudged("too few levels of light to tell a straight line; raise the laser power")
    model = np.maximum(transfer.fitted_dn2[used], 1e-9)
    residual = (transfer.variance_dn2[used] - model) / np.hypot(transfer.variance_error_dn2[used], 0.05 * model)
    dof = int(used.sum()) - N_PARAMETERS
    total = float(np.sum(np.clip(residual, -30, 30) ** 2))
    p_value = float(chi2.sf(total / LAW_TOLERANCE, dof))
    statistics = Statistics(
        f"chi squared of {dof} degrees of freedom, residuals within 5 % of the variance forgiven",
        int(used.sum()),
        session.significance,
        p_value,
    )
    figure = Quantity(total / dof, float(np.sqrt(2 / dof)), note="reduced chi squared of the photon transfer curve")
    more: dict[str, Any] = {
        "figure": figure,
        "limit": Limit("most", LAW_TOLERANCE),
        "statistics": statistics,
        "draw": _draw_transfer(session),
    }
    if p_value < session.significance:
        return failed(
            "noise of the wrong law",
            f"noise variance is no straight line over the light (reduced chi squared {total / dof:.1f}): no shot noise. "
            "Look for automatic gain, gamma, denoising or an unsteady laser",
            **more,
        )
    gain = transfer.gain_dn_per_e
    if gain.value is not None and gain.bound is None and not gain.seen:
        return failed(
            "noise of the wrong law",
            f"noise does not grow with the light (gain {gain}): there is no shot noise. Readings are denoised or made up",
            **more,
        )
    return passed(f"noise variance is a straight line over the light (reduced chi squared {total / dof:.2f})", **more)


def _gain(session: Session) -> Outcome:
    gain = photon_transfer(session).gain_dn_per_e
    known = expected(session, "camera.gain", session.limits.gain_dn_per_e)
    if known is None:
        return passed(f"gain {gain}; none is expected (hil.gain_dn_per_e, --baseline)", figure=gain)
    value, error, where = known
    return against(
        session,
        with_error(gain, error),
        Limit("equal", value, "DN/e", session.limits.gain_tolerance * value, "gain_dn_per_e"),
        "gain differs",
        f"the gain (that of {where} is {value:.4g} DN/e)",
        "set the camera's gain back, or correct the data sheet's",
        n=len(photon_transfer(session).mean_dn),
        fault=1.2 * value,
    )


def _if_limited(
    session: Session, key: str, side: Side, unit: str, figure: Quantity, cause: str, what: str, remedy: str, n: int
) -> Outcome:
    """The figure against the limit of that key, which only some devices are given."""
    limit = getattr(session.limits, key)
    if limit is None:
        return passed(f"{what} is {figure}; no limit is set (hil.{key})", figure=figure)
    return against(session, figure, Limit(side, limit, unit, key=key), cause, what, remedy, n=n)


def _read_noise(session: Session) -> Outcome:
    return _if_limited(
        session,
        "read_noise_e",
        "most",
        "e",
        photon_transfer(session).read_noise_e,
        "too much read noise",
        "the read noise",
        "cool the camera, lower its frame rate, or look for interference",
        n=len(photon_transfer(session).mean_dn),
    )


def _full_well(session: Session) -> Outcome:
    gain = photon_transfer(session).gain_dn_per_e
    bench, working, stack = good(session), exposure(session), dark(session)
    return _if_limited(
        session,
        "full_well_e",
        "least",
        "e",
        session.shared("full well", lambda: measure_full_well(bench, working, stack, gain)),
        "the full well is too small",
        "the full well",
        "use another camera, or bin pixels",
        n=len(bench.outputs),
    )


def _dark_noise(session: Session) -> Outcome:
    return _if_limited(
        session,
        "dark_noise_dn",
        "most",
        "DN",
        dark(session).nearest(exposure(session).exposure_s).spread_dn,
        "dark frames are noisy",
        "the spread of dark readings",
        "cool the camera or shield it from stray light",
        n=len(good(session).outputs),
    )


CHECKS = (
    Check(
        "camera.noise_law",
        "noise variance grows in a straight line with the light (photon transfer, EMVA 1288)",
        _noise_law,
        test="chi squared of the photon transfer curve, 4 frames of each of 8 or more patterns at every level",
        faults=("noise of the wrong law",),
    ),
    Check(
        "camera.gain",
        "digital numbers per electron are those of the data sheet",
        _gain,
        test="z test against the expected gain; power against 20 %",
        faults=("gain differs",),
        headline="gain",
    ),
    Check(
        "camera.read_noise",
        "read noise within its limit",
        _read_noise,
        test="z test",
        faults=("too much read noise",),
        headline="read noise",
    ),
    Check(
        "camera.full_well",
        "electrons fit into a pixel",
        _full_well,
        test="z test",
        faults=("the full well is too small",),
    ),
    Check("camera.dark_noise", "dark frames keep still", _dark_noise, test="z test", faults=("dark frames are noisy",)),
)

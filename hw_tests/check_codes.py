"""The converter's codes: are all bits alive, in order, and as many as the spec says?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu import Acquisition

from .check import Check
from .measured import half_on, widened
from .outcome import Outcome, Statistics, failed, passed, unjudged
from .session import Session

N_STEPS, FRAMES_PER_STEP = 12, 4
SURE = 32
LEAST_SPAN_DN = 16
"""Readings on both sides of a bit's step that make a silent bit sure: by chance, less than 2^-32."""


def _ladder(session: Session) -> NDArray[Any]:
    """Readings from the shortest exposure to the longest, dark and lit, flat: every code that the camera can give."""

    def measure() -> NDArray[Any]:
        spec = session.spec
        frames = half_on(session, FRAMES_PER_STEP, "codes")
        everything = widened(session, np.ones((1, spec.n_data_inputs), np.bool_), anchor=True)
        shown = np.concatenate([frames, everything])
        exposures = np.geomspace(spec.exposure_min_s, spec.exposure_max_s, N_STEPS)
        return np.concatenate([session.measure(shown, Acquisition(float(t))).ravel() for t in exposures])

    return session.shared("codes", measure)


def _bits(session: Session) -> Outcome:
    spec, readings = session.spec, _ladder(session)
    statistics = Statistics("every bit both 0 and 1", readings.size, session.significance)
    low, high = int(readings.min()), int(readings.max())
    ones = [int(np.count_nonzero(readings & (1 << k))) for k in range(spec.bit_depth)]
    silent = [k for k in range(spec.bit_depth) if ones[k] in (0, readings.size)]
    more: dict[str, Any] = {"statistics": statistics, "data": {"ones": [round(n / readings.size, 4) for n in ones]}}
    if high >= 2**spec.bit_depth:
        return failed(*_over(readings, spec.bit_depth), **more)
    if high == low:
        return failed(
            "the readings never change",
            f"every reading is {high} DN from the shortest to the longest exposure; no light arrives, or the image is frozen",
            **more,
        )
    if high - low < LEAST_SPAN_DN:
        return unjudged(f"readings go from {low} to {high} DN only; more light tells more", **more)
    seen = [k for k in silent if high >= 1 << k or ones[k] or _piles_up(readings)]
    if seen:
        return failed(*_silent(spec.bit_depth, silent, seen[0], bool(ones[seen[0]]), readings), **more)
    if silent:
        return passed(f"bits 0 to {silent[0] - 1} both change; light never reaches the others", **more)
    return passed(f"all {spec.bit_depth} bits are seen both 0 and 1", **more)


def _over(readings: NDArray[Any], depth: int) -> tuple[str, str]:
    high, turned = int(readings.max()), int(readings.byteswap().max())
    if depth > 8 and turned < 2**depth:
        return "bytes swapped", (
            f"readings reach {high}, over {depth} bits, and {turned} with their bytes swapped; set the byte order of the "
            "camera's pixel format"
        )
    return (
        "wrong bit depth",
        f"readings reach {high} DN, and {depth} bits end at {2**depth - 1}; correct the pixel format",
    )


def _silent(depth: int, silent: list[int], first: int, is_one: bool, readings: NDArray[Any]) -> tuple[str, str]:
    """What bits that never change mean: all the lowest or all the highest are a matter of format, one alone is broken."""
    if silent == list(range(len(silent))) and len(silent) > 1:
        return "wrong bit depth", (
            f"the lowest {len(silent)} of {depth} bits never change: the converter gives {depth - len(silent)} bits, shifted; "
            "correct the pixel format or bit_depth"
        )
    if not is_one and silent[-1] == depth - 1 and silent == list(range(first, depth)):
        return "wrong bit depth", (
            f"readings pile up at {int(readings.max())} DN, where {first} bits end, and bit_depth is {depth}; correct either"
        )
    return f"bit {first} stuck at {int(is_one)}", (
        f"bit {first} of {depth} is {int(is_one)} in all of {readings.size} readings from {int(readings.min())} to "
        f"{int(readings.max())} DN; check the camera's cable and pixel format"
    )


def _order(session: Session) -> Outcome:
    """Neighbouring codes mean neighbouring light: noise moves a reading by less than its swapped bytes would."""
    spec = session.spec
    if spec.bit_depth <= 8:
        return passed("readings have one byte")
    frame = np.repeat(half_on(session, 1, "order"), 8, axis=0)
    best = None
    for exposure_s in np.geomspace(spec.exposure_min_s, spec.exposure_max_s, N_STEPS):
        shown = session.measure(frame, Acquisition(float(exposure_s)))
        spread = [float(np.median(np.abs(np.diff(r.astype(np.int64), axis=0)))) for r in (shown, shown.byteswap())]
        if np.ptp(shown) and (best is None or max(spread) > max(best)):
            best = spread
    if best is None:
        return unjudged("readings never change, so that their byte order does not show")
    if best[0] > 4 * max(best[1], 1.0):
        return failed(
            "bytes swapped",
            f"repeated readings differ by {best[0]:.0f} DN, and by {best[1]:.0f} DN with their bytes swapped; set the byte "
            "order of the camera's pixel format",
        )
    return passed(f"repeated readings differ by {best[0]:.0f} DN, with swapped bytes by {best[1]:.0f}")


def _piles_up(readings: NDArray[Any]) -> bool:
    return int(np.count_nonzero(readings == readings.max())) >= SURE


def _saturation(session: Session) -> Outcome:
    spec, readings = session.spec, _ladder(session)
    top = int(readings.max())
    at_top = int(np.count_nonzero(readings == top))
    if top > spec.saturation_dn:
        return failed(
            "saturation_dn is too low",
            f"readings reach {top} DN, and the spec says that they end at {spec.saturation_dn}; clipped readings go unseen",
        )
    # Speckle thins out towards its bright tail: only an end of the range collects readings on one code.
    below = int(np.count_nonzero((readings < top) & (readings >= top - max(1, top // 64))))
    if top < spec.saturation_dn and at_top >= SURE and at_top > below:
        return failed(
            "saturation_dn is too high",
            f"readings pile up at {top} DN ({at_top} of them), and the spec has the range end at {spec.saturation_dn}; "
            "clipped readings pass for true ones",
        )
    return passed(f"the brightest of {readings.size} readings is {top} DN; the range ends at {spec.saturation_dn}")


CHECKS = (
    Check(
        "codes.bits",
        "every bit of the readings is alive, and there are as many as the spec says",
        _bits,
        test="12 exposures from the shortest to the longest; a bit that never changes is silent by chance once in 2^32",
        faults=("bit k stuck", "wrong bit depth", "bytes swapped", "the readings never change"),
        headline="",
    ),
    Check(
        "codes.order",
        "the bytes of a reading stand in order",
        _order,
        test="spread of repeated readings, as they are and with their bytes swapped; a factor of 4 decides",
        faults=("bytes swapped",),
    ),
    Check(
        "codes.saturation",
        "readings end where the spec says",
        _saturation,
        test="pile-up at the largest code of the exposure ladder",
        faults=("saturation_dn is too low", "saturation_dn is too high"),
    ),
)

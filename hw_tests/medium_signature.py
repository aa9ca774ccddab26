"""The readings by which a medium is known again, and what has become of one that is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu import Acquisition
from opu.characterization.quantity import Quantity

from .baseline import Signature
from .measured import exposure, widened
from .session import Session

N_PATTERNS, N_SINGLES, N_REPEATS, MOST_OUTPUTS = 24, 48, 8, 4096
SHIFTS = (1, -1, 2, -2, 4, -4, 8, -8)
LEAST_OF_SINGLES = 0.25
"""The leak of all mirrors interferes with the light of one: even the same medium then correlates by less than 1."""
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Comparison:
    """correlation: of the two media, noise removed. cause, remedy: what has happened where it is low."""

    correlation: Quantity
    n: int
    cause: str = ""
    remedy: str = ""


def measure_signature(session: Session) -> Signature:
    """At the working exposure, or the baseline's if there is one: the same light then reads the same."""
    spec, kept = session.spec, session.baseline.signature if session.baseline else None
    working = kept.exposure_s if kept else exposure(session).exposure_s
    alone = float(np.clip(working * spec.n_data_inputs / 2, spec.exposure_min_s, spec.exposure_max_s))
    alone = kept.single_exposure_s if kept else alone
    frames = _patterns(session, kept.seed if kept else session.seed)
    singles = widened(session, np.eye(spec.n_data_inputs, dtype=np.bool_)[:N_SINGLES])
    return Signature(
        kept.seed if kept else session.seed,
        spec.n_inputs,
        spec.n_outputs,
        working,
        alone,
        _light(session, frames, working),
        _light(session, singles, alone),
    )


def _patterns(session: Session, seed: int) -> NDArray[np.bool_]:
    width = session.spec.n_data_inputs
    rng = np.random.default_rng([seed, 77])
    on = np.arange(width) < max(1, width // 2)
    return widened(session, np.stack([rng.permutation(on) for _ in range(N_PATTERNS)]))


def _light(session: Session, frames: NDArray[np.bool_], exposure_s: float) -> Floats:
    spec = session.spec
    off = Acquisition(exposure_s, light=not spec.can_blank)
    dark = session.measure(np.zeros_like(frames), off)[:, :MOST_OUTPUTS].mean(axis=0, dtype=np.float64)
    halves = []
    for _ in range(2):
        shown = [session.measure(frames, Acquisition(exposure_s))[:, :MOST_OUTPUTS] for _ in range(N_REPEATS // 2)]
        halves.append(np.mean(shown, axis=0, dtype=np.float64) - dark)
    return np.stack(halves).astype(np.float32)


def compare(session: Session, before: Signature, now: Signature) -> Comparison:
    """Correlation over outputs and patterns; where it is low, what has become of the medium."""
    found = noise_free(before.patterns, now.patterns)
    n = before.patterns[0].size
    if found.value is None or found.value >= session.limits.medium_correlation:
        return Comparison(found, n)
    return Comparison(found, n, *_cause(session, before, now, found))


def _cause(session: Session, before: Signature, now: Signature, found: Quantity) -> tuple[str, str]:
    """The first known fault that would have made these readings of the baseline's medium, and the remedy."""
    for shift in SHIFTS:
        rolled = noise_free(before.patterns, np.roll(now.patterns, -shift, axis=-1))
        if _alike(rolled, found):
            return "outputs shifted", f"shifted by {shift} they correlate by {rolled}: check the region of interest"
    for shift in SHIFTS:
        rows = np.arange(before.singles.shape[1])
        inside = rows[(rows + shift >= 0) & (rows + shift < len(rows))]
        moved = noise_free(_centred(before.singles[:, inside]), _centred(now.singles[:, inside + shift]))
        if _alike(moved, found, LEAST_OF_SINGLES):
            return (
                "inputs shifted",
                f"inputs act {shift} places further than they did ({moved}): check layout and upload",
            )
    m = min(before.singles.shape[1:])
    square = _centred(now.singles[:, :m, :m]).transpose(0, 2, 1)
    turned = noise_free(_centred(before.singles[:, :m, :m]), square)
    if _alike(turned, found, LEAST_OF_SINGLES):
        return "transposed medium", f"transposed it correlates by {turned}: the matrix is indexed [out, in]"
    reversed_bits = _bits_reversed(session, before)
    if _alike(reversed_bits, found):
        return (
            "bits in wrong order",
            f"with the bits of each byte reversed they correlate by {reversed_bits}: bit order",
        )
    assert found.value is not None
    if abs(found.value) < session.limits.medium_correlation / 4:
        return "the medium was replaced", "calibrate again, and train again: nothing learned on the other one holds"
    return "the medium drifted", "calibrate again; if it goes on, fix the medium mechanically"


def _bits_reversed(session: Session, before: Signature) -> Quantity:
    frames = _patterns(session, before.seed)
    whole = frames.shape[1] // 8 * 8
    turned = frames.copy()
    turned[:, :whole] = frames[:, :whole].reshape(len(frames), -1, 8)[:, :, ::-1].reshape(len(frames), -1)
    return noise_free(before.patterns, _light(session, turned, before.exposure_s))


def _alike(candidate: Quantity, found: Quantity, least: float = 0.5) -> bool:
    assert candidate.value is not None
    assert found.value is not None
    return candidate.value - 4 * (candidate.standard_error or 0.0) > 0 and candidate.value > max(
        least, found.value + 0.2
    )


def _centred(light: Floats) -> Floats:
    """Without what all inputs, and all outputs, have in common: one input's light stands beside what all mirrors leak."""
    rows, columns = light.mean(axis=2, keepdims=True), light.mean(axis=1, keepdims=True)
    return np.asarray(light - rows - columns + light.mean(axis=(1, 2), keepdims=True))


def noise_free(before: NDArray[Any], now: NDArray[Any]) -> Quantity:
    """Correlation of two sets of readings, each given twice with independent noise: (2, n, m); noise taken out.

    Spearman's correction for attenuation: r = c(a, b) / sqrt(c(a, a') c(b, b')). The error is of c(a, b) alone.
    """
    a, b = (x.reshape(2, x.shape[1], -1).astype(np.float64) for x in (before, now))
    a, b = (x - x.mean(axis=(1, 2), keepdims=True) for x in (a, b))
    own = float((a[0] * a[1]).mean()) * float((b[0] * b[1]).mean())
    if own <= 0:
        return Quantity(0.0, 1.0, note="no signal over the noise")
    products = (a.mean(axis=0) * b.mean(axis=0)).mean(axis=0)
    error = float(products.std(ddof=1) / np.sqrt(len(products))) if len(products) > 1 else 0.0
    return Quantity(float(products.mean()) / float(np.sqrt(own)), error / float(np.sqrt(own)))

"""How good a measured matrix is: its error, seen by patterns that did not make it, noise, and what drifted meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.characterization.quantity import Quantity, jackknife
from opu.transmission_drift import Drift
from opu.transmission_files import MATRIX_FORMAT
from opu.transmission_plan import Plan

N_GROUPS = 32
MOVED = 0.98
"""Correlation of the known pattern, end against start, below which the medium has moved noticeably: 2 % lost."""

Floats = NDArray[np.float64]


class RowSums(NamedTuple):
    """Per row, float64[n_rows], in units of B: what the estimates are made of. Expectations are free of noise but `noise`.

    signal: of one check pattern; noise: variance of one show; error: of the matrix, as checks see it; start, end: power of
    the known pattern at both ends of the measurement; both: their product (real, imaginary).
    """

    signal: Floats
    noise: Floats
    error: Floats
    start: Floats
    end: Floats
    both_real: Floats
    both_imaginary: Floats


@dataclass(frozen=True)
class MatrixReport:
    """What a finished measurement says of its matrix; every figure with its standard error.

    relative_error: norm of the matrix' error over its norm, seen by patterns that are not Hadamard's; from_noise: the part
    that the noise of the shows explains. snr: signal over noise variance of one show of a pattern. medium_correlation: of the
    known pattern's field, end against start. per_row: float32[n_rows] arrays snr and relative_error.
    """

    plan: Plan
    created_utc: str
    relative_error: Quantity
    from_noise: Quantity
    snr: Quantity
    medium_correlation: Quantity
    phase_range_rad: float
    phase_steps_rms_rad: float
    brightness_range: float
    saturated: float
    frames: int
    device_s: float
    per_row: dict[str, NDArray[np.float32]]

    @property
    def medium_moved(self) -> bool:
        """Whether the medium changed noticeably, beyond three standard errors."""
        figure = self.medium_correlation
        return figure.value is not None and figure.value + 3 * (figure.standard_error or 0.0) < MOVED

    def as_json(self) -> dict[str, Any]:
        """Everything but the rows, JSON-safe."""
        plan = self.plan
        return {
            "format": MATRIX_FORMAT,
            "created_utc": self.created_utc,
            "device": plan.device,
            "fingerprint": plan.fingerprint,
            "response": plan.response,
            "retrieval": plan.retrieval,
            "kind": "complex" if plan.complex_rows else "real",
            "n_rows": plan.n_rows,
            "n_inputs": plan.n_inputs,
            "n_patterns": plan.n_patterns,
            "seed": plan.seed,
            "interleave": plan.interleave,
            "relative_error": self.relative_error.as_json(),
            "relative_error_from_noise": self.from_noise.as_json(),
            "snr_per_pattern": self.snr.as_json(),
            "medium_correlation": self.medium_correlation.as_json(),
            "medium_moved": self.medium_moved,
            "phase_range_rad": self.phase_range_rad,
            "phase_steps_rms_rad": self.phase_steps_rms_rad,
            "brightness_range": self.brightness_range,
            "saturated": self.saturated,
            "frames": self.frames,
            "device_s": self.device_s,
        }

    def metadata(self) -> dict[str, str]:
        """as_json() as a file's metadata: text, each figure beside its standard error."""
        flat: dict[str, str] = {}
        for key, value in self.as_json().items():
            if isinstance(value, dict):
                flat[key], flat[f"{key}_standard_error"] = str(value["value"]), str(value["standard_error"])
            else:
                flat[key] = str(value)
        return flat


def make_report(plan: Plan, rows: RowSums, drifted: Drift, facts: list[dict[str, Any]]) -> MatrixReport:
    """The report on rows measured under that drift; facts: what each block says of itself."""
    share = plan.n_inputs / plan.n_patterns
    signal = np.maximum(rows.signal, 0)
    # A row without signal, of a dead pixel, is known not at all.
    per_row = {
        "snr": _quotient(signal, rows.noise),
        "relative_error": np.sqrt(_quotient(np.maximum(rows.error, 0), signal)),
    }
    return MatrixReport(
        plan=plan,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        relative_error=_relative_error(rows),
        # An entry is the mean of N shows, of which n entries make up the power of one.
        from_noise=_overall(rows, lambda sums: float(np.sqrt(max(share * sums.noise / sums.signal, 0.0)))),
        snr=_overall(rows, lambda sums: float(sums.signal / sums.noise)),
        medium_correlation=_correlation(rows),
        phase_range_rad=drifted.phase_range_rad,
        phase_steps_rms_rad=drifted.phase_steps_rms_rad,
        brightness_range=drifted.brightness_range,
        saturated=float(np.mean([fact["saturated"] for fact in facts])),
        frames=sum(fact["frames"] for fact in facts),
        device_s=sum(fact["device_s"] for fact in facts),
        per_row={name: values.astype(np.float32) for name, values in per_row.items()},
    )


def _quotient(a: Floats, b: Floats) -> Floats:
    """a / b, infinite where b is not above 0."""
    result: Floats = np.divide(a, b, out=np.full_like(a, np.inf), where=b > 0)
    return result


def _overall(rows: RowSums, estimate: Callable[[Any], float]) -> Quantity:
    """A figure of the sums over all rows, its standard error from groups of neighbouring rows left out in turn."""
    n = len(rows.signal)
    starts = np.unique(np.arange(min(N_GROUPS, n)) * n // min(N_GROUPS, n))
    groups = np.add.reduceat(np.stack(rows), starts, axis=1).T
    with np.errstate(divide="ignore", invalid="ignore"):
        value, error = jackknife(groups, lambda sums: estimate(RowSums(*sums)))
    if not np.isfinite(value):
        return Quantity(None, None, note="no signal, or no noise")
    return Quantity(float(value), float(error) if len(starts) > 1 and np.isfinite(error) else None)


def _relative_error(rows: RowSums) -> Quantity:
    """Norm of the matrix' error over the norm of the matrix, with its standard error.

    Of its square: checks y1, y2 of a random pattern x with independent noise give E Re[(y1 - Mx) conj(y2 - Mx)] = |error|^2
    and E Re[y1 conj y2] = |A|^2, noise cancelling from both.
    """
    square = _overall(rows, lambda sums: float(sums.error / sums.signal))
    if square.value is None:
        return square
    value, spread = float(np.sqrt(max(square.value, 0.0))), square.standard_error
    if spread is None:
        return Quantity(value, None)
    return Quantity(value, min(spread / (2 * value) if value else np.inf, float(np.sqrt(spread))))


def _correlation(rows: RowSums) -> Quantity:
    """Correlation of the known pattern's field at the end with that at the start: 1 for a medium that kept still.

    A row phase common to all rows drops out, and so does noise.
    """

    def estimate(sums: Any) -> float:
        both = float(np.hypot(sums.both_real, sums.both_imaginary))
        return both / float(np.sqrt(max(sums.start * sums.end, 1e-300)))

    return _overall(rows, estimate)

"""What a finished run returns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from .alignment import mean_or_none
from .record import EpochRecord
from .settings import ResolvedSettings


@dataclass(frozen=True)
class RunResult:
    """A run in numbers: accuracy as a fraction after the final epoch, times in seconds, angles in degrees.

    `feedback` is None for methods without one, `device` None unless light was used. `train_seconds`, `frames`,
    `device_seconds` and `device_joules` are sums over all epochs; the angles are means over the hidden layers after the
    last epoch, None where there is no angle. Where the data set has a validation part, `test_accuracy` is that of the
    epoch that was best on it (the first such). `stored_bytes`: per sample, see `opu.training.method.stored_bytes`.
    """

    method: str
    feedback: str | None
    device: str | None
    dataset: str
    seed: int
    epochs: int
    test_accuracy: float
    train_seconds: float
    frames: int
    device_seconds: float
    sample_angle_deg: float | None
    batch_angle_deg: float | None
    run_dir: str
    history: tuple[EpochRecord, ...]
    stored_bytes: int | None = None
    device_joules: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the result as JSON-safe values."""
        return {**asdict(self), "history": [record.as_json() for record in self.history]}


def summarise(
    settings: ResolvedSettings,
    history: Sequence[EpochRecord],
    run_dir: Path,
    device_name: str | None,
    stored_bytes: int | None = None,
) -> RunResult:
    """Return the result of a run from its history, which holds one epoch or more."""
    last = history[-1]
    return RunResult(
        method=settings.method,
        feedback=settings.feedback if settings.method == "dfa" else None,
        device=device_name if settings.optical else None,
        dataset=settings.dataset,
        seed=settings.seed,
        epochs=len(history),
        test_accuracy=chosen_epoch(history).test_accuracy,
        train_seconds=sum(r.seconds for r in history),
        frames=sum(r.frames for r in history),
        device_seconds=sum(r.device_seconds for r in history),
        sample_angle_deg=mean_or_none(last.sample_angle_deg),
        batch_angle_deg=mean_or_none(last.batch_angle_deg),
        run_dir=str(run_dir),
        history=tuple(history),
        stored_bytes=stored_bytes,
        device_joules=sum(r.device_joules for r in history),
    )


def epoch_seconds(results: Sequence[RunResult]) -> float:
    """Return the median wall time of an epoch's training over all runs, in seconds."""
    return median(record.seconds for result in results for record in result.history)


def chosen_epoch(history: Sequence[EpochRecord]) -> EpochRecord:
    """Return the first epoch with the best validation accuracy, the last epoch where there is none."""
    if any(r.validation_accuracy is None for r in history):
        return history[-1]
    return max(history, key=lambda r: (r.validation_accuracy or 0.0, -r.epoch))

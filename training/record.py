"""What one epoch leaves behind, and one step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from opu.errors import InputError

from .alignment import Angles


@dataclass(frozen=True)
class StepRecord:
    """One update: step of n_steps of its epoch, its number in the run (all from 1), the batch's mean loss before it in nats."""

    epoch: int
    step: int
    n_steps: int
    number: int
    loss: float
    learning_rate: float


@dataclass(frozen=True)
class EpochRecord:
    """One epoch: losses in nats, accuracies as fractions, angles in degrees per hidden block, costs of this epoch.

    `train_loss` and `train_accuracy` are means over the batches as they were trained; `seconds` is their wall time,
    evaluation left out; `frames`, `device_seconds` and `device_joules` include the probes that measure angles and drift,
    and are those of a real device, also where a simulator stands in for it. Angles are None where they were not measured
    or do not exist, `validation_accuracy` where there is no validation part.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    test_accuracy: float
    learning_rate: float
    sample_angle_deg: Angles
    batch_angle_deg: Angles
    frames: int
    device_seconds: float
    seconds: float
    validation_accuracy: float | None = None
    device_joules: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON-safe values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> EpochRecord:
        """Read a record back. Raises InputError when a field is missing."""
        missing = [f.name for f in fields(cls) if f.name not in data and f.default is MISSING]
        if missing:
            raise InputError(f"epoch record lacks {', '.join(missing)}: the file was made by another version")
        values: dict[str, Any] = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        values["sample_angle_deg"] = tuple(values["sample_angle_deg"])
        values["batch_angle_deg"] = tuple(values["batch_angle_deg"])
        return cls(**values)

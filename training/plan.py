"""How long and how fast a network is trained."""

from __future__ import annotations

from dataclasses import dataclass

from .loss import LossName
from .schedule import ScheduleName
from .settings import ResolvedSettings


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the learning rate depends on the planned `epochs`, not on where a run stopped.

    pipeline 1: the projection of a step is measured while the forward pass of the next is computed, whose weights then lack
    one update (see `opu.training.pipeline`); 0: one after the other.
    """

    epochs: int
    batch_size: int
    seed: int
    learning_rate: float
    schedule: ScheduleName = "exponential"
    final_lr_fraction: float = 0.13
    loss: LossName = "cross-entropy"
    pipeline: int = 0

    @classmethod
    def of(cls, settings: ResolvedSettings) -> Plan:
        """Return the plan that the settings of a run describe."""
        return cls(
            settings.epochs,
            settings.batch_size,
            settings.seed,
            settings.learning_rate,
            settings.schedule,
            settings.final_lr_fraction,
            settings.loss,
            settings.pipeline,
        )

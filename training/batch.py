"""What a method is given to learn from."""

from __future__ import annotations

from dataclasses import dataclass

from opu.arrays import Array

from .layer import Moment
from .loss import Loss, loss_on_rows
from .network import Trace


@dataclass(frozen=True)
class Batch:
    """One forward pass and what was wrong with it.

    error: (B, C), row by row the gradient of the row's loss at the outputs. targets: labels (B,) or values (B, C). rows:
    numbers of the rows whose targets are known, None for all (the error of the others is 0). moment: the training step.
    """

    trace: Trace
    error: Array
    targets: Array
    loss: Loss
    moment: Moment
    rows: Array | None = None

    @property
    def scale(self) -> float:
        """One over the number of rows that count: it turns row gradients into that of the mean loss."""
        return 1 / int((self.error if self.rows is None else self.rows).shape[0])

    def error_of(self, outputs: Array) -> Array:
        """Return the error that other outputs (B, C) would have."""
        return loss_on_rows(self.loss, outputs, self.targets, self.rows)[1]

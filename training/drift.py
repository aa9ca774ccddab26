"""Whether the medium keeps still while the network learns from it."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from opu.arrays import taken
from opu.errors import DriftWarning

from .feedback import Feedback
from .streams import stream

DRIFT_ROWS = 16
SLOW_STEPS = 300.0
"""1/e time of the projection, in steps: 300 cost 1.2 points of MNIST accuracy, 100 cost 3, 30 everything."""


@dataclass
class DriftWatch:
    """Shows the same errors again and again; warns once when projections forget faster than a network learns.

    With a medium that decorrelates as exp(-steps/T), the correlation of a projection with the first one, over that of two
    taken at once (which knows the noise), is exp(-steps/T). `time_steps` is the longest T within three standard errors of
    that ratio, which is known to sqrt(2 / (rows · width)) over the correlation of two at once, counting no more rows than
    errors are wide. Below `slow_steps` is too fast.
    """

    feedback: Feedback
    slow_steps: float = SLOW_STEPS
    time_steps: float = math.inf
    _first: NDArray[np.float64] = field(init=False)
    _still: float = field(init=False)
    _warned: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        """Take the two projections that later ones are compared with."""
        n = self.feedback.n_errors
        labels = np.arange(DRIFT_ROWS) % n
        rng = stream(0, "probe", 1)
        likely = rng.dirichlet(np.ones(n), DRIFT_ROWS)
        likely[np.arange(DRIFT_ROWS), labels] -= 1
        self._errors = likely.astype(np.float32)
        self._first = self._show()
        self._still = _correlation(self._first, self._show())

    def after(self, steps: int) -> None:
        """Measure `steps` steps after the start; DriftWarning, once, when the medium drifts too fast."""
        if self._warned or self._still <= 0:
            return
        kept = max(_correlation(self._first, self._show()), 0.0) / self._still
        rows = min(DRIFT_ROWS, self.feedback.n_errors)
        most = kept + 3 * math.sqrt(2 / (rows * self.feedback.width)) / self._still
        if most >= 1:
            return
        self.time_steps = min(self.time_steps, steps / -math.log(most))
        if self.time_steps < self.slow_steps:
            self._warned = True
            warnings.warn(
                f"the medium drifts faster than the network learns: after {steps} steps the projection of the same errors "
                f"keeps {kept:.2f} of its correlation with the first, so it forgets itself within {self.time_steps:.0f} steps, "
                f"and accuracy is lost below {self.slow_steps:.0f}. Steady the medium, or show fewer frames per step (smaller "
                "batches, a two-frame retrieval, a faster camera)",
                DriftWarning,
                stacklevel=2,
            )

    def _show(self) -> NDArray[np.float64]:
        shown: NDArray[np.float64] = np.asarray(taken(self.feedback.project(self._errors)), np.float64).ravel()
        return shown


def _correlation(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    scale = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(a @ b) / scale if scale > 0 else 0.0

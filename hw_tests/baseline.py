"""An earlier day: figures to compare with, and the readings by which the medium is known again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Signature:
    """Mean readings over the dark of known frames, in two halves of the repeats: the noise between them is independent.

    patterns: float32[2, n, outputs], half of the inputs on; singles: the same for inputs 0, 1 ... each alone. seed: from
    which the patterns follow. outputs: the first so many of the device.
    """

    seed: int
    n_inputs: int
    n_outputs: int
    exposure_s: float
    single_exposure_s: float
    patterns: Floats
    singles: Floats


@dataclass(frozen=True)
class Baseline:
    """What a report keeps for later days. figures: name of a check -> its figure as Quantity.as_json() gives it."""

    created_utc: str
    device: str
    spec: dict[str, Any]
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    signature: Signature | None = None

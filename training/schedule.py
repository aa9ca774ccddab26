"""The learning rate of each epoch, a function of the planned length of the run."""

from __future__ import annotations

import math
from typing import Literal

from opu.errors import ConfigError

ScheduleName = Literal["exponential", "cosine", "constant"]


def learning_rate(name: ScheduleName, initial: float, final_fraction: float, epoch: int, epochs: int) -> float:
    """Return the rate of epoch 1..epochs, going from `initial` to `initial * final_fraction` (constant: not at all).

    exponential: equal ratios between epochs; cosine: half a cosine (Loshchilov & Hutter 2017). Raises ConfigError for
    an epoch outside the plan.
    """
    if not 1 <= epoch <= epochs:
        raise ConfigError(f"epoch {epoch} lies outside the planned 1..{epochs}: plan the run with more epochs")
    progress = (epoch - 1) / (epochs - 1) if epochs > 1 else 0.0
    if name == "exponential":
        return float(initial * final_fraction**progress)
    if name == "cosine":
        return initial * (final_fraction + (1 - final_fraction) * (1 + math.cos(math.pi * progress)) / 2)
    return initial

"""Dropout: random zeros while training, nothing while predicting."""

from __future__ import annotations

from typing import Any

from opu.arrays import Array, namespace
from opu.errors import ConfigError

from .layer import Kept, Moment
from .noise import uniform


class Dropout:
    """y = x m / (1 - rate), m = 1 with probability 1 - rate. Srivastava et al. 2014.

    The mask is a function of the step's seed and number and of `index`, which tells the dropouts of a network apart. Of a
    sparse x only the stored values are drawn for. Raises ConfigError for a rate outside [0, 1).
    """

    kind = "dropout"
    n_in: int | None = None
    n_out: int | None = None

    def __init__(self, rate: float, index: int = 0) -> None:
        if not 0 <= rate < 1:
            raise ConfigError(f"dropout = {rate!r}: must be from 0 up to, not including, 1")
        self.rate, self.index = rate, index
        self.parameters: dict[str, Array] = {}

    def forward(self, x: Array, moment: Moment | None = None) -> tuple[Array, Kept]:
        """Keep the scaled mask; without a moment return x itself."""
        if moment is None or self.rate == 0:
            return x, ()
        if hasattr(x, "indptr"):
            kept = x.copy()
            kept.data = x.data * self._mask(x.data, moment)
            return kept, (kept,)
        mask = self._mask(x, moment)
        return x * mask, (mask,)

    def gradients(self, kept: Kept, delta: Array) -> list[Array]:  # noqa: ARG002
        """Nothing to train."""
        return []

    def input_gradient(self, kept: Kept, delta: Array, weight: Array | None = None) -> Array:  # noqa: ARG002
        """Return delta times the mask."""
        return delta * kept[0] if kept else delta

    def _mask(self, x: Array, moment: Moment) -> Any:
        xp = namespace(x)
        draws = uniform(x, xp, moment.seed, moment.step, self.index)
        return xp.astype(draws >= self.rate, x.dtype) * (1 / (1 - self.rate))

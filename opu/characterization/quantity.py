"""A measured figure: value, standard error, unit, and what kind of statement it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bound = Literal["lower", "upper"]


@dataclass(frozen=True)
class Quantity:
    """value ± standard_error in `unit`. None: it could not be measured, and `note` says why.

    bound "lower" or "upper": the value is only known to be at least, or at most, this.
    """

    value: float | None
    standard_error: float | None
    unit: str = ""
    bound: Bound | None = None
    note: str = ""

    @property
    def seen(self) -> bool:
        """Whether the value differs from 0 by more than three standard errors."""
        return self.value is not None and abs(self.value) > 3 * (self.standard_error or 0.0)

    def as_json(self) -> dict[str, Any]:
        """value, standard_error, unit; bound and note where there are any."""
        return {k: v for k, v in asdict(self).items() if k in ("value", "standard_error", "unit") or v}

    def __str__(self) -> str:
        """As people read it: '0.01882 ± 0.00004 DN/e', the error to two digits and the value to as many places."""
        if self.value is None:
            return "not measured"
        sign = {"lower": "at least ", "upper": "at most ", None: ""}[self.bound]
        error = self.standard_error
        if not error or not math.isfinite(error):
            return f"{sign}{self.value:.5g} {self.unit}".rstrip()
        power = math.floor(math.log10(max(abs(self.value), error)))
        if -4 <= power <= 6:
            places = max(0, 1 - math.floor(math.log10(error)))
            return f"{sign}{self.value:.{places}f} ± {error:.{places}f} {self.unit}".rstrip()
        places = max(0, power + 1 - math.floor(math.log10(error)))
        scale = 10.0**power
        return f"{sign}({self.value / scale:.{places}f} ± {error / scale:.{places}f})e{power} {self.unit}".rstrip()


def unmeasured(unit: str, note: str) -> Quantity:
    """A figure that this device, or this measurement, cannot give."""
    return Quantity(None, None, unit, note=note)


def quantity(value: float, standard_error: float, unit: str = "", otherwise: str = "", note: str = "") -> Quantity:
    """A figure; if it came out as no number it is not measured, for the reason `otherwise`."""
    if not math.isfinite(value):
        return unmeasured(unit, otherwise or "the readings do not determine it")
    return Quantity(float(value), float(standard_error) if math.isfinite(standard_error) else None, unit, note=note)


def jackknife(
    blocks: NDArray[Any], estimate: Callable[[NDArray[Any]], ArrayLike]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """estimate(sum over blocks) and its delete-one standard errors. blocks: (n_blocks, ...), sums that add up.

    Blocks must be independent of one another; then any smooth estimate of the sums gets its error with no model of
    what is inside a block. Efron and Stein, Ann. Statist. 9 (1981) 586.
    """
    total = blocks.sum(axis=0)
    value = np.asarray(estimate(total), dtype=np.float64)
    left_out = np.array([estimate(total - block) for block in blocks], dtype=np.float64)
    n = len(blocks)
    error: NDArray[np.float64] = np.sqrt((n - 1) * np.mean((left_out - left_out.mean(axis=0)) ** 2, axis=0))
    return value, error

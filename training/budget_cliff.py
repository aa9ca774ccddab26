"""Where accuracy falls off: a definition that can be argued with, and the values on either side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .budget_axes import Sweep

LEAST_FALL = 0.03


@dataclass(frozen=True)
class Cliff:
    """Between two neighbouring values: `last_good`, and `first_bad` further from the best one."""

    last_good: Any
    first_bad: Any


def find_cliffs(sweep: Sweep, means: Sequence[float | None], floor: float) -> tuple[Cliff, ...]:
    """Cliffs of a sweep, at most one on each side of the value with the best mean.

    Going out from the best value (numbers in order of size, anything else as given), the first one whose mean accuracy is
    at least 3 points below the best and nearer to `floor` than to the best. None, a value that could not be trained, is
    such a one. means, floor: fractions.
    """
    known = [m for m in means if m is not None]
    if not known:
        return ()
    values = list(zip(sweep.values, means, strict=True))
    if sweep.numeric:
        values.sort(key=lambda pair: pair[0])
    best = max(known)
    top = next(i for i, (_, mean) in enumerate(values) if mean == best)
    limit = min(best - LEAST_FALL, (best + floor) / 2)
    found = []
    for step, stop in ((-1, -1), (1, len(values))):
        for i in range(top + step, stop, step):
            mean = values[i][1]
            if mean is None or mean < limit:
                found.append(Cliff(values[i - step][0], values[i][0]))
                break
    return tuple(found)


def definition(floor: float, floor_name: str) -> str:
    """The definition in words, for a caption."""
    return (
        f"cliff: going out from the best value, the first whose mean is {100 * LEAST_FALL:g} points or more below the best "
        f"and nearer to {floor_name} ({100 * floor:.1f} %) than to the best"
    )

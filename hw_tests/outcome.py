"""What a check says: a result, the figure it stands on, the limit, and the cause in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from opu.characterization.quantity import Quantity

Result: TypeAlias = Literal["passed", "failed", "unjudged", "skipped"]
Side: TypeAlias = Literal["least", "most", "equal"]
Draw: TypeAlias = Callable[[Any], None]
"""Draws the evidence on a matplotlib Axes."""


@dataclass(frozen=True)
class Limit:
    """What is accepted: at least, at most, or equal to `value` within `tolerance`; `key` is its key in [hil], if it has one."""

    side: Side
    value: float
    unit: str = ""
    tolerance: float = 0.0
    key: str = ""

    def __str__(self) -> str:
        sign = {"least": "at least ", "most": "at most ", "equal": ""}[self.side]
        around = f" ± {self.tolerance:.3g}" if self.tolerance else ""
        return f"{sign}{self.value:.4g}{around} {self.unit}".rstrip()


@dataclass(frozen=True)
class Statistics:
    """How far a figure can be trusted: the test, its sample size, its significance after correction for all tests of the
    suite, the p-value found, and the power against the fault that the check is for (None: no such figure)."""

    test: str
    n: int
    significance: float
    p_value: float | None = None
    power: float | None = None


@dataclass(frozen=True)
class Outcome:
    """The judgement of one check.

    cause: what is wrong, in a few words that name the fault and not the test (empty where all is well). message: the
    figure, the limit and the remedy, one or two sentences. data: further figures, JSON-safe.
    """

    result: Result
    message: str
    cause: str = ""
    figure: Quantity | None = None
    limit: Limit | None = None
    statistics: Statistics | None = None
    draw: Draw | None = None
    data: dict[str, Any] = field(default_factory=dict)


def passed(message: str, **more: Any) -> Outcome:
    """All is well."""
    return Outcome("passed", message, **more)


def failed(cause: str, message: str, **more: Any) -> Outcome:
    """The device is not fit to train on, because of this."""
    return Outcome("failed", message, cause, **more)


def unjudged(message: str, **more: Any) -> Outcome:
    """The check could not tell: too few data, or what it needs is missing."""
    return Outcome("unjudged", message, **more)


def skipped(message: str, **more: Any) -> Outcome:
    """The check does not apply to this device, or was not asked for; it says nothing about fitness."""
    return Outcome("skipped", message, **more)

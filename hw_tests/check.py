"""What a check is: a name, a law in one line, how deep it looks, and a function of the session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from .outcome import Outcome

if TYPE_CHECKING:
    from .session import Session

Level: TypeAlias = Literal["quick", "standard", "soak"]
LEVELS: tuple[Level, ...] = ("quick", "standard", "soak")


@dataclass(frozen=True)
class Check:
    """One question to a device.

    name: `group.what`, stable over versions: JUnit, history and docs use it. law: what must hold, in one line. level: the
    first level that asks it. light: whether it needs light (gated by --allow-laser on devices that emit any). test: the
    statistical test, sample size and what power it has against which fault, for the table in docs. faults: the causes it
    can name. headline: short name of the figure that a screen shows for its group, "" for the message's first clause, None
    for nothing.
    """

    name: str
    law: str
    run: Callable[[Session], Outcome]
    level: Level = "quick"
    light: bool = True
    test: str = "exact"
    faults: tuple[str, ...] = ()
    headline: str | None = None

    @property
    def group(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]


def asked(check: Check, level: Level) -> bool:
    """Whether that level asks it."""
    return LEVELS.index(check.level) <= LEVELS.index(level)

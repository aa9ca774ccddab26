"""The rivals of a comparison: one label and one colour each, wherever they are shown."""

from __future__ import annotations

from dataclasses import dataclass

from opu.errors import ConfigError

from .settings import FeedbackName, MethodName


@dataclass(frozen=True)
class Arm:
    """One way to train: a method, its feedback (None: it has none), a label and a colour (Okabe & Ito 2008)."""

    name: str
    label: str
    method: MethodName
    feedback: FeedbackName | None
    colour: str


ARMS: tuple[Arm, ...] = (
    Arm("backprop", "Backprop", "bp", None, "#0072B2"),
    Arm("dfa-digital", "DFA, digital", "dfa", "digital", "#009E73"),
    Arm("dfa-optical", "DFA, optical", "dfa", "optical", "#D55E00"),
    Arm("last-layer", "Last layer only", "shallow", None, "#6E6E6E"),
)


def arm_of(method: str, feedback: str | None) -> Arm:
    """Return the arm of a method and its feedback (ignored where the method has none). Raises ConfigError."""
    for arm in ARMS:
        if arm.method == method and arm.feedback in (None, feedback):
            return arm
    raise ConfigError(f"no arm trains by '{method}' with feedback '{feedback}': choose bp, shallow or dfa")


def arm_named(name: str) -> Arm:
    """Return the arm of that name. Raises ConfigError naming the choices."""
    for arm in ARMS:
        if arm.name == name:
            return arm
    raise ConfigError(f"arm '{name}' is unknown: choose from {', '.join(a.name for a in ARMS)}")

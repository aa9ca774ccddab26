"""The rivals of a comparison: one label, one colour and one marker each, wherever they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from opu.errors import ConfigError
from opu.validation import suggestion

from .settings import FeedbackName, MethodName


@dataclass(frozen=True)
class Arm:
    """One way to train: a method, its feedback (None: it has none to choose), a label, a colour and a marker.

    Colours are those of Okabe & Ito 2008, with two more that stay apart from them for colour-blind eyes; the yellow, which
    is faint on white, has the boldest marker.
    """

    name: str
    label: str
    method: MethodName
    feedback: FeedbackName | None
    colour: str
    marker: str = "o"


ARMS: tuple[Arm, ...] = (
    Arm("backprop", "Backprop", "bp", None, "#0072B2"),
    Arm("dfa-digital", "DFA, digital", "dfa", "digital", "#009E73"),
    Arm("dfa-optical", "DFA, optical", "dfa", "optical", "#D55E00"),
    Arm("last-layer", "Last layer only", "shallow", None, "#6E6E6E"),
)
"""What `compare` trains unless told otherwise."""

ALL_ARMS: tuple[Arm, ...] = (
    *ARMS,
    Arm("fa", "Feedback alignment", "fa", None, "#E69F00", "s"),
    Arm("drtp", "Random targets (DRTP)", "drtp", None, "#CC79A7", "v"),
    Arm("local", "Local losses", "local", None, "#56B4E9", "^"),
    Arm("dni", "Synthetic gradients", "dni", None, "#000000", "D"),
    Arm("dithered", "Dithered backprop", "dithered", None, "#F0E442", "X"),
    Arm("slots", "Slot machines", "slots", None, "#882255", "P"),
)


def arm_of(method: str, feedback: str | None) -> Arm:
    """Return the arm of a method and its feedback (ignored where the method has none). Raises ConfigError."""
    for arm in ALL_ARMS:
        if arm.method == method and arm.feedback in (None, feedback):
            return arm
    methods = dict.fromkeys(arm.method for arm in ALL_ARMS)
    raise ConfigError(f"no arm trains by '{method}' with feedback '{feedback}': choose {', '.join(methods)}")


def arm_named(name: str) -> Arm:
    """Return the arm of that name. Raises ConfigError naming the choices."""
    for arm in ALL_ARMS:
        if arm.name == name:
            return arm
    raise ConfigError(f"arm '{name}' is unknown: choose from {', '.join(a.name for a in ALL_ARMS)}")


def arms_of(names: Sequence[str], feedback: FeedbackName) -> tuple[Arm, ...]:
    """Return the arms of these methods ('dfa' with that feedback) or arms ('dfa-digital'), in the order given.

    Raises ConfigError for an unknown name, with the nearest one, and for none or the same arm twice.
    """
    by_name = {arm.name: arm for arm in ALL_ARMS}
    by_method: dict[str, Arm] = {arm.method: arm for arm in ALL_ARMS if arm.feedback in (None, feedback)}
    known: dict[str, Arm] = {**by_method, **by_name}
    for name in names:
        if name not in known:
            raise ConfigError(f"method '{name}' is unknown; {suggestion(name, list(known))}")
    arms = tuple(known[name] for name in names)
    if not arms or len(set(arms)) < len(arms):
        raise ConfigError(f"methods {', '.join(names) or '(none)'}: give one or more, none twice")
    return arms

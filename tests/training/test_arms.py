from __future__ import annotations

from typing import get_args

import pytest
from opu.training.arms import ALL_ARMS, ARMS, arm_named, arm_of, arms_of
from opu.training.settings import MethodName

from opu.errors import ConfigError


def test_every_arm_is_found_by_method_and_by_name() -> None:
    for arm in ARMS:
        assert arm_of(arm.method, arm.feedback) is arm
        assert arm_named(arm.name) is arm
    assert arm_of("bp", "optical").name == "backprop"
    for arm in ALL_ARMS:
        assert arm_named(arm.name) is arm
    assert len(ARMS) == 4
    for what in ("name", "label", "colour"):
        assert len({getattr(a, what) for a in ALL_ARMS}) == len(ALL_ARMS) == 10


def test_unknown_arms_are_refused() -> None:
    with pytest.raises(ConfigError, match="'dfa' with feedback 'None'"):
        arm_of("dfa", None)
    with pytest.raises(ConfigError, match="'x' is unknown: choose from backprop"):
        arm_named("x")


def test_every_method_has_an_arm() -> None:
    methods = get_args(MethodName)
    arms = arms_of(methods, "digital")
    assert tuple(arm.method for arm in arms) == methods
    assert arms[2].name == "dfa-digital"
    assert [a.name for a in arms_of(["dfa", "dfa-digital"], "optical")] == ["dfa-optical", "dfa-digital"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["bp", "dithred"], "'dithred' is unknown; did you mean 'dithered'"),
        ([], "give one or more"),
        (["bp", "backprop"], "none twice"),
    ],
)
def test_wrong_names_are_refused_with_the_nearest(names: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        arms_of(names, "optical")

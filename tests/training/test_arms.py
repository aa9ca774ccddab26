from __future__ import annotations

import pytest
from opu.training.arms import ARMS, arm_named, arm_of

from opu.errors import ConfigError


def test_every_arm_is_found_by_method_and_by_name() -> None:
    for arm in ARMS:
        assert arm_of(arm.method, arm.feedback) is arm
        assert arm_named(arm.name) is arm
    assert arm_of("bp", "optical").name == "backprop"
    assert len({a.colour for a in ARMS}) == len({a.label for a in ARMS}) == 4


def test_unknown_arms_are_refused() -> None:
    with pytest.raises(ConfigError, match="'dfa' with feedback 'None'"):
        arm_of("dfa", None)
    with pytest.raises(ConfigError, match="'x' is unknown: choose from backprop"):
        arm_named("x")

"""Limits come from [hil] and [devices.NAME.hil]; what is wrong is told by its key."""

import pytest
from opu.hw_tests.command import Asked, checks_of, session_of
from opu.hw_tests.limits import Limits

from opu.config import load_config
from opu.errors import ConfigError

FILE = """
device = "a"
[hil]
accuracy = 0.7
jitter = 3.0
[devices.a]
kind = "sim"
[devices.a.hil]
accuracy = 0.6
"""


def limits(tmp_path, text=FILE, *overrides):
    (tmp_path / "lab.toml").write_text(text)
    return session_of(load_config(tmp_path / "lab.toml", None, overrides), Asked()).limits


def test_the_device_s_own_go_over_the_file_s(tmp_path):
    assert limits(tmp_path) == Limits(accuracy=0.6, jitter=3.0)
    assert limits(tmp_path, FILE, "hil.crosstalk=0.2").crosstalk == 0.2


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("accuracyy = 1.0", r"hil\.accuracyy.*did you mean 'accuracy'"),
        ("accuracy = 1.5", r"hil\.accuracy.*1"),
        ("significance = 0.5", r"hil\.significance"),
        ("serial = 3", r"hil\.serial"),
        ("latency_s = -1.0", r"hil\.latency_s"),
    ],
)
def test_wrong_keys_are_named(tmp_path, wrong, told):
    with pytest.raises(ConfigError, match=told):
        limits(tmp_path, f'[hil]\n{wrong}\n[devices.a]\nkind = "sim"\n')


def test_only_names_checks_groups_and_patterns():
    groups = {check.group for check in checks_of(Asked(only=("medium.*", "codes", "light.arrives")))}
    assert groups == {"medium", "codes", "light"}
    with pytest.raises(ConfigError, match=r"--only mediun: no check of level quick.*medium"):
        checks_of(Asked(only=("mediun",)))
    with pytest.raises(ConfigError, match="level quick"):
        checks_of(Asked(only=("timing.long_run",)))
    assert len(checks_of(Asked(level="soak"))) > len(checks_of(Asked(level="standard"))) > len(checks_of(Asked()))


def test_every_limit_says_what_it_is():
    for name, field in Limits.model_fields.items():
        assert field.description or name == "gain_tolerance"

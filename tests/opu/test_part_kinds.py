"""Kinds of part are found by name, checked, and told apart by role."""

import tomllib
from importlib.metadata import EntryPoint

import pytest
from typer.testing import CliRunner

from opu import part_kinds
from opu.cli import app
from opu.errors import ConfigError
from opu.kinds import DeviceKind
from opu.part_kinds import ROLES, PartKind, group, load_part_kind, part_kind_names
from opu.validation import validated

INSTALLED = [(role, name) for role in ROLES for name in part_kind_names(role)]


def test_every_role_has_kinds():
    assert {role for role, _ in INSTALLED} == set(ROLES)
    assert group("power_meter") == "opu.power_meters"


@pytest.mark.parametrize(("role", "name"), INSTALLED)
def test_each_is_what_it_says_and_builds_closed(role, name):
    """From its starter, if that says all that is needed; nothing of the maker's is loaded or reached by that."""
    kind = load_part_kind(role, name)
    assert (kind.name, kind.role) == (name, role)
    assert kind.summary
    table = tomllib.loads(kind.starter)
    assert table.pop("kind", name) == name
    part = kind.build(validated(kind.settings, table, role))
    if role != "power_meter":
        assert not part.status().is_open
    part.close()


def test_a_name_that_is_none_is_told():
    with pytest.raises(ConfigError, match="unknown kind of camera 'vivo'; did you mean 'viva'"):
        load_part_kind("camera", "vivo")


def installed(monkeypatch, value):
    entry = EntryPoint("odd", value, "opu.cameras")
    monkeypatch.setattr(part_kinds, "entry_points", lambda group: [entry])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("nowhere:KIND", "cannot be loaded: No module named 'nowhere'"),
        ("opu.drivers.alp:ALP", "is no opu.PartKind of a camera"),
        ("opu.sim.kind:KIND", "is no opu.PartKind of a camera"),
    ],
)
def test_a_broken_entry_point_is_told(monkeypatch, value, message):
    installed(monkeypatch, value)
    with pytest.raises(ConfigError, match=message):
        load_part_kind("camera", "odd")


def test_devices_lists_them_even_broken_ones(monkeypatch):
    result = CliRunner().invoke(app, ["devices", "--parts"])
    assert all(name in result.output for _, name in INSTALLED)
    installed(monkeypatch, "nowhere:KIND")
    result = CliRunner().invoke(app, ["devices", "--parts"])
    assert result.exit_code == 0
    assert "cannot be loaded" in result.output


def test_a_kind_is_no_device():
    assert not isinstance(load_part_kind(*INSTALLED[0]), DeviceKind)
    assert isinstance(load_part_kind(*INSTALLED[0]), PartKind)

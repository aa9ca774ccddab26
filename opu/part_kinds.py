"""Kinds of modulator, camera, laser and power meter, found by name through entry points, so that any package can add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel

from opu.errors import ConfigError
from opu.validation import suggestion

Role: TypeAlias = Literal["modulator", "camera", "laser", "power_meter"]
ROLES: tuple[Role, ...] = ("modulator", "camera", "laser", "power_meter")


@dataclass(frozen=True)
class PartKind:
    """What an entry point in `opu.modulators`, `opu.cameras`, `opu.lasers` or `opu.power_meters` names.

    `build` takes checked settings and gives a closed part; it imports the maker's library when the part is opened.
    """

    name: str
    role: Role
    summary: str
    settings: type[BaseModel]
    build: Callable[[Any], Any]
    starter: str = ""
    """Commented TOML lines, the body of one [devices.NAME.ROLE] table."""


def part_kind_names(role: Role) -> list[str]:
    """Names of the installed kinds of part, sorted; loads none of them."""
    return sorted(entry.name for entry in entry_points(group=group(role)))


def load_part_kind(role: Role, name: str) -> PartKind:
    """The kind of part called `name`, imported now; ConfigError if there is none, or if its package does not import."""
    entries = {entry.name: entry for entry in entry_points(group=group(role))}
    if name not in entries:
        raise ConfigError(f"unknown kind of {role} {name!r}; {suggestion(name, sorted(entries))}")
    try:
        kind = entries[name].load()
    except Exception as error:
        raise ConfigError(f"{role} kind {name!r} ({entries[name].value}) cannot be loaded: {error}") from error
    if not isinstance(kind, PartKind) or kind.role != role:
        raise ConfigError(f"{role} kind {name!r} ({entries[name].value}) is no opu.PartKind of a {role}")
    return kind


def group(role: Role) -> str:
    """The entry-point group of a role."""
    return f"opu.{role}s"

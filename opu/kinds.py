"""Kinds of device, found by name through the entry-point group `opu.devices`, so that any package can add one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import BaseModel

from opu.device import Device
from opu.errors import ConfigError
from opu.validation import suggestion

GROUP = "opu.devices"


@dataclass(frozen=True)
class DeviceKind:
    """What an entry point in `opu.devices` names: settings (checked by pydantic) and how to build a closed device."""

    name: str
    summary: str
    settings: type[BaseModel]
    build: Callable[[Any], Device]
    starter: str = ""
    """Commented TOML lines for `opu init`, the body of one [devices.NAME] table."""
    emits_light: bool = True
    """Whether real light comes out; a simulator's False spares it the --allow-laser of `opu hil`."""


def kind_names() -> list[str]:
    """Names of the installed kinds, sorted; loads none of them."""
    return sorted(_entries())


def load_kind(name: str) -> DeviceKind:
    """The kind called `name`, imported now; ConfigError if there is none, or if its package does not import."""
    entries = _entries()
    if name not in entries:
        raise ConfigError(f"unknown device kind {name!r}; {suggestion(name, sorted(entries))}")
    try:
        kind = entries[name].load()
    except Exception as error:
        raise ConfigError(f"device kind {name!r} ({entries[name].value}) cannot be loaded: {error}") from error
    if not isinstance(kind, DeviceKind):
        raise ConfigError(
            f"device kind {name!r} ({entries[name].value}) is a {type(kind).__name__}, not an opu.DeviceKind"
        )
    return kind


def _entries() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}

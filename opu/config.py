"""Configuration: a TOML file with named device profiles, one of which is chosen by a single word.

    device = "lab1"
    [devices.lab1]
    kind = "sim"
    n_inputs = 784
    ...

`threads = 2` at the top limits the kernels' threads (default: every core; opu.set_num_threads from Python).

Chosen, last one wins: `device` in the file, OPU_DEVICE, `--device`. Single keys: `--set key=value`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from opu.errors import ConfigError
from opu.kinds import kind_names
from opu.validation import suggestion

Table = dict[str, Any]

DEFAULT_DEVICE = "sim"
SECTIONS = ("device", "devices", "train", "hil", "threads")


@dataclass(frozen=True)
class Config:
    """A configuration as read; its tables, and threads, are checked by those who use them.

    source: where it came from, for messages. device: the profile chosen. overrides: (path, value) for the chosen
    profile, applied when it is selected.
    """

    source: str = "command line"
    device: str = DEFAULT_DEVICE
    devices: Mapping[str, Table] = field(default_factory=dict)
    train: Table = field(default_factory=dict)
    threads: int | None = None
    hil: Table = field(default_factory=dict)

    def profile(self) -> Table:
        """The chosen device's table. A kind's own name stands for that kind with its defaults, in any file."""
        if self.device in self.devices:
            return dict(self.devices[self.device])
        if self.device in kind_names():
            return {"kind": self.device}
        allowed = sorted({*self.devices, *kind_names()})
        raise ConfigError(f"{self.source}: no device profile {self.device!r}; {suggestion(self.device, allowed)}")

    @property
    def where(self) -> str:
        """How messages name the chosen device's table."""
        return f"{self.source}: devices.{self.device}"


def load_config(path: Path | str | None = None, device: str | None = None, overrides: Iterable[str] = ()) -> Config:
    """Read a TOML file (None: defaults), choose the device, apply `key=value` overrides; ConfigError says what is wrong.

    An override's key is a path in the file (`devices.lab1.seed`, `train.epochs`), or a path within the chosen device's
    table (`camera.bit_depth`). Its value is read as TOML, or as a plain string where it is none.
    """
    config = Config() if path is None else _read(Path(path))
    chosen = device or os.environ.get("OPU_DEVICE") or None
    if chosen:
        config = replace(config, device=chosen)
    for override in overrides:
        config = _overridden(config, override)
    return config


def merged(base: Mapping[str, Any], top: Mapping[str, Any]) -> Table:
    """`top` over `base`, table by table; neither is changed."""
    result = dict(base)
    for key, value in top.items():
        below = result.get(key)
        both = isinstance(value, Mapping) and isinstance(below, Mapping)
        result[key] = merged(below, value) if both else value  # type: ignore[arg-type]
    return result


def _read(path: Path) -> Config:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"no config file {path} (in {Path.cwd()}); `opu init {path}` writes a commented one"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read config file {path}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
    for key in table:
        if key not in SECTIONS:
            raise ConfigError(f"{path}: {key}: unknown key; {suggestion(key, list(SECTIONS))}")
    devices, train, hil = (table.get(name, {}) for name in ("devices", "train", "hil"))
    for name, section in {"devices": devices, "train": train, "hil": hil}.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name} = {section!r}: must be a table, [{name}...]")
    for name, profile in devices.items():
        if not isinstance(profile, dict):
            raise ConfigError(f"{path}: devices.{name} = {profile!r}: must be a table, [devices.{name}]")
    device = table.get("device", next(iter(devices)) if len(devices) == 1 else DEFAULT_DEVICE)
    if not isinstance(device, str):
        raise ConfigError(f"{path}: device = {device!r}: must be the name of a profile, such as {DEFAULT_DEVICE!r}")
    return Config(str(path), device, devices, train, table.get("threads"), hil)


def _overridden(config: Config, override: str) -> Config:
    key, separator, text = override.partition("=")
    path = [part.strip() for part in key.split(".")]
    if not separator or not all(path):
        raise ConfigError(f"--set {override!r}: expected key=value, such as camera.bit_depth=10 or train.epochs=5")
    value = _parsed(text.strip())
    if path[0] == "train" and len(path) > 1:
        return replace(config, train=merged(config.train, _nested(path[1:], value)))
    if path[0] == "hil" and len(path) > 1:
        return replace(config, hil=merged(config.hil, _nested(path[1:], value)))
    if path[0] == "devices" and len(path) > 2:
        return replace(config, devices=merged(config.devices, _nested(path[1:], value)))
    if path == ["threads"]:
        return replace(config, threads=value)
    if path[0] in SECTIONS:
        raise ConfigError(
            f"--set {override!r}: {path[0]!r} alone cannot be set; use --device NAME, devices.NAME.key=value or "
            "train.key=value"
        )
    profile = merged(config.profile(), _nested(path, value))
    return replace(config, devices={**config.devices, config.device: profile})


def _nested(path: list[str], value: Any) -> Table:
    return {path[0]: value if len(path) == 1 else _nested(path[1:], value)}


def _parsed(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text

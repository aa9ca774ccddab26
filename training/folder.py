"""The run folder: everything needed to read a run again, in plain files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import tomli_w

from opu.errors import ConfigError
from opu.files import write_atomic

from .record import EpochRecord
from .settings import ResolvedSettings


def run_name(settings: ResolvedSettings) -> str:
    """Return '<method>[-<feedback>]-<dataset>-s<seed>'."""
    method = f"dfa-{settings.feedback}" if settings.method == "dfa" else settings.method
    return f"{method}-{settings.dataset}-s{settings.seed}"


def make_folder(parent: Path, name: str) -> Path:
    """Create and return `parent/<UTC time>-<name>`, with -2, -3... where taken. Raises ConfigError when it cannot."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        folder = parent / (f"{stamp}-{name}" if number == 1 else f"{stamp}-{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError as error:
            if not parent.is_dir():
                raise ConfigError(f"out: {parent} is not a folder: choose another") from error
            number += 1
        except OSError as error:
            raise ConfigError(f"out: cannot create {folder} ({error}): choose a folder that can be written") from error
        else:
            return folder


def write_config(
    folder: Path, settings: ResolvedSettings, device_name: str | None, device_table: Mapping[str, Any] | None
) -> None:
    """Write `config.toml`: `[train]`, and `device` with `[devices.<name>]` where a device is given."""
    document: dict[str, Any] = {}
    if device_name is not None:
        document["device"] = device_name
        if device_table is not None:
            document["devices"] = {device_name: _plain(device_table)}
    document["train"] = _plain(settings.model_dump(mode="json"))
    write_atomic(folder / "config.toml", tomli_w.dumps(document))


def write_metrics(folder: Path, settings: ResolvedSettings, history: Sequence[EpochRecord]) -> None:
    """Write `metrics.json`: the settings, one record per epoch, and whether the run is complete."""
    document = {
        "settings": settings.model_dump(mode="json"),
        "complete": len(history) >= settings.epochs,
        "history": [record.as_json() for record in history],
    }
    write_atomic(folder / "metrics.json", json.dumps(document, indent=1, allow_nan=False) + "\n")


def _plain(value: Any) -> Any:
    """TOML knows neither None (left out) nor paths and tuples."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value

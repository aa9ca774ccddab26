"""The run folder: everything needed to read a run again, in plain files."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from opu.errors import InputError
from opu.files import write_atomic

from .progress import StepLog
from .record import EpochRecord
from .run_facts import RunFacts
from .settings import ResolvedSettings

METRICS = "metrics.json"


def run_name(settings: ResolvedSettings) -> str:
    """Return '<method>[-<feedback>]-<dataset>-s<seed>'."""
    method = f"dfa-{settings.feedback}" if settings.method == "dfa" else settings.method
    return f"{method}-{settings.dataset}-s{settings.seed}"


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


def write_metrics(
    folder: Path,
    settings: ResolvedSettings,
    history: Sequence[EpochRecord],
    facts: RunFacts | None = None,
    log: StepLog | None = None,
) -> dict[str, Any]:
    """Write `metrics.json` and return what it says: settings, whether the run is complete, totals, and epoch by epoch.

    facts: which run it is. log: its losses by step. Totals of device time (s) and energy (J) are what a real device takes
    for those frames, also where a simulator stood in.
    """
    document: dict[str, Any] = {
        "settings": settings.model_dump(mode="json"),
        "complete": len(history) >= settings.epochs,
        "run": None if facts is None else facts.as_json(),
        "totals": {
            "frames": sum(r.frames for r in history),
            "device_seconds": round(sum(r.device_seconds for r in history), 9),
            "device_joules": round(sum(r.device_joules for r in history), 9),
            "seconds": sum(r.seconds for r in history),
        },
        "history": [record.as_json() for record in history],
        "steps": {} if log is None else {"every": log.every, "step": log.steps, "loss": log.losses},
    }
    write_atomic(folder / METRICS, json.dumps(document, indent=1, allow_nan=False) + "\n")
    return document


def read_metrics(folder: Path) -> dict[str, Any] | None:
    """Return what `metrics.json` says, None where there is none that can be read."""
    try:
        document = json.loads((folder / METRICS).read_text())
    except (OSError, ValueError):
        return None
    return document if isinstance(document, dict) else None


def read_config(folder: Path) -> dict[str, Any]:
    """Return a run folder's `config.toml`, which has a `train`. Raises InputError when there is none."""
    try:
        with (folder / "config.toml").open("rb") as file:
            document = tomllib.load(file)
        document["train"]
    except (OSError, KeyError, tomllib.TOMLDecodeError) as error:
        raise InputError(
            f"{folder} holds neither a checkpoint nor a readable config.toml ({error}): no run began there; start a new one"
        ) from error
    return document


def _plain(value: Any) -> Any:
    """TOML knows neither None (left out) nor paths and tuples."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value

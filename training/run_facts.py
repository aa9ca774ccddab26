"""Which run it was: when, where, on which device, and how it ended. Kept in `metrics.json`, from which an index is made."""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import opu
from opu.device import DeviceSpec

from .callbacks import RunStatus

STAMPED = re.compile(r"(\d{8}T\d{6}Z)-")
"""How `make_dated_folder` begins the names of folders: with the time in UTC."""


@dataclass(frozen=True)
class RunFacts:
    """Times in UTC as ISO 8601; `device` is the profile's name, the rest of it what the device said of itself.

    `host` and `pid` tell whether a run that calls itself running still is.
    """

    started_utc: str
    ended_utc: str | None = None
    status: RunStatus = "running"
    error: str = ""
    device: str | None = None
    device_kind: str | None = None
    device_model: str | None = None
    device_serial: str | None = None
    fingerprint: str | None = None
    medium: str | None = None
    version: str = ""
    host: str = ""
    pid: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the facts as JSON-safe values."""
        return asdict(self)

    def ended(self, status: RunStatus, error: str = "") -> RunFacts:
        """Return the facts of the run that ended so, now."""
        return replace(self, status=status, error=error, ended_utc=now_utc())

    @property
    def alive(self) -> bool:
        """Whether the process may still run; on another computer nobody can tell, and it may."""
        if self.host != platform.node() or os.name != "posix" or self.pid <= 0:  # elsewhere, signal 0 is no question
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except OSError:
            pass
        return True

    @classmethod
    def of(cls, folder: Path, device: str | None, spec: DeviceSpec | None, before: RunFacts | None = None) -> RunFacts:
        """Return the facts of a run that this process begins, or takes up again: it then started when it first did."""
        told: dict[str, Any] = {}
        if spec is not None:
            told = {
                "device_kind": spec.kind,
                "device_model": spec.model,
                "device_serial": spec.serial,
                "fingerprint": spec.fingerprint,
                "medium": spec.medium,
            }
        started = before.started_utc if before is not None else stamp_utc(folder) or now_utc()
        return cls(started, device=device, version=opu.__version__, host=platform.node(), pid=os.getpid(), **told)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> RunFacts:
        """Read facts back, leaving out what this version does not know. Raises KeyError, TypeError for what is none."""
        known = {f.name for f in fields(cls)}
        return cls(**{"started_utc": table["started_utc"], **{k: v for k, v in table.items() if k in known}})


def now_utc() -> str:
    """Return the time as '2026-01-31T12:00:00+00:00'."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def stamp_utc(folder: Path) -> str | None:
    """Return the time that a run folder's name begins with, None for other names."""
    match = STAMPED.match(folder.name)
    if match is None:
        return None
    return datetime.strptime(match[1], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).isoformat(timespec="seconds")

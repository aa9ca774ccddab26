"""Folders for results: dated ones, and those that somebody named."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from opu.errors import ConfigError

RUNS = Path("runs")
"""Where results go unless told otherwise."""


def make_dated_folder(parent: Path, name: str) -> Path:
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
            raise _unmade(folder, error) from error
        else:
            return folder


def make_result_folder(out: Path | None, name: str, results: Sequence[str]) -> Path:
    """Return `out`, made if need be, or without one `runs/<UTC time>-<name>`.

    results: files that will be written there; ConfigError where `out` has one of them already, or cannot be made.
    """
    if out is None:
        return make_dated_folder(RUNS, name)
    for each in results:
        if (out / each).exists():
            raise ConfigError(f"out: {out / each} exists and would be lost: choose another folder")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unmade(out, error) from error
    return out


def _unmade(folder: Path, error: OSError) -> ConfigError:
    return ConfigError(f"out: cannot create {folder} ({error}): choose a folder that can be written")

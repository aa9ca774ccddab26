"""A device's health over months: every verdict in the index of the runs folder, its figures as a plot against time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from opu.characterization.plots import need_matplotlib
from opu.errors import InputError

from .document import DOCUMENT, read_document

INDEX = "index.sqlite"
BUSY_S = 30.0
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS health (folder TEXT PRIMARY KEY, started_utc TEXT, device TEXT, serial TEXT, level TEXT, "
    "fitness TEXT, causes TEXT)",
    "CREATE TABLE IF NOT EXISTS health_figures (folder TEXT, name TEXT, value REAL, standard_error REAL, unit TEXT, "
    "result TEXT, PRIMARY KEY (folder, name))",
)


def register(runs: Path, folder: Path, document: dict[str, Any]) -> None:
    """Enter a verdict; one of the same folder is replaced."""
    name = folder.name
    with _open(runs) as connection:
        connection.execute(
            "INSERT OR REPLACE INTO health VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                name,
                document["started_utc"],
                document["device"],
                document["spec"]["serial"],
                document["level"],
                document["fitness"],
                "; ".join(document["causes"]),
            ),
        )
        connection.execute("DELETE FROM health_figures WHERE folder = ?", (name,))
        connection.executemany(
            "INSERT INTO health_figures VALUES (?, ?, ?, ?, ?, ?)",
            [
                (
                    name,
                    check["name"],
                    (check["figure"] or {}).get("value"),
                    (check["figure"] or {}).get("standard_error"),
                    (check["figure"] or {}).get("unit", ""),
                    check["result"],
                )
                for check in document["checks"]
            ],
        )


def rescan(runs: Path) -> int:
    """Enter every verdict found in the runs folder; returns how many. An index that was lost is thus made again."""
    found = 0
    for path in sorted(runs.glob(f"*/{DOCUMENT}")):
        register(runs, path.parent, read_document(path))
        found += 1
    return found


def verdicts(runs: Path, device: str | None = None) -> list[dict[str, Any]]:
    """Verdicts, oldest first; of one device, by its profile or serial, if named."""
    with _open(runs) as connection:
        where = "WHERE device = ? OR serial = ?" if device else ""
        rows = connection.execute(
            f"SELECT folder, started_utc, device, serial, level, fitness, causes FROM health {where} ORDER BY started_utc",
            (device, device) if device else (),
        ).fetchall()
    names = ("folder", "started_utc", "device", "serial", "level", "fitness", "causes")
    return [dict(zip(names, row, strict=True)) for row in rows]


def figures(runs: Path, folders: list[str]) -> dict[str, list[tuple[str, float, float, str]]]:
    """Name of a check -> (folder, value, standard error, unit), in the order of `folders`."""
    with _open(runs) as connection:
        rows = connection.execute(
            "SELECT folder, name, value, standard_error, unit FROM health_figures WHERE value IS NOT NULL"
        ).fetchall()
    place = {folder: i for i, folder in enumerate(folders)}
    series: dict[str, list[tuple[str, float, float, str]]] = {}
    for folder, name, value, error, unit in sorted(rows, key=lambda row: place.get(row[0], -1)):
        if folder in place:
            series.setdefault(name, []).append((folder, value, error or 0.0, unit))
    return series


def plot(runs: Path, rows: list[dict[str, Any]], path: Path) -> list[str]:
    """Every figure measured at least twice against time, as PNG or whatever the name's end says; returns their names."""
    series = {
        name: points for name, points in figures(runs, [row["folder"] for row in rows]).items() if len(points) > 1
    }
    if not series:
        raise InputError("no figure was measured twice yet; run `opu hil` again on another day")
    when = {row["folder"]: datetime.fromisoformat(row["started_utc"]) for row in rows}
    columns = 4
    lines = -(-len(series) // columns)
    drawing = need_matplotlib()(figsize=(4 * columns, 2.4 * lines), dpi=90, layout="constrained")
    for axes, (name, points) in zip(
        drawing.subplots(lines, columns, squeeze=False).ravel(), series.items(), strict=False
    ):
        axes.errorbar(
            [when[p[0]] for p in points], [p[1] for p in points], [p[2] for p in points], fmt="o-", ms=3, lw=1
        )
        axes.set_title(name, fontsize=9)
        axes.set_ylabel(points[0][3], fontsize=8)
        axes.tick_params(labelsize=7)
        axes.tick_params(axis="x", rotation=30)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.savefig(path)
    return list(series)


@contextmanager
def _open(runs: Path) -> Iterator[sqlite3.Connection]:
    if not runs.is_dir():
        raise InputError(f"{runs} is no folder: give the one that `opu hil` writes to (--folder)")
    try:
        with closing(sqlite3.connect(runs / INDEX, timeout=BUSY_S)) as connection, connection:
            for statement in _SCHEMA:
                connection.execute(statement)
            yield connection
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"{runs / INDEX} cannot be used ({error}); move it away, then: opu hil history --rescan"
        ) from None

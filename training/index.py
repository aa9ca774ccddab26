"""The run index: one SQLite file in the runs folder, made of what the run folders say, so that losing it loses nothing."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from opu.errors import ConfigError, InputError, OPUError, OPUWarning

from .alignment import mean_or_none
from .callbacks import epoch_metrics
from .folder import METRICS, read_config, read_metrics
from .index_filter import COLUMNS, Condition
from .record import EpochRecord
from .result import chosen_epoch
from .run_facts import STAMPED, RunFacts, stamp_utc

INDEX = "index.sqlite"
BUSY_S = 30.0
_VERSION = 1

Row = dict[str, Any]
Curves = dict[str, list[tuple[int, float]]]
"""Values by step, under the name of what they are: 'loss' by step; 'test_accuracy' and the like by epoch."""


@dataclass(frozen=True)
class Entry:
    """One run as the index holds it: its row, and its figures by name and step or epoch."""

    row: Row
    curves: Curves


def index_folder(run_dir: Path) -> Path:
    """Return the runs folder of a run: the nearest above whose name does not begin with a time, as a comparison's does."""
    folder = run_dir.absolute().parent
    while STAMPED.match(folder.name) and folder.parent != folder:
        folder = folder.parent
    return folder


def run_id(folder: str) -> str:
    """Return 8 hexadecimal digits that stand for a run's folder, as named within the runs folder."""
    return hashlib.blake2s(folder.encode(), digest_size=4).hexdigest()


class RunIndex:
    """The index of a runs folder. Every call opens the file for itself; writers in any number of processes wait in turn.

    Schema, write-ahead log: `runs` has one row a run, `metrics` one a figure (folder, name, step, value). Raises
    sqlite3.Error or OSError where the file cannot be written, InputError for one of another version or a damaged one.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.path = self.folder / INDEX

    def register(self, run_dir: Path, document: Mapping[str, Any]) -> None:
        """Enter a run, or what became of it since: document is that of its `metrics.json`."""
        entry = entry_of(self.folder, run_dir, document)
        with self._writing() as connection:
            _insert(connection, entry)

    def rows(self, conditions: Sequence[Condition] = ()) -> list[Row]:
        """Return the runs that meet all conditions, newest first; one whose process died is 'interrupted', not 'running'."""
        where = " AND ".join(c.sql for c in conditions) or "1"
        names = ", ".join(COLUMNS)
        values = [v for c in conditions for v in c.parameters]
        with self._reading() as connection:
            found = connection.execute(
                f"SELECT {names} FROM runs WHERE {where} ORDER BY started_utc DESC, folder DESC", values
            ).fetchall()
        return [dict(zip(COLUMNS, row, strict=True)) for row in found]

    def curves(self, folder: str) -> Curves:
        """Return the figures of the run in that folder, as a row names it."""
        with self._reading() as connection:
            found = connection.execute(
                "SELECT name, step, value FROM metrics WHERE folder = ? ORDER BY name, step", [folder]
            ).fetchall()
        curves: Curves = {}
        for name, step, value in found:
            curves.setdefault(name, []).append((step, value))
        return curves

    def find(self, name: str) -> Row:
        """Return the run with that id or folder, or the only one whose id or folder begins so. Raises InputError."""
        rows = self.rows()
        exact = [r for r in rows if name in (r["id"], r["folder"])]
        found = exact or [r for r in rows if r["id"].startswith(name) or r["folder"].startswith(name)]
        if len(found) != 1 or not name:
            what = (
                "no run" if not found else f"{len(found)} runs, such as {found[0]['folder']} and {found[1]['folder']}"
            )
            raise InputError(
                f"'{name}' fits {what} in {self.folder}: give an id or a folder that `opu runs` lists, or enough of one"
            )
        return found[0]

    def refresh(self) -> None:
        """Mark runs that call themselves running, and whose process is gone, as interrupted."""
        with self._reading() as connection:
            found = connection.execute("SELECT folder, host, pid FROM runs WHERE status = 'running'").fetchall()
        dead = [folder for folder, host, pid in found if not RunFacts("", host=host or "", pid=pid or 0).alive]
        if dead:
            with self._writing() as connection:
                connection.executemany("UPDATE runs SET status = 'interrupted' WHERE folder = ?", [[f] for f in dead])

    def rescan(self) -> int:
        """Make the index anew from the folders; return how many runs it has. A damaged file is replaced."""
        if not self.folder.is_dir():
            raise ConfigError(f"{self.folder} is no folder: give the one that runs are made in (--folder)")
        entries = []
        for path in sorted(self.folder.rglob(METRICS)):
            try:
                entries.append(entry_of(self.folder, path.parent, read_metrics(path.parent) or {}))
            except (InputError, KeyError, TypeError, ValueError) as error:
                warnings.warn(f"{path} is left out: no metrics of a run ({error!r})", OPUWarning, stacklevel=2)
        try:
            self._replace(entries)
        except (sqlite3.DatabaseError, InputError) as error:
            if isinstance(error, sqlite3.OperationalError):  # locked, read-only or full: the file itself is well
                raise
            for suffix in ("", "-wal", "-shm"):
                self.path.with_name(INDEX + suffix).unlink(missing_ok=True)
            self._replace(entries)
        return len(entries)

    def _replace(self, entries: Sequence[Entry]) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM runs")
            connection.execute("DELETE FROM metrics")
            for entry in entries:
                _insert(connection, entry)

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            _set_up(connection, self.path)
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        finally:
            connection.close()

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            raise InputError(f"{self.path} does not exist: opu runs --rescan makes it from the run folders")
        connection: sqlite3.Connection | None = None
        try:
            connection, version = self._opened()
            _check_version(version, self.path)
            yield connection
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise OPUError(f"{self.path} cannot be read ({error}): opu runs --rescan makes it anew") from error
            raise InputError(f"{self.path} is damaged ({error}): opu runs --rescan makes it anew") from error
        finally:
            if connection is not None:
                connection.close()

    def _opened(self) -> tuple[sqlite3.Connection, int]:
        """A connection to read by. Whoever may write takes the log's files away with it when it leaves as the last."""
        for mode in ("rw", "ro", "ro&immutable=1"):  # the last: in a read-only folder, where nobody writes meanwhile
            connection = sqlite3.connect(f"{self.path.as_uri()}?mode={mode}", timeout=BUSY_S, uri=True)
            try:
                return connection, connection.execute("PRAGMA user_version").fetchone()[0]
            except sqlite3.OperationalError as error:
                connection.close()
                failure = error
            except BaseException:
                connection.close()
                raise
        raise failure


def entry_of(root: Path, run_dir: Path, document: Mapping[str, Any]) -> Entry:
    """Return what the index holds of a run. document: of its `metrics.json`, also one of an older version."""
    folder = _within(root, run_dir)
    settings = document["settings"]
    history = [EpochRecord.from_json(r) for r in document["history"]]
    facts = _facts(run_dir, document, len(history))
    optical = settings.get("method") == "dfa" and settings.get("feedback") == "optical"
    last = history[-1] if history else None
    row: Row = {
        **{name: getattr(facts, name) for name in COLUMNS if hasattr(facts, name)},
        "id": run_id(folder),
        "folder": folder,
        "status": facts.status if facts.status != "running" or facts.alive else "interrupted",
        "method": settings.get("method"),
        "feedback": settings.get("feedback") if settings.get("method") == "dfa" else None,
        "device": facts.device if optical else None,
        "dataset": settings.get("dataset"),
        "seed": settings.get("seed"),
        "epochs": len(history),
        "accuracy": chosen_epoch(history).test_accuracy if history else None,
        "loss": None if last is None else last.train_loss,
        "sample_angle_deg": None if last is None else mean_or_none(last.sample_angle_deg),
        "batch_angle_deg": None if last is None else mean_or_none(last.batch_angle_deg),
        "frames": sum(r.frames for r in history),
        "device_seconds": round(sum(r.device_seconds for r in history), 9),
        "device_joules": round(sum(r.device_joules for r in history), 9),
        "seconds": sum(r.seconds for r in history),
        "settings": json.dumps(settings),
    }
    curves: Curves = {}
    for record in history:
        for name, value in epoch_metrics(record).items():
            curves.setdefault(name, []).append((record.epoch, value))
    steps = document.get("steps") or {}
    if steps:
        curves["loss"] = list(zip(steps["step"], steps["loss"], strict=True))
    return Entry({name: row.get(name) for name in COLUMNS}, curves)


def _facts(run_dir: Path, document: Mapping[str, Any], epochs: int) -> RunFacts:
    with suppress(KeyError, TypeError):
        return RunFacts.from_json(document["run"])
    # A run of before there were such facts: what can be known is in its name, its files and their times.
    device = None
    with suppress(InputError):
        device = read_config(run_dir).get("device")
    changed = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime((run_dir / METRICS).stat().st_mtime))
    done = bool(document.get("complete")) and epochs > 0
    return RunFacts(
        stamp_utc(run_dir) or changed, ended_utc=changed, status="done" if done else "interrupted", device=device
    )


def _within(root: Path, run_dir: Path) -> str:
    run_dir = run_dir.absolute()
    return run_dir.relative_to(root).as_posix() if run_dir.is_relative_to(root) else run_dir.as_posix()


def _set_up(connection: sqlite3.Connection, path: Path) -> None:
    for attempt in range(100):
        try:
            # Turning the log on takes the whole file, and does not wait its turn as a transaction does.
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or attempt == 99:
                raise
            time.sleep(0.05)
    connection.execute("PRAGMA synchronous = NORMAL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == 0:
        kinds = {str: "TEXT", int: "INTEGER", float: "REAL"}
        columns = ", ".join(f"{name} {kinds[kind]}" for name, kind in COLUMNS.items())
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(f"CREATE TABLE IF NOT EXISTS runs ({columns}, PRIMARY KEY (folder))")
        connection.execute(
            "CREATE TABLE IF NOT EXISTS metrics (folder TEXT, name TEXT, step INTEGER, value REAL, "
            "PRIMARY KEY (folder, name, step)) WITHOUT ROWID"
        )
        connection.execute(f"PRAGMA user_version = {_VERSION}")
        connection.execute("COMMIT")
    else:
        _check_version(version, path)


def _check_version(version: int, path: Path) -> None:
    if version != _VERSION:
        raise InputError(
            f"{path} has version {version}, this program knows {_VERSION}: opu runs --rescan makes it anew from the folders"
        )


def _insert(connection: sqlite3.Connection, entry: Entry) -> None:
    marks = ", ".join("?" * len(COLUMNS))
    connection.execute(f"INSERT OR REPLACE INTO runs ({', '.join(COLUMNS)}) VALUES ({marks})", list(entry.row.values()))
    folder = entry.row["folder"]
    connection.execute("DELETE FROM metrics WHERE folder = ?", [folder])
    connection.executemany(
        "INSERT INTO metrics VALUES (?, ?, ?, ?)",
        [[folder, name, step, value] for name, curve in entry.curves.items() for step, value in curve],
    )

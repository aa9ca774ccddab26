"""The edge of the run index: what `opu runs` does between its options and a table, a picture or a file."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from opu.errors import ConfigError, InputError, OPUError
from opu.files import write_atomic

from .arms import arm_of
from .display import results
from .index import Row, RunIndex
from .index_filter import COLUMNS, Condition, equals, parse_where
from .run_facts import now_utc
from .runs_plot import save_runs
from .units import angle_text, joules_text, seconds_text

DEFAULT_FOLDER = Path("runs")
_LEFT_OUT = ("method", "feedback", "out", "data")


def run_list(
    folder: Path | None = None,
    *,
    method: str | None = None,
    dataset: str | None = None,
    where: Sequence[str] = (),
    limit: int | None = 30,
    rescan: bool = False,
) -> list[dict[str, Any]]:
    """Print the runs of a runs folder (default: runs), newest first; return all that fit, not only the `limit` printed.

    where: conditions such as 'accuracy>0.97', all of which must hold. rescan: make the index anew from the folders first,
    which happens by itself where there is none. Raises ConfigError for a folder that is none, InputError for a condition.
    """
    rows = _chosen(folder, method, dataset, where, rescan)
    shown = rows if limit is None else rows[:limit]
    results.print(runs_table(shown))
    if len(shown) < len(rows):
        results.print(f"{len(rows) - len(shown)} more: --limit {len(rows)} shows them")
    return [_plain(row) for row in rows]


def run_export(
    path: Path,
    folder: Path | None = None,
    *,
    method: str | None = None,
    dataset: str | None = None,
    where: Sequence[str] = (),
    rescan: bool = False,
) -> int:
    """Write the runs that fit to `path`, .csv or .json; return how many. The other arguments and errors are run_list's.

    CSV: one line a run, settings as 'settings.NAME'. JSON: a list of runs, with settings and the figures by step or epoch.
    """
    if path.suffix not in (".csv", ".json"):
        raise InputError(f"export {path}: the name must end in .csv or .json")
    if not path.absolute().parent.is_dir():
        raise InputError(f"export {path}: {path.absolute().parent} is not a folder; make it first")
    rows = [_plain(row) for row in _chosen(folder, method, dataset, where, rescan)]
    if path.suffix == ".json":
        index = RunIndex(_folder(folder))
        document = [{**row, "metrics": index.curves(row["folder"])} for row in rows]
        write_atomic(path, json.dumps(document, indent=1, allow_nan=False) + "\n")
    else:
        write_atomic(path, _csv(rows))
    results.print(f"{len(rows)} runs: {path}", soft_wrap=True)
    return len(rows)


def run_compare(
    ids: Sequence[str], folder: Path | None = None, *, out: Path | None = None, rescan: bool = False
) -> dict[str, Any]:
    """Print two or more runs side by side, with the settings in which they differ, and draw their curves.

    ids: as run_list prints them, or folders, or the beginning of either. out: picture (default: runs-compare.png in the
    runs folder). Returns the rows and the picture's path. Raises InputError for an id that fits no run, or several.
    """
    if len(ids) < 2:
        raise InputError(f"{len(ids)} runs to compare: give two or more ids, such as opu runs --compare 1f00 2e11")
    index = _index(folder, rescan)
    found = [index.find(name) for name in ids]
    if len({row["folder"] for row in found}) < len(found):
        raise InputError(f"runs {', '.join(ids)}: one is given twice")
    picture = out if out is not None else _folder(folder) / "runs-compare.png"
    results.print(compare_table(found))
    try:
        save_runs([(_label(row), index.curves(row["folder"])) for row in found], picture)
    except OSError as error:
        raise OPUError(f"cannot write {picture} ({error}): choose another by --out") from error
    results.print(f"plot: {picture}", soft_wrap=True)
    return {"runs": [_plain(row) for row in found], "plot": str(picture)}


def runs_table(rows: Sequence[Row]) -> Table:
    """Return one line a run."""
    title = f"{len(rows)} run{'' if len(rows) == 1 else 's'}"
    # with every cell at its longest this is 98 wide
    table = Table(title=title, box=SIMPLE_HEAD, padding=0, pad_edge=False, caption="started: UTC")
    for heading in ("id", "started", "status", "method", "dataset"):
        table.add_column(heading, no_wrap=True)
    for heading in ("seed", "ep.", "acc. %", "frames", "device", "energy"):
        table.add_column(heading, justify="right", no_wrap=True)
    year = now_utc()[:4]
    for row in rows:
        table.add_row(
            row["id"],
            _when(row["started_utc"] or "", year),
            row["status"],
            " ".join(part for part in (row["method"], row["feedback"]) if part),
            row["dataset"],
            str(row["seed"]),
            str(row["epochs"]),
            _percent(row["accuracy"]),
            f"{row['frames']:,}" if row["frames"] else "–",
            seconds_text(row["device_seconds"]) if row["frames"] else "–",
            joules_text(row["device_joules"] or 0.0),
        )
    return table


def compare_table(rows: Sequence[Row]) -> Table:
    """Return one column a run: results, the device, and the settings that are not the same in all."""
    table = Table(box=SIMPLE_HEAD)
    table.add_column("")
    for row in rows:
        table.add_column(row["id"], justify="right", overflow="fold")
    table.add_row("folder", *(row["folder"] for row in rows))
    table.add_row("status", *(row["status"] for row in rows))
    table.add_row("method", *(_method(row) for row in rows))
    table.add_row("[bold]test accuracy %", *(f"[bold]{_percent(row['accuracy'])}" for row in rows))
    table.add_row("training loss", *("–" if row["loss"] is None else f"{row['loss']:.4g}" for row in rows))
    table.add_row("angle per sample", *(angle_text(row["sample_angle_deg"]) for row in rows))
    table.add_row("angle per batch", *(angle_text(row["batch_angle_deg"]) for row in rows))
    table.add_row("wall time of training", *(seconds_text(row["seconds"]) for row in rows))
    if any(row["frames"] for row in rows):
        table.add_row("frames shown", *(f"{row['frames']:,}" for row in rows))
        table.add_row("time a real device takes", *(seconds_text(row["device_seconds"]) for row in rows))
        table.add_row("energy it draws", *(joules_text(row["device_joules"] or 0.0) for row in rows))
        for name in ("device", "device_model", "device_serial", "medium"):
            if len({row[name] for row in rows}) > 1:
                table.add_row(name, *(row[name] or "–" for row in rows))
    settings = [json.loads(row["settings"]) for row in rows]
    for name in dict.fromkeys(name for s in settings for name in s):
        values = [s.get(name) for s in settings]
        if name not in _LEFT_OUT and any(value != values[0] for value in values):
            table.add_row(
                name, *(json.dumps(value) if isinstance(value, dict | list) else str(value) for value in values)
            )
    return table


def _chosen(
    folder: Path | None, method: str | None, dataset: str | None, where: Sequence[str], rescan: bool
) -> list[Row]:
    conditions: list[Condition] = [parse_where(text) for text in where]
    conditions += [
        equals(name, value) for name, value in (("method", method), ("dataset", dataset)) if value is not None
    ]
    return _index(folder, rescan).rows(conditions)


def _folder(folder: Path | None) -> Path:
    return DEFAULT_FOLDER if folder is None else folder


def _index(folder: Path | None, rescan: bool) -> RunIndex:
    index = RunIndex(_folder(folder))
    if not index.folder.is_dir():
        raise ConfigError(
            f"{index.folder} is no folder: train first, or give the folder that runs are made in (--folder)"
        )
    if rescan or not index.path.is_file():
        try:
            n = index.rescan()
        except (sqlite3.Error, OSError) as error:
            raise OPUError(f"{index.path} cannot be made ({error}): make the runs folder writable") from error
        results.print(f"index made from {n} run folders: {index.path}", soft_wrap=True)
    else:
        with suppress(sqlite3.Error, OSError):  # a folder that cannot be written is read as it is
            index.refresh()
    return index


def _plain(row: Row) -> dict[str, Any]:
    return {**row, "settings": json.loads(row["settings"])}


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    names = [f"settings.{name}" for name in dict.fromkeys(name for row in rows for name in row["settings"])]
    flat = [row | {f"settings.{name}": _cell(value) for name, value in row["settings"].items()} for row in rows]
    text = io.StringIO()
    columns = [*(name for name in COLUMNS if name != "settings"), *names]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(flat)
    return text.getvalue()


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _label(row: Row) -> str:
    return f"{row['id']}  {_method(row)}, seed {row['seed']}"


def _method(row: Row) -> str:
    try:
        return arm_of(row["method"], row["feedback"]).label
    except ConfigError:  # of another version
        return str(row["method"])


def _when(started_utc: str, year: str) -> str:
    """'01-31 12:00', or the date alone of another year: a line has no room for both."""
    return started_utc[5:16].replace("T", " ") if started_utc.startswith(year) else started_utc[:10]


def _percent(fraction: float | None) -> str:
    return "–" if fraction is None else f"{100 * fraction:.2f}"

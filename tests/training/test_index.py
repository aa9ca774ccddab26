from __future__ import annotations

import csv
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opu.training import runs_command
from opu.training.folder import METRICS, write_metrics
from opu.training.index import INDEX, RunIndex, entry_of, index_folder, run_id
from opu.training.index_filter import COLUMNS, parse_where
from opu.training.progress import Step, StepLog
from opu.training.record import EpochRecord
from opu.training.run import run_training
from opu.training.run_facts import RunFacts
from opu.training.settings import TrainSettings

from opu.errors import ConfigError, InputError, OPUError, OPUWarning


def record(epoch: int, accuracy: float = 0.5) -> EpochRecord:
    return EpochRecord(epoch, 1 / epoch, 0.4, accuracy, 1e-3, (85.0,), (60.0,), 100, 0.25, 1.5, device_joules=7.5)


def make_run(
    root: Path,
    name: str,
    *,
    accuracy: float = 0.5,
    epochs: int = 2,
    facts: RunFacts | None = None,
    index: bool = True,
    **settings: Any,
) -> Path:
    folder = root / name
    folder.mkdir(parents=True)
    chosen = TrainSettings(**({"method": "dfa", "feedback": "digital", "epochs": 2, "hidden": 8} | settings)).resolved()
    facts = facts or RunFacts.of(folder, None, None).ended("done")
    history = [record(e, accuracy) for e in range(1, epochs + 1)]
    document = write_metrics(folder, chosen, history, facts, StepLog(5, (5, 10), (2.0, 1.0)))
    if index:
        RunIndex(index_folder(folder)).register(folder, document)
    return folder


def test_a_run_is_entered_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    result = run_training(
        TrainSettings(method="bp", epochs=2, hidden=6, batch_size=256, seed=5, out=tmp_path), None, device_name="lab1"
    )
    index = RunIndex(tmp_path)
    (row,) = index.rows()
    folder = Path(result.run_dir).name
    assert (row["folder"], row["id"]) == (folder, run_id(folder))
    assert (row["status"], row["method"], row["feedback"], row["dataset"]) == ("done", "bp", None, "digits")
    assert (row["seed"], row["epochs"], row["frames"], row["device"]) == (5, 2, 0, None)
    assert row["accuracy"] == result.test_accuracy
    assert row["seconds"] == pytest.approx(result.train_seconds)
    assert row["version"] == "0.1.0"
    assert row["started_utc"] <= row["ended_utc"]
    assert json.loads(row["settings"])["learning_rate"] == 1e-3
    curves = index.curves(folder)
    assert [e for e, _ in curves["test_accuracy"]] == [1, 2]
    assert [s for s, _ in curves["loss"]] == list(range(1, 13))  # 6 steps an epoch
    losses = [v for _, v in curves["loss"]]
    assert losses[-1] < losses[0]


def test_losses_by_step_are_means_over_equal_stretches() -> None:
    log = StepLog(3)
    for first, last in ((1, 2), (3, 7)):
        log = log.and_steps([Step(k, float(k), 0, 1) for k in range(first, last + 1)])
    assert (log.steps, log.losses, log.count) == ((3, 6), (2.0, 5.0), 1)
    assert StepLog.of(100).every == 1
    assert StepLog.of(100_001).every == 101


def test_an_interrupted_and_a_failed_run_say_so(tmp_path: Path) -> None:
    settings = TrainSettings(method="bp", epochs=3, hidden=6, batch_size=256, out=tmp_path)
    for error in (KeyboardInterrupt(), RuntimeError("the lamp broke")):

        def stop(_: EpochRecord, error: BaseException = error) -> None:
            raise error

        with pytest.raises(type(error)):
            run_training(settings, None, on_epoch=stop)
    rows = {row["status"]: row for row in RunIndex(tmp_path).rows()}
    assert rows.keys() == {"interrupted", "failed"}
    assert rows["failed"]["error"] == "RuntimeError: the lamp broke"
    assert rows["interrupted"]["epochs"] == 1
    run_training(None, None, resume=tmp_path / rows["interrupted"]["folder"])
    after = {row["folder"]: row for row in RunIndex(tmp_path).rows()}[rows["interrupted"]["folder"]]
    assert (after["status"], after["epochs"], after["error"]) == ("done", 3, "")
    assert after["started_utc"] == rows["interrupted"]["started_utc"]


def test_a_lost_index_is_made_again_from_the_folders(tmp_path: Path) -> None:
    run_training(TrainSettings(method="bp", epochs=2, hidden=6, batch_size=256, out=tmp_path), None)
    make_run(tmp_path, "20260101T000000Z-x", accuracy=0.9)
    make_run(tmp_path, "20260102T000000Z-compare-digits/20260102T000001Z-bp-digits-s0", method="bp")
    index = RunIndex(tmp_path)
    before, curves = index.rows(), [index.curves(row["folder"]) for row in index.rows()]
    assert {row["folder"].count("/") for row in before} == {0, 1}
    (tmp_path / INDEX).unlink()
    assert index.rescan() == 3
    assert index.rows() == before
    assert [index.curves(row["folder"]) for row in before] == curves
    shutil.rmtree(tmp_path / "20260101T000000Z-x")
    assert index.rescan() == 2


@pytest.mark.parametrize("content", [b"this is no database at all, but long enough to look like one" * 20, b""])
def test_a_damaged_index_is_named_and_replaced(tmp_path: Path, content: bytes) -> None:
    make_run(tmp_path, "20260101T000000Z-x", index=False)
    (tmp_path / INDEX).write_bytes(content)
    with pytest.raises(InputError, match=r"index\.sqlite .*--rescan"):
        RunIndex(tmp_path).rows()
    assert RunIndex(tmp_path).rescan() == 1


def test_an_index_of_another_version_is_named_and_replaced(tmp_path: Path) -> None:
    make_run(tmp_path, "20260101T000000Z-x")
    with sqlite3.connect(tmp_path / INDEX) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(InputError, match="version 99"):
        RunIndex(tmp_path).rows()
    assert RunIndex(tmp_path).rescan() == 1
    assert len(RunIndex(tmp_path).rows()) == 1


def test_folders_of_older_versions_and_others_are_scanned(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "20250101T000000Z-old", index=False)
    document = json.loads((folder / METRICS).read_text())
    for key in ("run", "totals", "steps"):
        del document[key]
    (folder / METRICS).write_text(json.dumps(document))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / METRICS).write_text('{"something": "else"}')
    with pytest.warns(OPUWarning, match=r"other.metrics\.json is left out"):
        assert RunIndex(tmp_path).rescan() == 1
    (row,) = RunIndex(tmp_path).rows()
    assert (row["status"], row["started_utc"]) == ("done", "2025-01-01T00:00:00+00:00")


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    folder = tmp_path / "20260101T000000Z-x"
    facts = RunFacts.of(folder, None, None)
    make_run(tmp_path, "20260101T000000Z-x", facts=facts)
    dead = RunFacts(facts.started_utc, host=facts.host, pid=gone.pid)
    # entered while it was alive, as a kill leaves it
    with sqlite3.connect(tmp_path / INDEX) as connection:
        connection.execute("UPDATE runs SET pid = ?", [dead.pid])
    connection.close()
    index = RunIndex(tmp_path)
    assert index.rows()[0]["status"] == "running"
    index.refresh()
    assert index.rows()[0]["status"] == "interrupted"
    assert facts.alive
    assert not dead.alive
    assert RunFacts("", host="another computer", pid=gone.pid).alive
    make_run(tmp_path, "20260102T000000Z-y", facts=dead)
    assert index.rows()[0]["status"] == "interrupted"


WRITER = """
import sys
from pathlib import Path
from opu.training.folder import write_metrics
from opu.training.index import RunIndex
from opu.training.record import EpochRecord
from opu.training.run_facts import RunFacts
from opu.training.settings import TrainSettings

folder, writer = Path(sys.argv[1]), int(sys.argv[2])
record = EpochRecord(**eval(sys.argv[3]))
for k in range(15):
    run_dir = folder / f"20260101T0000{k:02d}Z-{writer}"
    run_dir.mkdir()
    chosen = TrainSettings(method="bp", epochs=1, hidden=4, seed=writer).resolved()
    facts = RunFacts.of(run_dir, None, None).ended("done")
    RunIndex(folder).register(run_dir, write_metrics(run_dir, chosen, [record], facts))
"""


def test_writers_in_several_processes_wait_in_turn(tmp_path: Path) -> None:
    """They begin on a folder without an index, so that they race to make it, too."""
    figures = repr(asdict(record(1)))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), str(i), figures]) for i in range(3)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0]
    rows = RunIndex(tmp_path).rows()
    assert len(rows) == 45
    assert {row["seed"] for row in rows} == {0, 1, 2}


@pytest.mark.parametrize("how", ["a folder in its place", "missing"])
def test_an_index_that_cannot_be_written_is_warned_of_once(tmp_path: Path, how: str, monkeypatch: Any) -> None:
    if how == "missing":
        monkeypatch.setattr("opu.training.recorder.index_folder", lambda _: tmp_path / "gone")
    else:
        (tmp_path / INDEX).mkdir()
    settings = TrainSettings(method="bp", epochs=2, hidden=6, batch_size=256, out=tmp_path)
    with pytest.warns(OPUWarning, match=r"the run is not in the index .*--rescan") as caught:
        result = run_training(settings, None)
    assert len(caught) == 1
    assert result.epochs == 2


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_an_index_in_a_folder_that_cannot_be_written_is_read(tmp_path: Path) -> None:
    make_run(tmp_path, "20260101T000000Z-x")
    tmp_path.chmod(0o555)
    try:
        assert len(runs_command.run_list(tmp_path)) == 1
    finally:
        tmp_path.chmod(0o755)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    make_run(tmp_path, "20260101T000000Z-a", accuracy=0.91, learning_rate=0.01)
    make_run(tmp_path, "20260102T000000Z-b", accuracy=0.97, method="bp", seed=2)
    make_run(tmp_path, "20260103T000000Z-c", accuracy=0.85, method="bp", dataset="mnist", epochs=1)
    return tmp_path


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({}, "cba"),
        ({"method": "bp"}, "cb"),
        ({"method": "bp", "dataset": "digits"}, "b"),
        ({"where": ["accuracy>0.9"]}, "ba"),
        ({"where": ["accuracy >= 0.97"]}, "b"),
        ({"where": ["accuracy<0.9", "method=bp"]}, "c"),
        ({"where": ["method != 'bp'"]}, "a"),
        ({"where": ["learning_rate=0.01"]}, "a"),
        ({"where": ["seed=2"]}, "b"),
        ({"where": ["started_utc>2026-01-02"]}, "cb"),
        ({"where": ["epochs==1"]}, "c"),
        ({"where": ["layer_norm=true"]}, ""),
    ],
)
def test_runs_are_listed_newest_first_and_filtered(
    three: Path, filters: dict[str, Any], expected: str, capsys: Any
) -> None:
    rows = runs_command.run_list(three, **filters)
    assert "".join(row["folder"][-1] for row in rows) == expected
    assert f"{len(expected)} run" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("accuracy", "give NAME OP VALUE"),
        ("accuracy>", "give NAME OP VALUE"),
        ("acuracy>0.9", "did you mean 'accuracy'"),
        ("accuracy>high", "'high' is not a number"),
        ("accuracy>nan", "'nan' is not a number"),
        ("1=1; DROP TABLE runs", "give NAME OP VALUE"),
        ("accuracy>0.5 OR 1=1", "not a number"),
    ],
)
def test_conditions_that_are_none_are_refused(three: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        runs_command.run_list(three, where=[text])


@given(st.sampled_from(sorted(COLUMNS)), st.sampled_from(["=", "!=", "<", ">="]), st.text(min_size=1, max_size=20))
def test_nothing_typed_becomes_part_of_a_query(column: str, op: str, value: str) -> None:
    try:
        condition = parse_where(f"{column}{op}{value}")
    except InputError:
        return
    sql = {"=": "IS", "!=": "IS NOT"}.get(op, op)
    assert condition.sql in {f"{column} {sql} ?", f"{column} {op}= ?", f"{column} IS ?"}  # the value may begin with '='
    assert len(condition.parameters) == 1


def test_quotes_in_values_match_themselves(tmp_path: Path) -> None:
    facts = RunFacts("2026", status="failed", error='it\'s "broken"; --')
    make_run(tmp_path, "20260101T000000Z-x", facts=facts)
    assert len(runs_command.run_list(tmp_path, where=['error=it\'s "broken"; --'])) == 1


def test_the_table_says_when_there_are_more(three: Path, capsys: Any) -> None:
    assert len(runs_command.run_list(three, limit=1)) == 3
    assert not list(three.glob(f"{INDEX}-*"))  # nothing of the log stays behind
    assert "2 more: --limit 3" in capsys.readouterr().out


def test_a_folder_without_an_index_gets_one(three: Path, capsys: Any) -> None:
    (three / INDEX).unlink()
    assert len(runs_command.run_list(three)) == 3
    assert "index made from 3 run folders" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="is no folder: train first"):
        runs_command.run_list(three / "nowhere")


def test_runs_stand_side_by_side_with_what_differs(three: Path, capsys: Any) -> None:
    a, b = (run_id(f"2026010{i}T000000Z-{x}") for i, x in ((1, "a"), (2, "b")))
    told = runs_command.run_compare([a[:5], f"2026010{2}T000000Z-b"], three)
    assert [row["id"] for row in told["runs"]] == [a, b]
    assert Path(told["plot"]).read_bytes().startswith(b"\x89PNG")
    text = capsys.readouterr().out
    assert "learning_rate" in text
    assert "batch_size" not in text
    assert "91.00" in text
    with pytest.raises(InputError, match="fits no run"):
        runs_command.run_compare([a, "zzz"], three)
    with pytest.raises(InputError, match="fits 3 runs"):
        runs_command.run_compare([a, "2026"], three)
    with pytest.raises(InputError, match="given twice"):
        runs_command.run_compare([a, a], three)
    with pytest.raises(InputError, match="give two or more"):
        runs_command.run_compare([a], three)


def test_exports_hold_every_run_and_setting(three: Path) -> None:
    assert runs_command.run_export(three / "runs.csv", three) == 3
    with (three / "runs.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["folder"][-1] for line in lines] == ["c", "b", "a"]
    assert lines[2]["settings.learning_rate"] == "0.01"
    assert json.loads(lines[0]["settings.encoding"]) == {"kind": "ternary", "threshold": 0.3}
    assert float(lines[1]["accuracy"]) == 0.97
    assert float(lines[1]["device_joules"]) == 15.0
    assert runs_command.run_export(three / "runs.json", three, where=["accuracy>0.9"]) == 2
    document = json.loads((three / "runs.json").read_text())
    assert document[0]["metrics"]["loss"] == [[5, 2.0], [10, 1.0]]
    assert document[0]["settings"]["seed"] == 2
    with pytest.raises(InputError, match=r"must end in \.csv or \.json"):
        runs_command.run_export(three / "runs.xlsx", three)
    with pytest.raises(InputError, match="make it first"):
        runs_command.run_export(three / "no" / "runs.csv", three)


def test_the_picture_of_runs_without_an_epoch_is_refused(tmp_path: Path) -> None:
    for name in ("20260101T000000Z-a", "20260102T000000Z-b"):
        make_run(tmp_path, name, epochs=0)
    with pytest.raises(InputError, match="nothing to draw"):
        runs_command.run_compare(["20260101", "20260102"], tmp_path)
    make_run(tmp_path, "20260103T000000Z-c")
    with pytest.raises(OPUError, match="cannot write"):
        runs_command.run_compare(["20260103", "20260102"], tmp_path, out=tmp_path / "no" / "x.png")


def test_runs_of_a_comparison_belong_to_the_runs_folder(tmp_path: Path) -> None:
    assert index_folder(tmp_path / "20260101T000000Z-compare-digits" / "20260101T000000Z-bp-digits-s0") == tmp_path
    assert index_folder(tmp_path / "20260101T000000Z-bp-digits-s0") == tmp_path
    outside = entry_of(
        tmp_path / "elsewhere",
        make_run(tmp_path, "20260101T000000Z-x"),
        json.loads((tmp_path / "20260101T000000Z-x" / METRICS).read_text()),
    )
    assert outside.row["folder"] == str(tmp_path / "20260101T000000Z-x")

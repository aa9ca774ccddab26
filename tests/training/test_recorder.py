from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from opu.training.callbacks import Callback
from opu.training.folder import read_config, read_metrics
from opu.training.record import StepRecord
from opu.training.recorder import facts_in, tidy
from opu.training.run import RunStart, run_training
from opu.training.run_facts import RunFacts, stamp_utc
from opu.training.session import opener
from opu.training.settings import TrainSettings

from opu.config import load_config
from opu.errors import InputError


def test_metrics_say_which_run_on_which_device_at_what_cost(tmp_path: Path) -> None:
    starts: list[RunStart] = []
    settings = TrainSettings(epochs=2, hidden=(12, 8), batch_size=512, out=tmp_path)
    config = load_config(None, "sim", [])
    result = run_training(settings, opener(config), device_name="lab1", on_start=starts.append)
    spec = starts[0].device
    assert spec is not None
    document = json.loads((Path(result.run_dir) / "metrics.json").read_text())
    run, totals = document["run"], document["totals"]
    assert (run["status"], run["device"], run["device_kind"]) == ("done", "lab1", "sim")
    assert (run["device_serial"], run["fingerprint"], run["medium"]) == (spec.serial, spec.fingerprint, spec.medium)
    assert run["started_utc"] == stamp_utc(Path(result.run_dir))
    assert totals["frames"] == result.frames
    assert totals["device_seconds"] == pytest.approx(result.device_seconds)
    # what the spec says it draws, for as long as a real device would have taken
    assert totals["device_joules"] == pytest.approx(spec.power_w * result.device_seconds)
    assert totals["device_joules"] > 0
    assert document["steps"]["every"] == 1
    assert len(document["steps"]["loss"]) == 6


def test_status_is_running_until_the_end(tmp_path: Path) -> None:
    seen: list[Any] = []

    class Looks(Callback):
        def on_step(self, record: StepRecord) -> None:
            (folder,) = (p for p in tmp_path.iterdir() if p.is_dir())
            seen.append(facts_in(folder))

    settings = TrainSettings(method="bp", epochs=1, hidden=8, batch_size=1500, out=tmp_path)
    folder = Path(run_training(settings, None, callbacks=[Looks()]).run_dir)
    assert [(facts.status, facts.ended_utc, facts.alive) for facts in seen] == [("running", None, True)]
    assert RunFacts.from_json((read_metrics(folder) or {})["run"]) == facts_in(folder)


def test_leftovers_of_writes_are_removed_and_nothing_else(tmp_path: Path) -> None:
    for name in (".checkpoint.safetensors.x1", ".metrics.json.y2", ".keep", "metrics.json"):
        (tmp_path / name).write_text("{}")
    tidy(tmp_path)
    assert {p.name for p in tmp_path.iterdir()} == {".keep", "metrics.json"}


def test_folders_that_hold_no_run_are_named(tmp_path: Path) -> None:
    assert read_metrics(tmp_path) is None
    assert facts_in(tmp_path) is None
    (tmp_path / "metrics.json").write_text("[1")
    assert facts_in(tmp_path) is None
    for text in (None, "a = ", "device = 'x'"):
        if text is not None:
            (tmp_path / "config.toml").write_text(text)
        with pytest.raises(InputError, match="holds neither a checkpoint nor a readable config"):
            read_config(tmp_path)
    with pytest.raises(InputError, match="no run began there"):
        run_training(None, None, resume=tmp_path)

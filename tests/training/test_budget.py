from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from opu.training import budget_points
from opu.training.budget import budget
from opu.training.budget_axes import parse_sweep
from opu.training.budget_cliff import Cliff, definition, find_cliffs
from opu.training.budget_command import run
from opu.training.budget_points import PointResult, finished, run_points, subset
from opu.training.budget_report import budget_table
from opu.training.data import Dataset
from opu.training.settings import TrainSettings

from opu.config import Config
from opu.errors import ConfigError, InputError, OPUError

from .test_compare import render

SMALL = {"hidden": "16", "epochs": 1}


def small(folder: Path):
    return TrainSettings(hidden="16", epochs=1, batch_size=64, out=folder).resolved()


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    """Two values, two seeds and the controls, in this process."""
    out = tmp_path_factory.mktemp("budgets")
    document = run(Config(), SMALL, sweep=["bits=8,2"], seeds=2, workers=1, train_size=300, controls=True, out=out)
    return document, Path(document["folder"])


def test_every_value_and_control_is_trained_on_every_seed(serial):
    document, folder = serial
    (sweep,) = document["sweeps"]
    assert [row["value"] for row in sweep["rows"]] == [8, 2]
    assert sweep["rows"][1]["set"] == {"camera.bit_depth": 2}
    for row in (*sweep["rows"], *document["controls"].values()):
        a, b = row["accuracies"]
        assert row["mean"] == pytest.approx((a + b) / 2)
        assert row["std"] == pytest.approx(abs(a - b) / np.sqrt(2))
    assert all(row["frames"] > 600 and row["device_seconds"] > 0 for row in sweep["rows"])
    assert sweep["rows"][0]["snr"] > sweep["rows"][1]["snr"] > 0
    assert document["floor_name"] == "last layer only"
    assert document["floor"] == document["controls"]["last-layer"]["mean"]
    assert len(list((folder / "points").iterdir())) == 8
    assert json.loads((folder / "budget.json").read_text()) == {k: v for k, v in document.items() if k != "folder"}
    assert (folder / "budget.png").read_bytes().startswith(b"\x89PNG")


def test_a_resumed_budget_trains_only_what_is_missing(serial, monkeypatch):
    document, folder = serial
    (lost,) = (folder / "points").glob("bits=2-s1-*")
    before = lost.read_text()
    lost.unlink()
    trained = []
    original = budget_points.train_point
    monkeypatch.setattr(budget_points, "train_point", lambda task: trained.append(task) or original(task))
    again = run(Config(), SMALL, resume=folder, workers=1)
    assert [(task.value, task.seed) for task in trained] == [(2, 1)]

    def timeless(rows):
        return [{k: v for k, v in row.items() if k != "train_seconds"} for row in rows]

    assert timeless(again["sweeps"][0]["rows"]) == timeless(document["sweeps"][0]["rows"])
    assert json.loads(lost.read_text())["accuracy"] == json.loads(before)["accuracy"]


def test_more_values_are_added_to_a_budget_and_other_settings_are_other_points(serial, monkeypatch):
    _, folder = serial
    trained = []

    def quick(task):
        trained.append((task.arm, task.value, task.seed, task.settings.epochs))
        return PointResult(task.key, task.name, task.arm, task.value, task.seed, 0.5)

    monkeypatch.setattr(budget_points, "train_point", quick)
    run(Config(), SMALL, resume=folder, sweep=["bits=8,6"], controls=False, workers=1)
    assert trained == [("dfa-optical", 6, 0, 1), ("dfa-optical", 6, 1, 1)]
    trained.clear()
    run(Config(), {**SMALL, "epochs": 2}, resume=folder, sweep=["bits=8,6"], seeds=1, controls=False, workers=1)
    assert trained == [("dfa-optical", 8, 0, 2), ("dfa-optical", 6, 0, 2)]
    for point in (folder / "points").glob("bits=6-*"):
        point.unlink()


def test_a_damaged_or_failed_point_is_trained_again(tmp_path):
    from opu.training.budget_points import Task, point_path

    task = Task("k", "bits", "dfa-optical", 8, small(tmp_path), None, Config())
    assert finished(tmp_path, task) is None
    good = PointResult("k", "bits", "dfa-optical", 8, 0, 0.5)
    run_points([task], tmp_path, 1, executor=Fake(good))
    assert finished(tmp_path, task) == good
    point_path(tmp_path, task).write_text('{"key": ')
    assert finished(tmp_path, task) is None
    run_points([task], tmp_path, 1, executor=Fake(replace(good, accuracy=None, error="too dark")))
    assert finished(tmp_path, task) is None


class Fake(ThreadPoolExecutor):
    """Answers whatever it is asked."""

    def __init__(self, result):
        super().__init__(1)
        self.result = result

    def submit(self, *_, **__):
        return super().submit(lambda: self.result)


def test_an_interruption_keeps_what_is_done(tmp_path, monkeypatch):
    calls = []

    def interrupted(task):
        if calls:
            raise KeyboardInterrupt
        calls.append(task)
        return PointResult(task.key, task.name, task.arm, task.value, task.seed, 0.5)

    monkeypatch.setattr(budget_points, "train_point", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(Config(), SMALL, sweep=["bits=8,4"], seeds=1, workers=1, out=tmp_path)
    (folder,) = tmp_path.iterdir()
    assert len(list((folder / "points").iterdir())) == 1
    assert (folder / "config.toml").is_file()
    monkeypatch.setattr(budget_points, "train_point", lambda task: calls.append(task) or replace(
        PointResult(task.key, task.name, task.arm, task.value, task.seed, 0.4)))  # fmt: skip
    document = run(Config(), SMALL, resume=folder, workers=1)
    assert [task.value for task in calls] == [8, 4]
    assert [row["mean"] for row in document["sweeps"][0]["rows"]] == [0.5, 0.4]


@pytest.mark.slow
def test_workers_give_what_one_process_gives(serial, tmp_path):
    """Matrix products may round otherwise with other numbers of threads; on this size they do not."""
    document, _ = serial
    other = run(Config(), SMALL, sweep=["bits=8,2"], seeds=1, workers=2, train_size=300, out=tmp_path)
    accuracies = [[row["accuracies"][0] for row in d["sweeps"][0]["rows"]] for d in (document, other)]
    assert accuracies[0] == accuracies[1]


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        (
            "camera.bitdepth=8,4",
            r"--sweep camera\.bitdepth, value 8: .*devices\.sim\.camera\.bitdepth: unknown key; did you",
        ),
        ("bitz=8,4", r"devices\.sim\.bitz: unknown key(.|\n)*named axes: snr, bits"),
        ("camera.bit_depth=8,many", r"camera\.bit_depth, value 'many': .*camera\.bit_depth = 'many'"),
        ("camera.bit_depth=8,99", r"value 99: .*camera\.bit_depth = 99"),
        ("anchor_share=0.5,1.5", r"--sweep anchor_share, value 1\.5: .*anchor_share = 1\.5"),
        ("full_well=1", "1 value; a sweep needs two or more"),
        ("snr=1,1e6", r"--sweep snr: 1000000\.0 is more than this device's signal-to-noise of \d"),
    ],
)
def test_a_wrong_sweep_is_refused_before_anything_trains(tmp_path, monkeypatch, sweep, message):
    monkeypatch.setattr(budget_points, "train_point", lambda task: pytest.fail("trained"))
    with pytest.raises(ConfigError, match=message):
        run(Config(), SMALL, sweep=["bits=8,4", sweep], seeds=1, workers=1, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_other_nonsense_is_refused(tmp_path, serial):
    with pytest.raises(ConfigError, match="--sweep is missing"):
        run(Config(), SMALL, out=tmp_path)
    with pytest.raises(ConfigError, match="each key once"):
        run(Config(), SMALL, sweep=["bits=8,4", "bits=4,2"], out=tmp_path)
    with pytest.raises(ConfigError, match="train_size = 5000: digits has 1437 training samples"):
        run(Config(), SMALL, sweep=["bits=8,4"], train_size=5000, out=tmp_path)
    with pytest.raises(InputError, match="no budget can be continued there"):
        run(Config(), SMALL, resume=tmp_path)
    (tmp_path / "plan.json").write_text('{"format": "other"}')
    with pytest.raises(InputError, match="not of this version"):
        run(Config(), SMALL, resume=tmp_path)


def test_a_device_that_cannot_be_used_is_a_result(tmp_path):
    settings = small(tmp_path)
    (tmp_path / "b").mkdir()
    done = budget(Config(), settings, [parse_sweep("laser.power_w=1e-2,1e-9")], 1, tmp_path / "b", train_size=100)
    good, bad = done.sweeps[0].rows
    assert good.mean is not None
    assert bad.mean is None
    assert "too dark" in bad.failure
    assert done.sweeps[0].cliffs == (Cliff(1e-2, 1e-9),)
    assert done.floor_name == "chance"
    assert done.floor == 0.1
    text = render(budget_table(done))
    assert "failed: CalibrationError" in text
    assert "cliff" in text
    (tmp_path / "c").mkdir()
    with pytest.raises(OPUError, match=r"no point of the budget could be trained; the first: .*too dark"):
        budget(Config(), settings, [parse_sweep("laser.power_w=1e-9,1e-10")], 1, tmp_path / "c", train_size=100)


def cliffs(text, means, floor=0.1):
    return [(c.last_good, c.first_bad) for c in find_cliffs(parse_sweep(text), means, floor)]


def test_a_cliff_is_past_half_way_down_and_three_points():
    drift = "drift_steps=10000,1000,300,100,30"
    assert cliffs(drift, [0.955, 0.953, 0.943, 0.922, 0.24]) == [(100, 30)]
    assert cliffs("bits=8,4,2,1", [0.958, 0.957, 0.953, 0.94]) == []
    snr = [0.948, 0.924, 0.883, 0.716]
    assert cliffs("snr=1,0.3,0.1,0.05", snr) == []  # 71.6 % is nearer to 94.8 % than to chance
    assert cliffs("snr=1,0.3,0.1,0.05", snr, floor=0.86) == [(0.3, 0.1)]  # and 88.3 % nearer to a last layer's 86 %


def test_cliffs_are_looked_for_on_both_sides_in_order_of_size():
    assert cliffs("x=4,1,3,2,5", [0.9, 0.2, 0.91, 0.3, 0.2]) == [(3, 2), (4, 5)]
    assert cliffs("preset=ideal,typical,harsh", [0.9, None, 0.88]) == [("ideal", "typical")]
    assert cliffs("x=1,2", [0.12, 0.1]) == []  # 2 points are no cliff, however low the best
    assert cliffs("x=1,2", [None, None]) == []
    assert "3 points" in definition(0.1, "chance")
    assert "chance (10.0 %)" in definition(0.1, "chance")


def test_a_subset_is_the_first_samples_and_the_whole_test_part(digits: Dataset):
    part = subset(digits, 7)
    np.testing.assert_array_equal(part.train_x, digits.train_x[:7])
    assert len(part.train_y) == 7
    assert part.test_x is digits.test_x
    assert subset(digits, None) is digits

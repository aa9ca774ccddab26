from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from opu.training.arms import ARMS, arms_of
from opu.training.compare import Comparison, compare
from opu.training.report import comparison_table, training_table
from opu.training.settings import MethodName, TrainSettings

from opu.errors import ConfigError

from .test_run import Opener


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    settings = TrainSettings(hidden="10", epochs=2, batch_size=128, out=tmp_path_factory.mktemp("runs"))
    return compare(settings, [0, 1], Opener(), device_name="fake", device_table={"kind": "fake"})


def test_every_arm_ran_every_seed_into_one_folder(comparison: Comparison) -> None:
    assert [row.arm for row in comparison.rows] == list(ARMS)
    for row in comparison.rows:
        assert [r.seed for r in row.results] == [0, 1]
        assert all(Path(r.run_dir).parent == comparison.folder for r in row.results)
        assert (row.frames > 0) == (row.arm.name == "dfa-optical")
    assert (comparison.folder / "compare.png").read_bytes().startswith(b"\x89PNG")


def test_all_arms_start_from_the_same_network(comparison: Comparison) -> None:
    """The first batch's loss is a function of the first weights and the first batch: only later ones may differ."""
    first = {r.history[0].train_loss for row in comparison.rows for r in row.results if r.seed == 0}
    assert len(first) == len(ARMS)  # arms do differ over an epoch
    from opu.training.network import Network
    from opu.training.streams import stream

    shallow = next(row for row in comparison.rows if row.arm.method == "shallow").results[0]
    from safetensors.numpy import load_file

    stored = load_file(Path(shallow.run_dir) / "checkpoint.safetensors")["network/weight.0"]
    np.testing.assert_array_equal(stored, Network((64, 10, 10), stream(0, "init")).weight(0))


def test_statistics_are_those_of_the_seeds(comparison: Comparison) -> None:
    row = comparison.rows[0]
    a, b = row.accuracies
    assert row.mean == pytest.approx((a + b) / 2)
    assert row.std == pytest.approx(abs(a - b) / np.sqrt(2))
    document = json.loads((comparison.folder / "compare.json").read_text())
    assert document["seeds"] == [0, 1]
    assert [r["mean"] for r in document["rows"]] == [r.mean for r in comparison.rows]


def test_rivals_are_chosen_by_name_and_cost_is_told(tmp_path: Path) -> None:
    settings = TrainSettings(hidden="8", epochs=2, batch_size=256, out=tmp_path)
    arms = arms_of(get_args(MethodName), "digital")
    rivals = compare(settings, [0], None, arms=arms)
    assert [row.arm.method for row in rivals.rows] == list(get_args(MethodName))
    stored = {row.arm.method: row.stored_bytes for row in rivals.rows}
    assert stored["bp"] == stored["dfa"] == stored["dni"] == 4 * (64 + 8)  # of two blocks, all are a pair
    assert (stored["shallow"], stored["drtp"]) == (4 * 8, 4 * (64 + 8))
    for row in rivals.rows:
        assert row.epoch_seconds == pytest.approx(row.train_seconds / 2)
    text = render(comparison_table(rivals.rows))
    assert "s/epoch" in text
    assert "Slot machines" in text
    document = json.loads((rivals.folder / "compare.json").read_text())
    assert document["rows"][0]["stored_bytes"] == stored["bp"]


def test_repeated_or_no_seeds_are_refused(tmp_path: Path) -> None:
    for seeds in ([], [1, 1]):
        with pytest.raises(ConfigError, match="none twice"):
            compare(TrainSettings(out=tmp_path), seeds, None)
    assert list(tmp_path.iterdir()) == []


def render(table: object) -> str:
    from rich.console import Console

    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
    with console.file:
        console.print(table)
        return console.export_text()


def test_tables_show_the_numbers(comparison: Comparison) -> None:
    text = render(comparison_table(comparison.rows))
    for row in comparison.rows:
        assert f"{100 * row.mean:.2f} ± " in text
        assert row.arm.label in text
    optical = comparison.rows[2].results[0]
    text = render(training_table(optical))
    assert f"{100 * optical.test_accuracy:.2f} %" in text
    assert f"{optical.frames:,}" in text
    assert "fake" in text

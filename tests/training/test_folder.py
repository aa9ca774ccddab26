from __future__ import annotations

import tomllib
from pathlib import Path

from opu.training.folder import run_name, write_config
from opu.training.settings import TrainSettings


def test_names_say_what_ran() -> None:
    assert run_name(TrainSettings(seed=4).resolved()) == "dfa-optical-digits-s4"
    assert run_name(TrainSettings(method="bp", dataset="mnist").resolved()) == "bp-mnist-s0"


def test_config_reads_back(tmp_path: Path) -> None:
    settings = TrainSettings(data="d", epochs=3).resolved()
    table = {"kind": "sim", "seed": 1, "camera": {"bits": 8, "gain": None}, "path": Path("p"), "sizes": (1, 2)}
    write_config(tmp_path, settings, "lab1", table)
    document = tomllib.loads((tmp_path / "config.toml").read_text())
    assert document["device"] == "lab1"
    assert document["devices"]["lab1"] == {
        "kind": "sim",
        "seed": 1,
        "camera": {"bits": 8},
        "path": "p",
        "sizes": [1, 2],
    }
    assert TrainSettings(**document["train"]).resolved() == settings

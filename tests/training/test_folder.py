from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from opu.training.folder import make_folder, run_name, write_config
from opu.training.settings import TrainSettings

from opu.errors import ConfigError


def test_names_say_what_ran() -> None:
    assert run_name(TrainSettings(seed=4).resolved()) == "dfa-optical-digits-s4"
    assert run_name(TrainSettings(method="bp", dataset="mnist").resolved()) == "bp-mnist-s0"


def test_folders_are_unique_and_stamped(tmp_path: Path) -> None:
    folders = [make_folder(tmp_path / "runs", "x") for _ in range(3)]
    assert len(set(folders)) == 3
    assert re.fullmatch(r"\d{8}T\d{6}Z-x", folders[0].name)


def test_a_file_in_the_way_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    for parent in (tmp_path / "f", tmp_path / "f" / "deeper"):
        with pytest.raises(ConfigError, match="out: "):
            make_folder(parent, "x")


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

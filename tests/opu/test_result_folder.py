"""Folders for results: never another's, and a clear error where none can be made."""

import re
from pathlib import Path

import pytest

from opu.errors import ConfigError
from opu.result_folder import make_dated_folder, make_result_folder


def test_dated_folders_are_unique_and_stamped(tmp_path):
    folders = [make_dated_folder(tmp_path / "runs", "x") for _ in range(3)]
    assert len(set(folders)) == 3
    assert re.fullmatch(r"\d{8}T\d{6}Z-x", folders[0].name)


@pytest.mark.parametrize("parent", ["f", "f/deeper"])
def test_a_file_in_the_way_is_a_clear_error(tmp_path, parent):
    (tmp_path / "f").write_text("")
    with pytest.raises(ConfigError, match="out: "):
        make_dated_folder(tmp_path / parent, "x")
    with pytest.raises(ConfigError, match="out: cannot create"):
        make_result_folder(tmp_path / parent, "x", [])


def test_results_are_never_overwritten(tmp_path):
    found = make_result_folder(tmp_path / "a" / "b", "x", ["report.html"])
    assert found == make_result_folder(found, "x", ["report.html"])  # nothing is lost yet
    (found / "report.html").write_text("")
    with pytest.raises(ConfigError, match=re.escape(f"out: {found / 'report.html'} exists and would be lost")):
        make_result_folder(found, "x", ["other.json", "report.html"])


def test_without_a_name_results_go_among_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = make_result_folder(None, "hil-lab", ["report.html"])
    assert folder.parent == Path("runs")
    assert folder.name.endswith("Z-hil-lab")

import json
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest

from opu.characterization import command
from opu.config import Config, load_config
from opu.errors import ConfigError, InputError, OPUError
from opu.factory import build_profile

PROFILE = {"kind": "sim", "n_inputs": 32, "n_outputs": 256, "camera": {"prnu_rms": 0.0, "dsnu_e": 0.0}}
CONFIG = Config(device="lab", devices={"lab": PROFILE})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("runs") / "lab"
    command.run(CONFIG, out=made, quick=True)
    return made


def test_a_folder_with_report_figures_and_measurements(folder):
    assert {path.name for path in folder.iterdir()} == {"report.html", "characterization.json", "measurements.npz"}
    page = (folder / "report.html").read_text()
    pictures = page.split("data:image/png;base64,")[1:]
    assert len(pictures) >= 7
    assert all(b64decode(p.partition('"')[0]).startswith(b"\x89PNG") for p in pictures)
    assert "http" not in page
    for words in ("System gain", "DN/e", "±", "Dead outputs", "0 of 256", "lab"):
        assert words in page
    assert page.index("System gain") < page.index("data:image/png")
    figures = json.loads((folder / "characterization.json").read_text())
    assert figures["device"] == "lab"
    with np.load(folder / "measurements.npz") as arrays:
        assert arrays["snr"].shape == (256,)
        assert arrays["transfer_mean_dn"].shape == arrays["transfer_variance_dn2"].shape


def test_json_is_one_object_on_standard_output(tmp_path, capsys):
    command.run(CONFIG, out=tmp_path / "made", quick=True, as_json=True)
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    assert document["gain_dn_per_e"]["standard_error"] > 0
    assert Path(document["report"]).is_file()
    assert Path(document["figures"]).read_text()


def test_a_folder_that_holds_another_is_refused_before_any_light(folder, monkeypatch):
    monkeypatch.setattr(command, "characterize", lambda *_, **__: pytest.fail("measured"))
    with pytest.raises(ConfigError, match=r"characterization.json exists.*another folder"):
        command.run(CONFIG, out=folder)


def test_without_a_folder_one_is_made_under_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "write", lambda folder, result: (folder / "seen").touch())
    monkeypatch.setattr(command, "_print", lambda *_: None)
    for _ in range(2):
        command.run(CONFIG, quick=True)
    assert len([path for path in (tmp_path / "runs").iterdir() if path.name.partition("-")[2].startswith("char")]) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt, OPUError("lost")])
def test_whatever_happens_the_device_is_closed_and_no_empty_folder_left(tmp_path, monkeypatch, error):
    opened = []

    def build(*arguments):
        opened.append(build_profile(*arguments))
        return opened[0]

    def fail(opu, *_, **__):
        assert opu.status().is_open
        raise error

    monkeypatch.setattr(command, "build_profile", build)
    monkeypatch.setattr(command, "characterize", fail)
    with pytest.raises((KeyboardInterrupt, OPUError)):
        command.run(CONFIG, out=tmp_path / "made")
    assert not opened[0].status().is_open
    assert not (tmp_path / "made").exists()


def test_a_missing_matplotlib_is_told_before_any_light(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib.figure", None)
    monkeypatch.setattr(command, "build_profile", lambda *_: pytest.fail("built"))
    with pytest.raises(OPUError, match=r"openopu\[train\]"):
        command.run(CONFIG, out=tmp_path / "made")


def test_fit_writes_a_profile_that_opens(folder, tmp_path, capsys):
    out = tmp_path / "twin.toml"
    command.run_fit(folder, out=out, name="twin")
    assert "twin.toml" in capsys.readouterr().out
    config = load_config(out)
    assert config.device == "twin"
    with build_profile(config) as opu:
        assert (opu.n_inputs, opu.n_outputs) == (32, 256)
    with pytest.raises(ConfigError, match="exists"):
        command.run_fit(folder, out=out, name="twin")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "no measurements"),
        ("{", "cannot read"),
        ("[1]", "not a characterization"),
        ('{"format": "x"}', "version"),
    ],
)
def test_measurements_that_are_none_are_refused(tmp_path, content, told):
    path = tmp_path / "characterization.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=told):
        command.run_fit(path, out=tmp_path / "twin.toml", name="twin")
    assert not (tmp_path / "twin.toml").exists()

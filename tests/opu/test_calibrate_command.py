"""`opu calibrate`: what it writes, what it refuses, and that a kill at any moment loses one block of patterns at most."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from opu.calibrate_command import cautions, run
from opu.calibration import Calibration
from opu.characterization.quantity import Quantity
from opu.config import Config, load_config
from opu.errors import ConfigError, InputError, OPUError
from opu.factory import build_profile
from opu.transmission import compare_matrices, load_matrix, measure_matrix

BENCH = {
    "kind": "sim",
    "n_inputs": 60,
    "n_outputs": 100,
    "seed": 3,
    "anchor_share": 0.0,
    "laser": {"profile": "flat"},
    "reference": {"arm": "phase"},
}


def bench(**changes) -> Config:
    return Config("test", "lab", {"lab": {**BENCH, **changes}})


def test_it_writes_a_calibration(tmp_path, capsys):
    path = tmp_path / "lab.safetensors"
    document = run(bench(), out=path, as_json=True)
    printed = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert printed == json.loads(json.dumps(document))
    assert printed["reference"]["probe"] == "phase4"
    assert Calibration.load(path).summary() == {k: v for k, v in document.items() if k not in ("profile", "file")}
    run(bench(), out=path)  # a newer calibration replaces it
    assert f"wrote {path}" in capsys.readouterr().out


def test_it_writes_where_the_profile_reads(tmp_path):
    path = tmp_path / "named.safetensors"
    document = run(bench(calibration=str(path)))
    assert document["file"] == str(path)
    assert Calibration.load(path).fill == 0.5


def test_no_other_file_is_replaced(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="exists and would be lost"):
        run(bench(), out=path)
    with pytest.raises(ConfigError, match="not a folder"):
        run(bench(), out=tmp_path / "none" / "c.safetensors")
    assert path.read_text() == "mine"


def test_matrix_writes_a_folder_and_clears_up(tmp_path, capsys):
    folder = tmp_path / "m"
    document = run(bench(), matrix=True, out=folder, as_json=True)
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == json.loads(json.dumps(document))
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "matrix.safetensors",
        "rows.safetensors",
        "report.json",
        "manifest.json",
        "calibration.safetensors",
    }
    assert json.loads((folder / "report.json").read_text())["relative_error"]["standard_error"] > 0
    matrix, metadata = load_matrix(folder / "matrix.safetensors")
    assert matrix.shape == (100, 60)
    assert {"fingerprint", "device", "created_utc", "snr_per_pattern", "medium_correlation"} <= set(metadata)
    with pytest.raises(InputError, match="complete"):
        run(bench(), resume=folder)
    with pytest.raises(ConfigError, match="holds a measurement already"):
        run(bench(), matrix=True, out=folder)


def test_summary_for_people(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(bench(speckle={"drift_time_s": 2.0}), matrix=True)
    out = capsys.readouterr().out
    assert "100 rows x 60 inputs, complex" in out
    assert "relative error" in out
    assert "warning: the medium moved" in out
    assert "be quicker: fewer inputs" in out
    assert len(list((tmp_path / "runs").glob("*-matrix-lab/matrix.safetensors"))) == 1


def test_an_arm_is_preferred_to_the_anchor_unless_a_retrieval_is_named(tmp_path):
    both = {"anchor_share": 0.5}
    assert run(bench(**both), matrix=True, out=tmp_path / "a")["kind"] == "complex"
    assert run(bench(**both, retrieval="anchor4"), matrix=True, out=tmp_path / "b")["kind"] == "real"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"interleave": 8}, "belongs to --matrix"),
        ({"matrix": True, "fill": 0.1}, "switch on half"),
        ({"matrix": True, "interleave": 8, "resume": "somewhere"}, "leave out --out and --interleave"),
    ],
)
def test_options_that_do_not_fit(options, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        run(bench(), **options)


def test_a_folder_with_other_things_of_that_name_is_refused(tmp_path):
    (tmp_path / "matrix.safetensors").write_text("mine")
    with pytest.raises(ConfigError, match="would be lost"):
        run(bench(), matrix=True, out=tmp_path)


def test_a_failure_leaves_no_empty_folder(tmp_path):
    with pytest.raises(OPUError, match="too dark"):
        run(bench(laser={"profile": "flat", "power_w": 1e-12}), matrix=True, out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_cautions_say_what_to_do(tmp_path):
    with build_profile(bench()) as o:
        report = measure_matrix(o, tmp_path)
    assert cautions(report) == []
    moved = replace(report, medium_correlation=Quantity(0.5, 0.01))
    assert "fewer inputs" in cautions(moved)[0]
    assert (
        cautions(replace(report, medium_correlation=Quantity(0.97, 0.01))) == []
    )  # within three standard errors of 98 %
    assert "lower the laser power" in cautions(replace(report, saturated=0.1))[0]
    assert "lower --interleave" in cautions(replace(report, phase_steps_rms_rad=2.0))[0]


def test_killed_at_any_moment_it_goes_on(tmp_path):
    """Killed wherever it was, then resumed: as good as an uninterrupted measurement, and of the same matrix."""
    # 16 blocks of 4 patterns and 4 others, 8 frames each: half a second of the device's time, which is taken
    text = (
        'device = "lab"\n[devices.lab]\nkind = "sim"\nn_inputs = 60\nn_outputs = 100\nseed = 3\nanchor_share = 0.0\n'
        'laser = {profile = "flat"}\nreference = {arm = "phase"}\nclock = {real_time = true}\n'
    )
    config, folder = tmp_path / "lab.toml", tmp_path / "killed"
    config.write_text(text)
    script = (
        "import sys; from pathlib import Path; from opu.config import load_config; from opu.calibrate_command import run\n"
        "run(load_config(sys.argv[1]), out=Path(sys.argv[2]), interleave=4, matrix=True)"
    )
    chance = random.Random(0)
    process = subprocess.Popen([sys.executable, "-c", script, str(config), str(folder)])
    while len(list(folder.glob("block-*"))) < 1 + chance.randrange(10) and process.poll() is None:
        time.sleep(0.002)
    time.sleep(chance.random() * 0.04)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 0 < len(list(folder.glob("block-*"))) <= 16
    assert not (folder / "matrix.safetensors").exists()
    instant = load_config(config, overrides=["clock.real_time=false"])
    resumed = run(instant, resume=folder)
    whole = run(instant, matrix=True, out=tmp_path / "whole", interleave=4)
    assert not list(folder.glob(".*"))
    a, b = (load_matrix(path / "matrix.safetensors")[0] for path in (folder, tmp_path / "whole"))
    error = np.sqrt(np.mean(1 - compare_matrices(a, b).correlation ** 2))
    stated = [each["relative_error"]["value"] for each in (resumed, whole)]
    # errors of the two add, unless the simulator's noise, which is numbered from its opening, repeats
    assert error < 1.3 * np.hypot(*stated)
    assert stated[0] == pytest.approx(stated[1], rel=0.3)

"""The command line as people use it: in a process of its own."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def opu(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPU_")} | environment
    return subprocess.run(
        [sys.executable, "-m", "opu", *arguments],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


QUICK = ("--epochs", "2", "--hidden", "32,32")


def test_training_prints_a_table_and_one_json_object(tmp_path):
    done = opu("train", *QUICK, "--seed", "3", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    expected = {"method": "dfa", "feedback": "optical", "device": "sim", "dataset": "digits", "seed": 3, "epochs": 2}
    assert expected.items() <= last.items()
    assert {"test_accuracy", "train_seconds", "frames", "run_dir", "device_seconds"} <= set(last)
    drift_probe = 64 + 2 * 32  # its shows at the start, and after each epoch
    assert last["frames"] == 2 * 2 * (1437 + 256) + drift_probe
    run = tmp_path / last["run_dir"]
    names = {path.name for path in run.iterdir()}
    assert names == {"config.toml", "metrics.json", "checkpoint.safetensors", "calibration.safetensors", "curves.png"}
    assert "test accuracy" in done.stdout
    assert "epoch   2" in done.stderr


def test_the_config_of_a_run_runs_again(tmp_path):
    first = opu("train", *QUICK, "--set", "preset=ideal", "--set", "train.batch_size=64", "--json", cwd=tmp_path)
    one = json.loads(first.stdout.splitlines()[-1])
    second = opu("train", "--config", str(Path(one["run_dir"]) / "config.toml"), "--json", cwd=tmp_path)
    two = json.loads(second.stdout.splitlines()[-1])
    for key in ("test_accuracy", "frames", "epochs"):
        assert one[key] == two[key]


@pytest.mark.parametrize("method", [("--method", "bp"), ("--method", "shallow"), ("--feedback", "digital")])
def test_methods_without_light(tmp_path, method):
    done = opu("train", *QUICK, *method, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["frames"], last["device"]) == (0, None)


def test_comparison_prints_and_plots_every_arm(tmp_path):
    done = opu("compare", "--epochs", "1", "--hidden", "16", "--seeds", "2", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    last = json.loads(done.stdout.splitlines()[-1])
    assert [row["arm"] for row in last["rows"]] == ["backprop", "dfa-digital", "dfa-optical", "last-layer"]
    assert (tmp_path / last["folder"] / "compare.png").is_file()
    assert "Last layer only" in done.stdout


def test_init_writes_a_config_that_works_and_is_not_overwritten(tmp_path):
    assert opu("init", cwd=tmp_path).returncode == 0
    again = opu("init", cwd=tmp_path)
    assert (again.returncode, "--force" in again.stderr) == (2, True)
    shown = opu("info", "--config", "opu.toml", "--calibrate", cwd=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "785" in shown.stdout
    assert "signal-to-noise" in shown.stdout
    listed = opu("devices", "--config", "opu.toml", cwd=tmp_path)
    assert "sim" in listed.stdout
    assert "* d" in listed.stdout


def test_every_commented_key_of_the_starter_config_is_valid(tmp_path):
    opu("init", "opu.toml", cwd=tmp_path)
    text = (tmp_path / "opu.toml").read_text()
    body = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line for line in text.splitlines()[3:]
    ]
    (tmp_path / "all.toml").write_text("\n".join(body))
    done = opu("info", "--config", "all.toml", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["spec"]["n_outputs"] == 2000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--config", "missing.toml"), "no config file missing.toml"),
        (("train", "--device", "lab1"), "no device profile 'lab1'; allowed: sim"),
        (("train", "--set", "camera.bits=8"), "devices.sim.camera.bits: unknown key; allowed: bit_depth"),
        (("train", "--set", "train.epoch=8"), "train.epoch: unknown key; did you mean 'epochs'"),
        (("train", "--method", "backprop"), "train.method = 'backprop'"),
        (("train", "--hidden", "512,wide"), "train.hidden.1 = 'wide'"),
        (("train", "--dataset", "mnist", "--data", "nowhere"), "nowhere"),
        (("train", "--method", "bp", "--set", "preset=perfect"), "preset = 'perfect': input should be 'ideal'"),
        (
            ("compare", "--set", "learning_rate=0.1"),
            "learning_rate: unknown key of a device; did you mean train.learning_rate",
        ),
        (("train", "--set", "train.encoding.threshold=2"), "train.encoding: ternary threshold = 2"),
        (("train", "--set", "laser.power_w=inf"), "laser.power_w = inf: input should be a finite number"),
        (("train", "--set", "camera.gain_dn_per_e=1e-6"), "raise the gain, or leave it out"),
        (("train", "--set", "preset=[1]"), "preset = [1]"),
        (("train", "--set", "n_inputs=true"), "n_inputs = True: input should be a valid integer"),
        (("train", "--set", "n_outputs=20"), "OPU has 20 outputs, feedback needs 1024"),
        (("info",), "n_inputs: missing"),
        (("info", "--set", "n_inputs=10", "--set", "n_outputs=x"), "n_outputs = 'x'"),
        (("init", "no/such/folder.toml"), "no/such is not a folder"),
        (("init", "--kind", "laser"), "unknown device kind 'laser'"),
    ],
)
def test_mistakes_exit_with_2_and_one_message(tmp_path, arguments, message):
    done = opu(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_one_word_in_the_environment_swaps_the_device(tmp_path):
    (tmp_path / "lab.toml").write_text(
        'device = "a"\n[devices.a]\nkind = "sim"\nn_inputs = 4\nn_outputs = 5\n'
        '[devices.b]\nkind = "sim"\nn_inputs = 4\nn_outputs = 9\n'
    )
    done = opu("info", "--config", "lab.toml", "--json", cwd=tmp_path, OPU_DEVICE="b")
    assert json.loads(done.stdout)["spec"]["n_outputs"] == 9


def test_a_network_that_cannot_be_lit_says_so(tmp_path):
    done = opu("train", *QUICK, "--set", "laser.power_w=1e-9", cwd=tmp_path)
    assert done.returncode == 1
    assert "too dark" in done.stderr


def test_a_light_starved_device_says_so(tmp_path):
    done = opu("train", *QUICK, "--set", "anchor_share=0.9999", "--set", "preset=harsh", cwd=tmp_path)
    assert "signal-to-noise is 0.0" in done.stderr
    dark = ("--set", "laser.power_w=1e-12", "--set", "camera.read_noise_e=200", "--set", "camera.full_well_e=4000")
    done = opu("train", *QUICK, *dark, cwd=tmp_path)
    assert done.returncode == 1
    assert "too dark" in done.stderr or "cannot be told from noise" in done.stderr


def test_ctrl_c_keeps_the_last_epoch_and_resume_finishes_it(tmp_path):
    command = [sys.executable, "-m", "opu", "train", "--epochs", "15", "--hidden", "64", "--feedback", "digital"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("runs/*/checkpoint.safetensors")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; the last whole epoch is kept: opu train --resume" in stderr
    run = next(tmp_path.glob("runs/*/"))
    changed = opu("train", "--resume", str(run), "--set", "train.learning_rate=0.5", cwd=tmp_path)
    assert changed.returncode == 2
    assert "learning_rate = 0.5, but the run" in changed.stderr
    resumed = opu("train", "--resume", str(run), "--json", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    whole = opu("train", "--epochs", "15", "--hidden", "64", "--feedback", "digital", "--json", cwd=tmp_path)
    one, two = (json.loads(done.stdout.splitlines()[-1]) for done in (resumed, whole))
    assert one["epochs"] == 15
    assert one["test_accuracy"] == two["test_accuracy"]
    files = [(tmp_path / result["run_dir"] / "metrics.json").read_text() for result in (one, two)]
    losses = [[epoch["train_loss"] for epoch in json.loads(text)["history"]] for text in files]
    assert losses[0] == losses[1]

"""The command line as people use it: in a process of its own where that matters, else through its `main`."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest


def opu(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("OPU_")}
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


def test_the_config_of_a_run_runs_again(here):
    _, out, _ = here("train", *QUICK, "--set", "preset=ideal", "--set", "train.batch_size=64", "--json")
    one = json.loads(out.splitlines()[-1])
    _, out, _ = here("train", "--config", str(Path(one["run_dir"]) / "config.toml"), "--json")
    two = json.loads(out.splitlines()[-1])
    for key in ("test_accuracy", "frames", "epochs"):
        assert one[key] == two[key]


@pytest.mark.parametrize("method", [("--method", "bp"), ("--method", "shallow"), ("--feedback", "digital")])
def test_methods_without_light(here, method):
    status, out, err = here("train", *QUICK, *method, "--json")
    assert status == 0, err
    last = json.loads(out.splitlines()[-1])
    assert (last["frames"], last["device"]) == (0, None)


def test_comparison_prints_and_plots_every_arm(here, tmp_path):
    status, out, err = here("compare", "--epochs", "1", "--hidden", "16", "--seeds", "2", "--json")
    assert status == 0, err
    last = json.loads(out.splitlines()[-1])
    assert last["rows"][2]["device_joules"] > 0
    assert [row["arm"] for row in last["rows"]] == ["backprop", "dfa-digital", "dfa-optical", "last-layer"]
    assert (tmp_path / last["folder"] / "compare.png").is_file()
    assert "Last layer only" in out


def test_init_writes_a_config_that_works_and_is_not_overwritten(here):
    assert here("init")[0] == 0
    status, _, err = here("init")
    assert (status, "--force" in err) == (2, True)
    status, out, err = here("info", "--config", "opu.toml", "--calibrate")
    assert status == 0, err
    assert "785" in out
    assert "signal-to-noise" in out
    _, out, _ = here("devices", "--config", "opu.toml")
    assert "sim" in out
    assert "* d" in out


def test_every_commented_key_of_the_starter_config_is_valid(here, tmp_path):
    here("init", "opu.toml")
    text = (tmp_path / "opu.toml").read_text()
    body = [
        line.removeprefix("# ") if "=" in line or line.startswith("# [") else line for line in text.splitlines()[3:]
    ]
    (tmp_path / "all.toml").write_text("\n".join(body))
    status, out, err = here("info", "--config", "all.toml", "--json")
    assert status == 0, err
    assert json.loads(out)["spec"]["n_outputs"] == 2000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("train", "--config", "missing.toml"), "no config file missing.toml"),
        (("train", "--device", "lab1"), "no device profile 'lab1'; allowed: bench, sim, visa"),
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
        (("train", "--set", "n_outputs=20"), "OPU projects to 20 outputs, feedback needs 1024"),
        (("info",), "n_inputs: missing"),
        (("info", "--set", "n_inputs=10", "--set", "n_outputs=x"), "n_outputs = 'x'"),
        (("init", "no/such/folder.toml"), "no/such is not a folder"),
        (("init", "--kind", "laser"), "unknown device kind 'laser'"),
        (("train", "--method", "bp", "--set", "train.pipeline=1"), "pipeline = 1: method bp projects nothing"),
        (("train", "--method", "bp", "--callback", "nothing"), "give tensorboard, mlflow or module:factory"),
        (("train", "--set", "n_inputs=5"), "OPU has 5 inputs, feedback needs 10"),
    ],
)
def test_mistakes_exit_with_2_and_one_message(here, arguments, message):
    status, _, err = here(*arguments)
    assert status == 2
    assert err.startswith("error: ")
    assert message in err
    assert not list(Path("runs").glob("*"))


def test_a_mistake_is_told_by_the_process_without_compilers_and_tracebacks(tmp_path):
    """Neither numba nor SciPy, which take longer to import than all the rest, is needed to check a configuration."""
    script = (
        "import sys\nfrom opu.cli import main\nsys.argv = ['opu', 'train', '--set', 'train.epoch=3']\n"
        "try:\n    main()\nfinally:\n    print(sorted({'numba', 'scipy', 'matplotlib'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (2, "[]")
    assert done.stderr.startswith("error: command line: train.epoch: unknown key")
    assert "Traceback" not in done.stderr


def test_callbacks_are_told_of_the_run_and_the_pipeline_is_kept_in_its_config(here, tmp_path, monkeypatch):
    (tmp_path / "cli_callbacks.py").write_text(
        "class Mine:\n    def on_start(self, start): print('settings.pipeline', start.settings.pipeline)\n"
        "    def on_step(self, record): pass\n    on_epoch = on_step\n"
        "    def on_end(self, end): print('ended', end.status)\n"
    )
    status, out, err = here("train", *QUICK, "--set", "train.pipeline=1", "--callback", "cli_callbacks:Mine", "--json")
    assert status == 0, err
    assert "settings.pipeline 1" in out
    assert "ended done" in out
    last = json.loads(out.splitlines()[-1])
    assert "pipeline = 1" in (Path(last["run_dir"]) / "config.toml").read_text()
    assert last["device_joules"] == pytest.approx(last["device_seconds"] * 30)  # W, the simulator's default
    assert "energy the device draws" in out


def test_one_word_in_the_environment_swaps_the_device(here, tmp_path, monkeypatch):
    (tmp_path / "lab.toml").write_text(
        'device = "a"\n[devices.a]\nkind = "sim"\nn_inputs = 4\nn_outputs = 5\n'
        '[devices.b]\nkind = "sim"\nn_inputs = 4\nn_outputs = 9\n'
    )
    monkeypatch.setenv("OPU_DEVICE", "b")
    _, out, _ = here("info", "--config", "lab.toml", "--json")
    assert json.loads(out)["spec"]["n_outputs"] == 9


def test_a_network_that_cannot_be_lit_says_so(here):
    status, _, err = here("train", *QUICK, "--set", "laser.power_w=1e-9")
    assert status == 1
    assert "too dark" in err


def test_a_light_starved_device_says_so(here, tmp_path):
    done = opu("train", *QUICK, "--set", "anchor_share=0.9999", "--set", "preset=harsh", cwd=tmp_path)
    assert "warning: a projection's signal-to-noise is 0.0" in done.stderr
    dark = ("--set", "laser.power_w=1e-12", "--set", "camera.read_noise_e=200", "--set", "camera.full_well_e=4000")
    status, _, err = here("train", *QUICK, *dark)
    assert status == 1
    assert "too dark" in err or "cannot be told from noise" in err


def test_ctrl_c_keeps_every_update_and_resume_finishes_the_run(here, tmp_path):
    command = [sys.executable, "-m", "opu", "train", "--epochs", "15", "--hidden", "64", "--feedback", "digital"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not list(tmp_path.glob("runs/*/checkpoint.safetensors")):
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; every whole update is kept: opu train --resume" in stderr
    run = next(tmp_path.glob("runs/*/"))
    status, _, err = here("train", "--resume", str(run), "--set", "train.learning_rate=0.5")
    assert status == 2
    assert "learning_rate = 0.5, but the run" in err
    status, resumed, err = here("train", "--resume", str(run), "--json")
    assert status == 0, err
    _, whole, _ = here("train", "--epochs", "15", "--hidden", "64", "--feedback", "digital", "--json")
    one, two = (json.loads(out.splitlines()[-1]) for out in (resumed, whole))
    assert one["epochs"] == 15
    assert one["test_accuracy"] == two["test_accuracy"]
    files = [(tmp_path / result["run_dir"] / "metrics.json").read_text() for result in (one, two)]
    losses = [[epoch["train_loss"] for epoch in json.loads(text)["history"]] for text in files]
    assert losses[0] == losses[1]

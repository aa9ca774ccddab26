"""`pytest hw_tests`: a process of its own, as people run it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONFIG = '[devices.lab1]\nkind = "sim"\nn_inputs = 40\nn_outputs = 128\n'


def suite(*arguments, cwd):
    env = {key: value for key, value in os.environ.items() if not key.startswith(("OPU_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(ROOT / "hw_tests"), *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False)


def test_without_a_device_it_is_one_skip_and_never_a_pass(tmp_path):
    done = suite("-q", cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, done.stdout + done.stderr
    assert done.stdout.count("no device, nothing tested") == 1
    assert "1 skipped" in done.stdout
    assert "passed" not in done.stdout


def test_with_a_device_every_check_is_a_test(tmp_path):
    (tmp_path / "lab.toml").write_text(CONFIG)
    chosen = (
        "--opu-config",
        "lab.toml",
        "--opu-device",
        "lab1",
        "-k",
        "identity.serial or light.arrives or light.goes or interlock",
        "-rs",
    )
    done = suite(*chosen, "--opu-set", "laser.power_w=1e-12", cwd=tmp_path)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "test_device[identity.serial] PASSED" in done.stdout or "passed" in done.stdout
    assert "no light arrives" in done.stdout
    assert "this device reports no interlock" in done.stdout
    assert "could not be judged: stands on a measurement that failed" in done.stdout

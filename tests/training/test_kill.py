"""A training killed at any moment goes on to the figures of one that was not."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from opu.training.feedback import OpticalFeedback
from opu.training.index import RunIndex
from opu.training.run import run_training
from opu.training.session import opener
from opu.training.settings import TrainSettings

from opu.calibration import Calibration
from opu.errors import DeviceError, DriftWarning, OPUWarning
from opu.processor import OPU

from .pieces import PROJECTED_TWICE, StopsAt, assert_same, in_pieces, sim, train


@pytest.mark.parametrize(
    ("feedback", "overrides"),
    [
        ("digital", ()),
        ("optical", ("preset=harsh",)),
        (
            "optical",
            (
                "speckle.drift_time_s=500",
                "faults.dropped_fraction=0.02",
                "laser.rin_rms=0.01",
                "laser.power_drift_rms=0.01",
            ),
        ),
    ],
)
def test_interrupts_in_the_middle_of_epochs_change_nothing(
    tmp_path: Path, feedback: Any, overrides: tuple[str, ...]
) -> None:
    """Noise, drift and lost frames are functions of a frame's number and time, which the checkpoint has."""
    settings = TrainSettings(feedback=feedback, epochs=3, hidden=(12, 8), batch_size=256, out=tmp_path)
    whole = Path(train(sim(*overrides), settings).run_dir)
    # 6 steps an epoch: within the first, at the end of one, within the second, then to the end
    assert_same(whole, in_pieces(sim(*overrides), settings, [2, 4, 3], {whole}))


def test_a_medium_that_drifts_too_fast_is_watched_as_if_nothing_had_happened(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=3, hidden=(64, 64), batch_size=256, out=tmp_path)
    config = sim("speckle.drift_time_s=5")
    with pytest.warns(DriftWarning):
        whole = Path(train(config, settings).run_dir)
    with pytest.warns(DriftWarning):
        pieces = in_pieces(config, settings, [8, 6], {whole})
    assert_same(whole, pieces)


class FailingDevice:
    """A device that stops answering once it has shown so many frames."""

    def __init__(self, device: Any, frames: int, error: Exception) -> None:
        self._device, self._frames, self._error = device, frames, error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def measure(self, frames: Any) -> Any:
        if self._device.status().frames_shown + len(frames) > self._frames:
            raise self._error
        return self._device.measure(frames)


@pytest.mark.parametrize("pipeline", [0, 1])
@pytest.mark.parametrize("after", [200, 900])
def test_a_device_that_fails_costs_no_update(tmp_path: Path, after: int, pipeline: int) -> None:
    settings = TrainSettings(epochs=3, hidden=(12, 8), batch_size=256, out=tmp_path, pipeline=pipeline)
    config = sim()
    whole = train(config, settings)
    opened: list[OPU] = []

    def failing(*args: Any) -> OPU:
        opu = opener(config)(*args)
        calibrated = 64  # frames of DriftWatch come first, so there is always a step before
        opu.calibrate_before = opu.calibrate  # type: ignore[attr-defined]

        def calibrate(**options: Any) -> Any:
            calibration = opu.calibrate_before(**options)  # type: ignore[attr-defined]
            shown = opu.status().frames_shown + calibrated
            opu.device = FailingDevice(opu.device, shown + 512 + after, DeviceError("the lamp broke"))
            return calibration

        opu.calibrate = calibrate  # type: ignore[method-assign]
        opened.append(opu)
        return opu

    with pytest.raises(DeviceError, match="the lamp broke"):
        run_training(settings, failing, device_name="sim", device_table=config.profile())
    assert not opened[0].status().is_open
    broken = next(p for p in tmp_path.iterdir() if p.is_dir() and str(p) != whole.run_dir)
    (row,) = (r for r in RunIndex(tmp_path).rows() if r["folder"] == broken.name)
    assert (row["status"], row["error"]) == ("failed", "DeviceError: the lamp broke")
    counted: list[int] = []
    train(config, None, broken, on_batch=lambda *step: counted.append(step[1]))
    n_steps = 3 * 6
    assert 0 < len(counted) < n_steps  # the updates before the failure were not made again
    assert_same(Path(whole.run_dir), broken, but=PROJECTED_TWICE if pipeline else ())


def test_a_failure_while_angles_are_measured_costs_nothing_either(tmp_path: Path, monkeypatch: Any) -> None:
    settings = TrainSettings(epochs=2, hidden=(12, 8), batch_size=256, out=tmp_path)
    whole = train(sim(), settings)
    project, calls = OpticalFeedback.project, [0]

    def breaks(self: OpticalFeedback, error: Any) -> Any:
        calls[0] += 1
        if calls[0] == 2 + 6 + 1:  # the drift watch, six steps, then the probe
            raise OSError("cable pulled")
        return project(self, error)

    monkeypatch.setattr(OpticalFeedback, "project", breaks)
    with pytest.raises(OSError, match="cable pulled"):
        train(sim(), settings)
    monkeypatch.undo()
    broken = next(p for p in tmp_path.iterdir() if p.is_dir() and str(p) != whole.run_dir)
    steps: list[int] = []
    train(sim(), None, broken, on_batch=lambda *step: steps.append(step[0]))
    assert steps == [2] * 6
    assert_same(Path(whole.run_dir), broken)


def test_the_calibration_of_a_run_is_used_again(tmp_path: Path) -> None:
    settings = TrainSettings(epochs=2, hidden=(12, 8), batch_size=256, out=tmp_path)
    with pytest.raises(KeyboardInterrupt):
        train(sim(), settings, callbacks=[StopsAt(3)])
    (folder,) = (p for p in tmp_path.iterdir() if p.is_dir())
    before = Calibration.load(folder / "calibration.safetensors").summary()
    opened: list[OPU] = []

    def noted(*args: Any) -> OPU:
        opened.append(opener(sim())(*args))
        return opened[-1]

    with pytest.raises(KeyboardInterrupt):
        run_training(None, noted, resume=folder, callbacks=[StopsAt(1)])
    assert opened[0].calibration is None  # it was the file's that was used
    assert Calibration.load(folder / "calibration.safetensors").summary() == before
    # another medium has another calibration: said, and made
    other = sim("seed=99")
    with pytest.warns(OPUWarning, match="the run goes on with a calibration made now.*medium fingerprint"):
        train(other, None, folder)
    assert Calibration.load(folder / "calibration.safetensors").fingerprint != before["fingerprint"]


def test_a_run_killed_before_its_first_checkpoint_begins_again_in_its_folder(tmp_path: Path) -> None:
    settings = TrainSettings(method="bp", epochs=2, hidden=(12, 8), batch_size=256, out=tmp_path)
    whole = Path(run_training(settings, None).run_dir)
    folder = tmp_path / "20260101T000000Z-killed"
    folder.mkdir()
    (folder / "config.toml").write_text((whole / "config.toml").read_text())
    (folder / ".checkpoint.safetensors.abc").write_text("cut short")
    assert run_training(None, None, resume=folder).run_dir == str(folder)
    assert_same(whole, folder)
    assert not list(folder.glob(".*"))


def test_a_run_killed_after_its_last_checkpoint_is_completed(tmp_path: Path) -> None:
    settings = TrainSettings(method="bp", epochs=2, hidden=(12, 8), batch_size=256, out=tmp_path)
    folder = Path(run_training(settings, None).run_dir)
    for name in ("metrics.json", "curves.png"):
        (folder / name).unlink()
    run_training(None, None, resume=folder)
    document = json.loads((folder / "metrics.json").read_text())
    assert (document["complete"], document["run"]["status"], len(document["steps"]["loss"])) == (True, "done", 12)
    assert (folder / "curves.png").is_file()


KILLS = 2
EPOCHS = 25


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::opu.errors.AlignmentWarning")  # a network of 16 hardly turns
@pytest.mark.parametrize("pipeline", [0, 1])
def test_kills_at_random_times_change_nothing(tmp_path: Path, pipeline: int) -> None:
    """SIGKILL of `opu train`, `KILLS` times, each at a time drawn between its first write and about its end."""
    options = ["--epochs", str(EPOCHS), "--hidden", "16,16", "--set", "train.batch_size=64"]
    options += ["--set", f"train.pipeline={pipeline}"]
    chance = random.Random(17)

    def start(*more: str, where: Path) -> subprocess.Popen[str]:
        where.mkdir(exist_ok=True)
        return subprocess.Popen(
            [sys.executable, "-m", "opu", "train", *more],
            cwd=where,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def made(where: Path) -> list[Path]:
        return [config.parent for config in where.glob("runs/*/config.toml")]

    straight, broken = tmp_path / "straight", tmp_path / "broken"
    straight.mkdir()
    settings = TrainSettings(epochs=EPOCHS, hidden=(16, 16), batch_size=64, pipeline=pipeline, out=straight / "runs")
    lasts_s = train(sim(), settings).train_seconds

    kills, alive = 0, 0
    while True:
        runs = made(broken)
        process = start(*(["--resume", str(runs[0])] if runs else options), where=broken)
        if kills == KILLS:
            break
        before = (runs[0] / "metrics.json").stat().st_mtime_ns if runs and (runs[0] / "metrics.json").exists() else 0
        while process.poll() is None:  # until this process has begun to write
            found = made(broken)
            now = found and (found[0] / "metrics.json").exists() and (found[0] / "metrics.json").stat().st_mtime_ns
            if (not runs and found) or (runs and now and now != before):
                break
            time.sleep(0.005)
        time.sleep(chance.uniform(0, lasts_s / (KILLS + 1)))
        alive += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += 1
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert alive == KILLS
    (one,), (other,) = made(straight), made(broken)
    assert_same(one, other)
    (row,) = RunIndex(broken / "runs").rows()
    assert (row["status"], row["epochs"]) == ("done", EPOCHS)

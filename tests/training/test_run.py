from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from opu.training.drift import DRIFT_ROWS
from opu.training.record import EpochRecord
from opu.training.run import RunStart, run_training
from opu.training.settings import MethodName, ResolvedSettings, TrainSettings
from safetensors.numpy import load_file

from opu.encodings import Ternary
from opu.errors import ConfigError, EncodingWarning, InputError

from .fakes import FakeOPU


def small(tmp_path: Path, **changes: Any) -> TrainSettings:
    return TrainSettings(**({"hidden": (12, 8), "epochs": 2, "batch_size": 128, "out": tmp_path} | changes))


class Opener:
    def __init__(self) -> None:
        self.opus: list[FakeOPU] = []
        self.asked: list[tuple[Any, ...]] = []

    def __call__(self, settings: ResolvedSettings, n_inputs: int, n_outputs: int) -> FakeOPU:
        self.asked.append((settings.seed, settings.encoding, settings.retrieval, n_inputs, n_outputs))
        self.opus.append(FakeOPU(n_inputs, n_outputs))
        return self.opus[-1]


def test_an_optical_run_leaves_everything_in_its_folder(tmp_path: Path) -> None:
    opener = Opener()
    starts: list[RunStart] = []
    result = run_training(
        small(tmp_path), opener, device_name="lab1", device_table={"kind": "fake"}, on_start=starts.append
    )
    folder = Path(result.run_dir)
    assert folder.parent == tmp_path
    assert folder.name.endswith("-dfa-optical-digits-s0")
    names = {"config.toml", "metrics.json", "checkpoint.safetensors", "calibration.safetensors", "curves.png"}
    assert {p.name for p in folder.iterdir()} == names
    assert opener.asked == [(0, {"kind": "ternary", "threshold": 0.3}, "anchor2", 10, 20)]
    assert (opener.opus[0].opened, opener.opus[0].closed) == (1, 1)
    config = tomllib.loads((folder / "config.toml").read_text())
    assert (config["device"], config["devices"]["lab1"]["kind"], config["train"]["epochs"]) == ("lab1", "fake", 2)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["complete"] is True
    assert len(metrics["history"]) == 2
    assert (folder / "curves.png").read_bytes().startswith(b"\x89PNG")
    drift = 2 * DRIFT_ROWS * (2 + 2)  # twice before, once after each epoch
    assert result.frames == 2 * 2 * (1437 + 256) + drift
    assert result.device_seconds == pytest.approx(result.frames / 1000)
    assert (result.device, result.feedback, result.epochs) == ("lab1", "optical", 2)
    assert result.test_accuracy == result.history[-1].test_accuracy
    assert json.loads(json.dumps(result.as_json(), allow_nan=False))["method"] == "dfa"
    assert (starts[0].sizes, starts[0].steps_per_epoch, starts[0].epochs_done) == ((64, 12, 8, 10), 12, 0)
    assert starts[0].n_parameters == 64 * 12 + 12 + 12 * 8 + 8 + 8 * 10 + 10


@pytest.mark.parametrize("method", ["bp", "shallow"])
def test_methods_without_feedback_open_nothing(tmp_path: Path, method: str) -> None:
    result = run_training(small(tmp_path, method=method), None, device_name="lab1")
    assert (result.feedback, result.device, result.frames) == (None, None, 0)
    assert (result.sample_angle_deg, result.batch_angle_deg) == ((0.0, 0.0) if method == "bp" else (None, None))


def stop_after(epoch: int) -> Callable[[EpochRecord], None]:
    def on_epoch(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise KeyboardInterrupt

    return on_epoch


@pytest.mark.parametrize("method", get_args(MethodName))
def test_resuming_is_bit_identical(tmp_path: Path, method: str) -> None:
    settings = small(tmp_path, method=method, feedback="digital", epochs=4, dropout=0.1, layer_norm=True)
    whole = run_training(settings, None)
    with pytest.raises(KeyboardInterrupt):
        run_training(settings, None, on_epoch=stop_after(2))
    broken = next(p for p in tmp_path.iterdir() if p.is_dir() and str(p) != whole.run_dir)
    assert json.loads((broken / "metrics.json").read_text())["complete"] is False
    resumed = run_training(None, None, resume=broken)
    assert resumed.run_dir == str(broken)
    assert resumed.test_accuracy == whole.test_accuracy
    assert [r.train_loss for r in resumed.history] == [r.train_loss for r in whole.history]
    a, b = (load_file(Path(r.run_dir) / "checkpoint.safetensors") for r in (whole, resumed))
    assert a.keys() == b.keys()
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_a_complete_run_resumes_to_its_result_without_light(tmp_path: Path) -> None:
    opener = Opener()
    done = run_training(small(tmp_path), opener, device_name="sim")
    assert run_training(None, opener, device_name="sim", resume=Path(done.run_dir)) == done
    assert len(opener.opus) == 1


def test_a_resumed_run_keeps_its_settings(tmp_path: Path) -> None:
    done = Path(run_training(small(tmp_path, method="bp"), None).run_dir)
    run_training(small(tmp_path / "elsewhere", method="bp"), None, resume=done)
    with pytest.raises(ConfigError, match=r"epochs = 9, but the run .* was planned with 2"):
        run_training(TrainSettings(epochs=9), None, resume=done)
    with pytest.raises(InputError, match="does not exist"):
        run_training(None, None, resume=tmp_path / "nothing")


def test_the_device_is_closed_whatever_happens(tmp_path: Path) -> None:
    opener = Opener()
    with pytest.raises(KeyboardInterrupt):
        run_training(small(tmp_path), opener, on_epoch=stop_after(1))
    assert opener.opus[0].closed == 1


def test_a_device_too_small_leaves_no_folder(tmp_path: Path) -> None:
    opu = FakeOPU(10, 19)
    with pytest.raises(InputError, match="projects to 19 outputs, feedback needs 20"):
        run_training(small(tmp_path), lambda *_: opu)
    assert opu.closed == 1
    assert list(tmp_path.iterdir()) == []


def test_optical_feedback_without_a_device_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="name a device or use digital feedback"):
        run_training(small(tmp_path), None)


def test_a_threshold_below_the_untrained_error_is_warned_of(tmp_path: Path) -> None:
    opu = FakeOPU(10, 20, encoding=Ternary(threshold=0.05))
    with pytest.warns(EncodingWarning, match=r"1/\(classes - 1\) = 0\.111"):
        run_training(small(tmp_path, epochs=1), lambda *_: opu)

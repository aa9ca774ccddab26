from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from opu.training.callbacks import Callback, MLflowCallback, RunEnd, TensorBoardCallback, epoch_metrics, load_callback
from opu.training.record import EpochRecord, StepRecord
from opu.training.run import RunStart, run_training
from opu.training.settings import TrainSettings

from opu.errors import ConfigError, OPUError, OPUWarning

STEPS = 6  # of 256 rows in 1,437


def tiny(tmp_path: Path, **changes: Any) -> TrainSettings:
    return TrainSettings(**({"method": "bp", "hidden": 6, "epochs": 2, "batch_size": 256, "out": tmp_path} | changes))


class Watching(Callback):
    def __init__(self) -> None:
        self.seen: list[Any] = []

    def on_start(self, start: RunStart) -> None:
        self.seen.append(start)

    def on_step(self, record: StepRecord) -> None:
        self.seen.append(record)

    def on_epoch(self, record: EpochRecord) -> None:
        self.seen.append(record)

    def on_end(self, end: RunEnd) -> None:
        self.seen.append(end)

    @property
    def kinds(self) -> list[str]:
        return [type(item).__name__ for item in self.seen]


def test_a_callback_is_told_everything_in_order(tmp_path: Path) -> None:
    watching = Watching()
    result = run_training(tiny(tmp_path), None, callbacks=[watching])
    epoch = ["StepRecord"] * STEPS + ["EpochRecord"]
    assert watching.kinds == ["RunStart", *epoch, *epoch, "RunEnd"]
    steps = [item for item in watching.seen if isinstance(item, StepRecord)]
    assert [(s.epoch, s.step, s.number) for s in steps] == [
        (e, s, (e - 1) * STEPS + s) for e in (1, 2) for s in range(1, STEPS + 1)
    ]
    assert {s.n_steps for s in steps} == {STEPS}
    losses = [s.loss for s in steps[:STEPS]]
    rows = [256] * 5 + [1437 - 5 * 256]
    assert sum(a * b for a, b in zip(losses, rows, strict=True)) / 1437 == pytest.approx(result.history[0].train_loss)
    assert watching.seen[-1] == RunEnd("done", result)
    assert str(watching.seen[0].run_dir) == result.run_dir


def test_methods_may_be_left_out(tmp_path: Path) -> None:
    class Ends(Callback):
        ended: RunEnd | None = None

        def on_end(self, end: RunEnd) -> None:
            self.ended = end

    ends = Ends()
    run_training(tiny(tmp_path, epochs=1), None, callbacks=[ends])
    assert ends.ended is not None


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (ValueError, "failed")])
def test_what_a_callback_raises_ends_the_run_and_all_are_told(
    tmp_path: Path, error: type[BaseException], status: str
) -> None:
    class Raises(Callback):
        def on_epoch(self, record: EpochRecord) -> None:
            raise error("enough")

    class Clumsy(Callback):
        def on_end(self, end: RunEnd) -> None:
            raise RuntimeError("no network")

    first, last = Watching(), Watching()
    with (
        pytest.warns(OPUWarning, match=r"Clumsy\.on_end failed \(RuntimeError: no network\)"),
        pytest.raises(error, match="enough"),
    ):
        run_training(tiny(tmp_path), None, callbacks=[first, Raises(), Clumsy(), last])
    assert first.seen[-1] == last.seen[-1] == RunEnd(status, None, f"{error.__name__}: enough")  # type: ignore[arg-type]
    assert first.kinds.count("EpochRecord") == 1


class Library:
    """Stands in for a module; notes every call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Library:
            self.calls.append((name, *args, *kwargs.items()))
            return self

        return call

    def named(self, name: str) -> list[tuple[Any, ...]]:
        return [call[1:] for call in self.calls if call[0] == name]


def test_tensorboard_gets_losses_by_step_and_figures_by_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "tensorboard", ModuleType("tensorboard"))
    monkeypatch.setitem(sys.modules, "tensorboard.summary", library)  # type: ignore[arg-type]
    result = run_training(tiny(tmp_path), None, callbacks=[TensorBoardCallback(every=4)])
    assert library.named("Writer") == [(str(Path(result.run_dir) / "tensorboard"),)]
    scalars = library.named("add_scalar")
    assert [step for name, _, step in scalars if name == "step/loss"] == [4, 8, 12]
    accuracies = [(value, step) for name, value, step in scalars if name == "epoch/test_accuracy"]
    assert accuracies == [(r.test_accuracy, r.epoch * STEPS) for r in result.history]
    assert library.calls[-1] == ("close",)
    run_training(tiny(tmp_path), None, callbacks=[TensorBoardCallback(tmp_path / "logs")])
    assert Path(library.named("Writer")[-1][0]).parent == tmp_path / "logs"


def test_tensorboard_files_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard.summary", reason="needs TensorBoard: pip install tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    result = run_training(tiny(tmp_path), None, callbacks=[TensorBoardCallback(every=1)])
    events = EventAccumulator(str(Path(result.run_dir) / "tensorboard"))
    events.Reload()
    assert {"step/loss", "epoch/train_loss"} <= set(events.Tags()["tensors"])
    read = [(e.step, float(make_ndarray(e.tensor_proto))) for e in events.Tensors("epoch/train_loss")]
    assert read == [(r.epoch * STEPS, pytest.approx(r.train_loss, rel=1e-6)) for r in result.history]  # float32


def test_mlflow_gets_parameters_metrics_and_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library()
    monkeypatch.setitem(sys.modules, "mlflow", library)  # type: ignore[arg-type]
    callback = MLflowCallback("sqlite:///x.db", "digits", every=6)
    result = run_training(tiny(tmp_path), None, callbacks=[callback])
    assert library.named("set_tracking_uri") == [("sqlite:///x.db",)]
    assert library.named("set_experiment") == [("digits",)]
    assert library.named("start_run") == [(("run_name", Path(result.run_dir).name),)]
    (parameters,) = library.named("log_params")[0]
    assert (parameters["method"], parameters["hidden"]) == ("bp", "[6]")
    assert [call[2] for call in library.named("log_metric")] == [("step", 6), ("step", 12)]
    assert library.named("log_metrics")[1] == (epoch_metrics(result.history[1]), ("step", 12))
    assert [Path(path).name for (path,) in library.named("log_artifact")] == [
        "config.toml",
        "metrics.json",
        "curves.png",
    ]
    assert library.calls[-1] == ("end_run", ("status", "FINISHED"))


def test_libraries_that_are_missing_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    monkeypatch.setitem(sys.modules, "tensorboard.summary", None)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(OPUError, match=r"TensorBoardCallback needs tensorboard, .*: pip install tensorboard"):
        run_training(tiny(tmp_path), None, callbacks=[TensorBoardCallback()])
    with pytest.raises(OPUError, match=r"MLflowCallback needs mlflow, .*: pip install mlflow"):
        run_training(tiny(tmp_path), None, callbacks=[MLflowCallback()])


def test_angles_and_validation_are_metrics_where_they_exist() -> None:
    record = EpochRecord(3, 0.5, 0.8, 0.75, 1e-3, (80.5, None), (60.25, None), 12, 0.1, 0.3, 0.7, 3.0)
    metrics = epoch_metrics(record)
    assert metrics["batch_angle_deg_0"] == 60.25
    assert (metrics["validation_accuracy"], metrics["device_joules"]) == (0.7, 3.0)
    assert not any(name.endswith("_1") for name in metrics)


def test_callbacks_load_by_name_from_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_callbacks_1.py").write_text(
        "class Mine:\n"
        "    def on_start(self, start): pass\n"
        "    on_step = on_epoch = on_end = on_start\n"
        "def half(): return object()\n"
        "def broken(): raise KeyError('x')\n"
        "number = 3\n"
    )
    (tmp_path / "my_callbacks_2.py").write_text("1 / 0\n")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    assert type(load_callback("my_callbacks_1:Mine")).__name__ == "Mine"
    assert isinstance(load_callback("tensorboard"), TensorBoardCallback)
    assert isinstance(load_callback("mlflow"), MLflowCallback)
    for name, message in (
        ("my_callbacks_1", "give tensorboard, mlflow or module:factory"),
        (":Mine", "give tensorboard, mlflow or module:factory"),
        ("my_callbacks_1:half", "makes a object without on_start, on_step, on_epoch, on_end"),
        ("my_callbacks_1:broken", r"broken\(\) failed \(KeyError"),
        ("my_callbacks_1:number", "is a int, which cannot be called"),
        ("my_callbacks_1:nothing", "'nothing' of my_callbacks_1 is not there"),
        ("my_callbacks_2:x", r"does not import \(ZeroDivisionError"),
        ("no_such_module_here:x", r"does not import \(ModuleNotFoundError"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_callback(name)
    assert sys.path == path

"""What a training tells those who watch it: a small protocol, adapters for TensorBoard and MLflow, and loading by name."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from opu.errors import ConfigError, OPUError, OPUWarning

from .record import EpochRecord, StepRecord

if TYPE_CHECKING:
    from .result import RunResult
    from .run import RunStart

ADAPTERS = {
    "tensorboard": "opu.training.callbacks:TensorBoardCallback",
    "mlflow": "opu.training.callbacks:MLflowCallback",
}
"""Short names of what needs no module of one's own."""

RunStatus = Literal["running", "done", "interrupted", "failed"]


@dataclass(frozen=True)
class RunEnd:
    """How a run ended. result: of a run that is done, else None; error: what stopped it, '' where nothing did."""

    status: RunStatus
    result: RunResult | None = None
    error: str = ""


class Callback(Protocol):
    """Told of a run as it goes; whatever has the four methods is one. Derive from it to leave some of them out.

    What on_start, on_step and on_epoch raise stops the run, which can be resumed; what on_end raises is only warned of.
    """

    def on_start(self, start: RunStart) -> None:
        """The first batch is about to run: settings, folder, sizes, device."""

    def on_step(self, record: StepRecord) -> None:
        """One update is made."""

    def on_epoch(self, record: EpochRecord) -> None:
        """One epoch is measured, and in the checkpoint."""

    def on_end(self, end: RunEnd) -> None:
        """The run is done, interrupted or failed; called once if on_start was."""


@dataclass(frozen=True)
class Callbacks:
    """Several as one, told in order."""

    members: Sequence[Callback] = ()

    def on_start(self, start: RunStart) -> None:
        """Tell all."""
        for member in self.members:
            member.on_start(start)

    def on_step(self, record: StepRecord) -> None:
        """Tell all."""
        for member in self.members:
            member.on_step(record)

    def on_epoch(self, record: EpochRecord) -> None:
        """Tell all."""
        for member in self.members:
            member.on_epoch(record)

    def on_end(self, end: RunEnd) -> None:
        """Tell all, whatever some of them raise; those errors become warnings."""
        for member in self.members:
            try:
                member.on_end(end)
            except Exception as error:
                warnings.warn(
                    f"{type(member).__name__}.on_end failed ({type(error).__name__}: {error}); the run's folder is whole",
                    OPUWarning,
                    stacklevel=2,
                )


class TensorBoardCallback(Callback):
    """Writes losses by step and the epochs' figures as TensorBoard events, into the run's folder unless told elsewhere.

    folder: parent of a folder for each run. every: steps between two losses. on_start raises OPUError without the library.
    """

    def __init__(self, folder: Path | str | None = None, every: int = 10) -> None:
        self._folder, self._every = None if folder is None else Path(folder), max(1, every)
        self._writer: Any = None
        self._steps = 0

    def on_start(self, start: RunStart) -> None:
        """Open the event file."""
        summary = _library("tensorboard.summary", "tensorboard", "TensorBoardCallback")
        where = start.run_dir / "tensorboard" if self._folder is None else self._folder / start.run_dir.name
        self._writer, self._steps = summary.Writer(str(where)), start.steps_per_epoch

    def on_step(self, record: StepRecord) -> None:
        """Write the loss of every `every`-th step."""
        if record.number % self._every == 0:
            self._writer.add_scalar("step/loss", record.loss, record.number)

    def on_epoch(self, record: EpochRecord) -> None:
        """Write the epoch's figures under its last step."""
        for name, value in epoch_metrics(record).items():
            self._writer.add_scalar(f"epoch/{name}", value, record.epoch * self._steps)
        self._writer.flush()

    def on_end(self, end: RunEnd) -> None:  # noqa: ARG002
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()


class MLflowCallback(Callback):
    """Logs settings as parameters, figures as metrics, and config, metrics and curves as artifacts of one MLflow run.

    tracking_uri, experiment: MLflow's own where None. every: steps between two losses. A resumed run is another MLflow run,
    under the same name. on_start raises OPUError without the library.
    """

    def __init__(self, tracking_uri: str | None = None, experiment: str | None = None, every: int = 10) -> None:
        self._uri, self._experiment, self._every = tracking_uri, experiment, max(1, every)
        self._mlflow: Any = None
        self._start: RunStart | None = None

    def on_start(self, start: RunStart) -> None:
        """Begin a run of that experiment, named as the folder."""
        mlflow = _library("mlflow", "mlflow", "MLflowCallback")
        if self._uri is not None:
            mlflow.set_tracking_uri(self._uri)
        if self._experiment is not None:
            mlflow.set_experiment(self._experiment)
        mlflow.start_run(run_name=start.run_dir.name)
        self._mlflow, self._start = mlflow, start
        # MLflow refuses parameters longer than 500 characters in some of its versions
        mlflow.log_params({name: str(v)[:500] for name, v in start.settings.model_dump(mode="json").items()})

    def on_step(self, record: StepRecord) -> None:
        """Log the loss of every `every`-th step."""
        if record.number % self._every == 0:
            self._mlflow.log_metric("step_loss", record.loss, step=record.number)

    def on_epoch(self, record: EpochRecord) -> None:
        """Log the epoch's figures under its last step."""
        assert self._start is not None
        self._mlflow.log_metrics(epoch_metrics(record), step=record.epoch * self._start.steps_per_epoch)

    def on_end(self, end: RunEnd) -> None:
        """Log the files and end the run as FINISHED, KILLED or FAILED."""
        if self._mlflow is None or self._start is None:
            return
        try:
            for name in ("config.toml", "metrics.json", "curves.png"):
                if (self._start.run_dir / name).is_file():
                    self._mlflow.log_artifact(str(self._start.run_dir / name))
        finally:
            status = {"done": "FINISHED", "interrupted": "KILLED"}.get(end.status, "FAILED")
            self._mlflow.end_run(status=status)


def epoch_metrics(record: EpochRecord) -> dict[str, float]:
    """Return the numbers of an epoch by name; angles by hidden block, from 0, and only where they exist."""
    metrics = {
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "test_accuracy": record.test_accuracy,
        "learning_rate": record.learning_rate,
        "seconds": record.seconds,
        "frames": float(record.frames),
        "device_seconds": record.device_seconds,
        "device_joules": record.device_joules,
    }
    if record.validation_accuracy is not None:
        metrics["validation_accuracy"] = record.validation_accuracy
    for kind, angles in (("sample", record.sample_angle_deg), ("batch", record.batch_angle_deg)):
        metrics |= {f"{kind}_angle_deg_{i}": angle for i, angle in enumerate(angles) if angle is not None}
    return metrics


def load_callback(name: str) -> Callback:
    """Return the adapter 'tensorboard' or 'mlflow', or what the factory 'module:factory' makes, called without arguments.

    Modules of the current folder are found, too.
    Raises ConfigError naming what is wrong: the name, the module, the factory, or what it made.
    """
    module_name, _, factory_name = ADAPTERS.get(name, name).partition(":")
    if not module_name or not factory_name:
        raise ConfigError(
            f"callback '{name}': give {', '.join(ADAPTERS)} or module:factory, such as my_module:MyCallback"
        )
    here = os.getcwd()
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except Exception as error:  # another person's module may raise anything
        raise ConfigError(
            f"callback '{name}': module '{module_name}' does not import ({type(error).__name__}: {error})"
        ) from error
    finally:
        if added:
            sys.path.remove(here)
    factory = getattr(module, factory_name, None)
    if not callable(factory):
        found = "is not there" if factory is None else f"is a {type(factory).__name__}, which cannot be called"
        raise ConfigError(f"callback '{name}': '{factory_name}' of {module_name} {found}")
    try:
        made = factory()
    except Exception as error:
        raise ConfigError(
            f"callback '{name}': {factory_name}() failed ({type(error).__name__}: {error}); it is called without arguments"
        ) from error
    lacking = [
        part for part in ("on_start", "on_step", "on_epoch", "on_end") if not callable(getattr(made, part, None))
    ]
    if lacking:
        raise ConfigError(
            f"callback '{name}': it makes a {type(made).__name__} without {', '.join(lacking)}; derive it from "
            "opu.training.callbacks.Callback to leave methods out"
        )
    callback: Callback = made
    return callback


def _library(module: str, package: str, who: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise OPUError(f"{who} needs {package}, which does not import ({error}): pip install {package}") from error

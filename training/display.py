"""Progress on the terminal: a bar where there is one, a line per epoch in any case. Results go to standard output."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from .arms import Arm, arm_of
from .record import EpochRecord
from .run import RunStart
from .units import seconds_text

# Tables are 100 wide even where nobody looks (a pipe, a log): cut cells are worse than long lines.
results = Console(highlight=False, width=max(100, Console().width))


class Display:
    """Callbacks for `run_training` and `compare`. brief: one line per run instead of one per epoch."""

    def __init__(self, brief: bool = False) -> None:
        self._brief = brief
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} %"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None
        self._epochs = 0
        self._prefix = ""
        self.run_dir: Path | None = None

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        """Print above the bar; silent when brief."""
        if not self._brief:
            self._progress.console.print(text, markup=False)

    def run(self, arm: Arm, seed: int) -> None:
        """A run of a comparison begins."""
        self._prefix = f"{arm.label}, seed {seed}"

    def start(self, begun: RunStart) -> None:
        """The first batch is about to run."""
        settings = begun.settings
        self.run_dir = begun.run_dir
        self._epochs = settings.epochs
        shape = "-".join(str(size) for size in begun.sizes)
        arm = arm_of(settings.method, settings.feedback)
        self.say(
            f"{arm.label}: {shape} {settings.activation} network, {begun.n_parameters:,} parameters, on {settings.dataset} "
            f"({begun.n_train:,} train, {begun.n_test:,} test), {settings.epochs} epochs of {begun.steps_per_epoch} steps"
        )
        if begun.calibration is not None:
            self.say(begun.calibration)
        if begun.epochs_done:
            self.say(f"continuing after epoch {begun.epochs_done}")
        if self._task is not None:
            self._progress.remove_task(self._task)
        self._task = self._progress.add_task(self._prefix or "training", total=self._epochs * begun.steps_per_epoch)

    def batch(self, epoch: int, step: int, n_steps: int) -> None:
        """One update is done."""
        if self._task is not None:
            self._progress.update(
                self._task,
                completed=(epoch - 1) * n_steps + step,
                description=f"{self._prefix or 'training'}, epoch {epoch}/{self._epochs}",
            )

    def epoch(self, record: EpochRecord) -> None:
        """One epoch is done."""
        last = record.epoch == self._epochs
        if self._brief and not last:
            return
        angles = [angle for angle in record.batch_angle_deg if angle is not None]
        line = f"{self._prefix}: " if self._brief else f"epoch {record.epoch:3d}  "
        line += f"loss {record.train_loss:.4f}  test {record.test_accuracy:7.2%}"
        if angles:
            line += f"  angle {sum(angles) / len(angles):4.1f}°"
        line += f"  {seconds_text(record.seconds)}" + ("/epoch" if self._brief else "")
        self._progress.console.print(line, markup=False)

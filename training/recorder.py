"""What a run leaves behind while it runs: checkpoint, metrics, and its entry in the index."""

from __future__ import annotations

import sqlite3
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from opu.errors import InputError, OPUWarning

from .callbacks import Callbacks, RunEnd, RunStatus
from .checkpoint import CHECKPOINT, save_checkpoint
from .folder import METRICS, read_metrics, write_metrics
from .index import RunIndex, index_folder
from .method import Method
from .network import Network
from .optimiser import Optimiser
from .progress import Progress, StepLog, WithProgress
from .record import EpochRecord
from .run_facts import RunFacts
from .settings import ResolvedSettings

INDEX_EVERY_S = 5.0
"""Wall time between two updates of the index during a run, at least; its beginning and its end are always there."""


@dataclass
class Recorder:
    """Keeps one run's files up to date. The checkpoint comes first: the other two can be made again from it.

    An index that cannot be written is warned of once, and never stops a training.
    """

    run_dir: Path
    settings: ResolvedSettings
    facts: RunFacts
    history: Sequence[EpochRecord] = ()
    log: StepLog = field(default_factory=StepLog)
    _indexed_at: float = -INDEX_EVERY_S
    _index_works: bool = True

    def save(
        self,
        network: Network,
        optimiser: Optimiser,
        method: Method,
        history: Sequence[EpochRecord],
        progress: Progress,
    ) -> None:
        """Write the checkpoint, then the metrics of whole epochs."""
        settings = self.settings.model_dump(mode="json")
        stored = WithProgress(optimiser, progress)
        save_checkpoint(self.run_dir / CHECKPOINT, network, stored, settings, history, method)
        self.history, self.log = tuple(history), progress.log
        self.note()

    def note(self, status: RunStatus = "running", error: str = "") -> None:
        """Write the metrics and enter them in the index; status: how the run goes, or ended."""
        if status != "running":
            self.facts = self.facts.ended(status, error)
        document = write_metrics(self.run_dir, self.settings, self.history, self.facts, self.log)
        if status != "running" or time.monotonic() - self._indexed_at >= INDEX_EVERY_S:
            self._index(document)

    @contextmanager
    def ending(self, told: Callbacks) -> Iterator[None]:
        """What leaves this block as an error or an interrupt is noted and told first."""
        try:
            yield
        except BaseException as error:
            status: RunStatus = "interrupted" if isinstance(error, KeyboardInterrupt | SystemExit) else "failed"
            text = f"{type(error).__name__}: {error}"
            try:
                self.note(status, text)
            except Exception as failure:
                error.add_note(f"and {self.run_dir} could not be brought up to date: {failure}")
            told.on_end(RunEnd(status, None, text))
            raise

    def _index(self, document: dict[str, Any]) -> None:
        if not self._index_works:
            return
        self._indexed_at = time.monotonic()
        index = RunIndex(index_folder(self.run_dir))
        try:
            index.register(self.run_dir, document)
        except (sqlite3.Error, OSError, InputError) as failure:
            self._index_works = False
            warnings.warn(
                f"the run is not in the index {index.path} ({failure}); its folder is whole, and opu runs --rescan enters it",
                OPUWarning,
                stacklevel=4,
            )


def facts_in(run_dir: Path) -> RunFacts | None:
    """Return the facts that a run folder holds, None where it has none that can be read."""
    document = read_metrics(run_dir)
    try:
        return None if document is None else RunFacts.from_json(document["run"])
    except (KeyError, TypeError):
        return None


def tidy(run_dir: Path) -> None:
    """Remove what writes that a kill cut short have left beside their targets."""
    for name in (CHECKPOINT, METRICS, "config.toml", "calibration.safetensors", "curves.png"):
        for path in run_dir.glob(f".{name}.*"):
            path.unlink(missing_ok=True)

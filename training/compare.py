"""The same networks trained by every rival: same seeds, same first weights, same batches, only the feedback differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from opu.errors import ConfigError
from opu.files import write_atomic
from opu.result_folder import make_dated_folder

from .alignment import mean_or_none
from .arms import ARMS, Arm
from .callbacks import Callback
from .compare_plot import save_comparison
from .folder import write_config
from .result import RunResult, epoch_seconds
from .run import OpenOPU, RunStart, run_training
from .settings import TrainSettings
from .trainer import OnBatch, OnEpoch


@dataclass(frozen=True)
class CompareRow:
    """One arm over all seeds: accuracies as fractions (std with n - 1, None for one seed), costs as means per run."""

    arm: Arm
    results: tuple[RunResult, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Final test accuracy of each seed."""
        return tuple(r.test_accuracy for r in self.results)

    @property
    def mean(self) -> float:
        """Mean final test accuracy."""
        return float(np.mean(self.accuracies))

    @property
    def std(self) -> float | None:
        """Sample standard deviation of the final test accuracy."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.results) > 1 else None

    @property
    def train_seconds(self) -> float:
        """Mean wall time of training, in seconds."""
        return float(np.mean([r.train_seconds for r in self.results]))

    @property
    def epoch_seconds(self) -> float:
        """Median wall time of an epoch's training, in seconds: kernels compile in the first."""
        return epoch_seconds(self.results)

    @property
    def stored_bytes(self) -> int | None:
        """Bytes per sample that the rule must keep of a forward pass; see `opu.training.method.stored_bytes`."""
        return self.results[0].stored_bytes

    @property
    def frames(self) -> int:
        """Mean number of frames shown."""
        return round(float(np.mean([r.frames for r in self.results])))

    @property
    def device_seconds(self) -> float:
        """Mean device time, in seconds."""
        return float(np.mean([r.device_seconds for r in self.results]))

    @property
    def device_joules(self) -> float:
        """Mean energy of the device, in joules."""
        return float(np.mean([r.device_joules for r in self.results]))

    @property
    def sample_angle_deg(self) -> float | None:
        """Mean per-sample angle to the true gradient, in degrees."""
        return mean_or_none([r.sample_angle_deg for r in self.results])

    @property
    def batch_angle_deg(self) -> float | None:
        """Mean batch-gradient angle to the true gradient, in degrees."""
        return mean_or_none([r.batch_angle_deg for r in self.results])

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON-safe values."""
        return {
            "arm": self.arm.name,
            "label": self.arm.label,
            "mean": self.mean,
            "std": self.std,
            "train_seconds": self.train_seconds,
            "epoch_seconds": self.epoch_seconds,
            "stored_bytes": self.stored_bytes,
            "frames": self.frames,
            "device_seconds": self.device_seconds,
            "device_joules": self.device_joules,
            "sample_angle_deg": self.sample_angle_deg,
            "batch_angle_deg": self.batch_angle_deg,
            "runs": [r.as_json() for r in self.results],
        }


@dataclass(frozen=True)
class Comparison:
    """All rows and the folder that holds `compare.json`, `compare.png` and one folder per run."""

    rows: tuple[CompareRow, ...]
    folder: Path


def compare(
    settings: TrainSettings,
    seeds: Sequence[int],
    open_opu: OpenOPU | None,
    *,
    arms: Sequence[Arm] = ARMS,
    device_name: str | None = None,
    device_table: Mapping[str, Any] | None = None,
    on_run: Callable[[Arm, int], None] | None = None,
    on_start: Callable[[RunStart], None] | None = None,
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
    callbacks: Sequence[Callback] = (),
) -> Comparison:
    """Train every arm with every seed and write the comparison; settings' method, feedback and seed are replaced.

    on_run(arm, seed) precedes each run, the other callbacks and errors are those of `run_training`; ConfigError for
    no or repeated seeds or arms.
    """
    if not seeds or not arms or len(set(seeds)) < len(seeds) or len(set(arms)) < len(arms):
        raise ConfigError(f"seeds {list(seeds)}, arms {[a.name for a in arms]}: give one or more of each, none twice")
    base = settings.resolved()
    folder = make_dated_folder(base.out, f"compare-{base.dataset}")
    if any(arm.feedback == "optical" for arm in arms):
        write_config(folder, base, device_name, device_table)
    results: dict[str, list[RunResult]] = {arm.name: [] for arm in arms}
    for seed in seeds:
        for arm in arms:
            if on_run is not None:
                on_run(arm, seed)
            chosen = base.model_dump() | {"method": arm.method, "seed": seed, "out": folder}
            chosen["feedback"] = arm.feedback or base.feedback
            chosen["pipeline"] = base.pipeline if arm.method == "dfa" else 0
            optical = arm.feedback == "optical"
            result = run_training(
                TrainSettings(**chosen),
                open_opu if optical else None,
                device_name=device_name if optical else None,
                device_table=device_table if optical else None,
                on_start=on_start,
                on_batch=on_batch,
                on_epoch=on_epoch,
                callbacks=callbacks,
            )
            results[arm.name].append(result)
    rows = tuple(CompareRow(arm, tuple(results[arm.name])) for arm in arms)
    document = {"dataset": base.dataset, "seeds": list(seeds), "rows": [row.as_json() for row in rows]}
    write_atomic(folder / "compare.json", json.dumps(document, indent=1, allow_nan=False) + "\n")
    save_comparison(
        [(row.arm, row.results) for row in rows],
        f"{base.dataset}, {len(seeds)} seed{'s' if len(seeds) > 1 else ''}",
        folder / "compare.png",
    )
    return Comparison(rows, folder)

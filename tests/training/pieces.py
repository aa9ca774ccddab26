"""Trainings in pieces: interrupted, taken up again, and held against one that was not."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from opu.training.callbacks import Callback
from opu.training.record import EpochRecord, StepRecord
from opu.training.run import run_training
from opu.training.session import opener
from opu.training.settings import TrainSettings
from safetensors.numpy import load_file

from opu.config import Config, load_config

PROJECTED_TWICE = ("frames", "device_seconds", "device_joules")
"""What counts a projection that was shown, or under way, when its update was not to be, and is shown again."""
WITHOUT_CLOCK = [f for f in EpochRecord.__dataclass_fields__ if f != "seconds"]


def sim(*overrides: str) -> Config:
    return load_config(None, "sim", list(overrides))


def train(config: Config, settings: TrainSettings | None, resume: Path | None = None, **options: Any) -> Any:
    return run_training(
        settings, opener(config), device_name="sim", device_table=config.profile(), resume=resume, **options
    )


def figures(folder: Path, but: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    history = json.loads((folder / "metrics.json").read_text())["history"]
    return [{name: epoch[name] for name in WITHOUT_CLOCK if name not in but} for epoch in history]


def assert_same(one: Path, other: Path, but: tuple[str, ...] = ()) -> None:
    assert figures(one, but) == figures(other, but)
    a, b = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    assert a.keys() == b.keys()
    for name in a:
        if but and name == "optimiser/progress":  # its totals count what was projected
            continue
        np.testing.assert_array_equal(a[name], b[name], err_msg=name)


class StopsAt(Callback):
    """Stops at a step of this process, as an interrupt does."""

    def __init__(self, step: int) -> None:
        self.left = step

    def on_step(self, record: StepRecord) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


def in_pieces(config: Config, settings: TrainSettings, steps: list[int], known: set[Path]) -> Path:
    """Train, interrupted after so many steps, again and again; return the folder."""
    folder: Path | None = None
    for step in [*steps, 0]:
        with suppress(KeyboardInterrupt):
            train(config, settings if folder is None else None, folder, callbacks=[StopsAt(step)])
        assert settings.out is not None
        (folder,) = {p for p in settings.out.iterdir() if p.is_dir()} - known
    assert folder is not None
    return folder

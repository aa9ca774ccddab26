"""Images as tasks: all training images and the test set, or a sixth of the training images held back instead of it."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from ledger import Part
from trial import Task, training

accuracy = import_module("opu.training.trainer").accuracy
HELD_BACK = 6
"""One in so many training images is held back to tune on: 10,000 of MNIST's."""
WATCHED = 512
"""Training images on which the trainer's own accuracy is measured after an epoch, in place of a test set."""


def tasks(name: str, folder: Path | None) -> dict[Part, Task]:
    """Both tasks of a data set of images. Raises what `opu.training.load` raises."""
    data = training.load(name, folder)
    rows = np.random.default_rng(0).permutation(data.n_train)
    held, kept = rows[: data.n_train // HELD_BACK], rows[data.n_train // HELD_BACK :]
    return {
        "test": _task(data, data.train_x, data.train_y, data.test_x, data.test_y),
        "validation": _task(data, data.train_x[kept], data.train_y[kept], data.train_x[held], data.train_y[held]),
    }


def _task(data: Any, x: Any, y: Any, judged_x: Any, judged_y: Any) -> Task:
    seen = replace(data, train_x=x, train_y=y, test_x=x[:WATCHED], test_y=y[:WATCHED])
    return Task(data.name, seen, lambda network: 100 * accuracy(network, judged_x, judged_y))

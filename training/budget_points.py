"""One point of a budget: one network trained on one device, and many of them over processes, none of them twice."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass, fields, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from opu.config import Config
from opu.errors import ConfigError, OPUError
from opu.files import write_atomic

from .alignment import mean_or_none
from .budget_workers import lent_workers, own_workers
from .data import Dataset, load
from .feedback import Feedback, OpticalFeedback
from .graph_data import load_cora
from .method import trainable
from .methods import make_method, make_network
from .optimiser import make_optimiser
from .result import chosen_epoch
from .sample import Source
from .session import opener
from .settings import ResolvedSettings
from .trainer import Plan, fit

SNR_ROWS = 256


@dataclass(frozen=True)
class Task:
    """Everything a worker needs to train one point. config: the device's table with the point's keys set."""

    key: str
    name: str
    arm: str
    value: Any
    settings: ResolvedSettings
    train_size: int | None
    config: Config

    @property
    def seed(self) -> int:
        """Of weights, batches and, where the profile leaves it open, the medium."""
        return self.settings.seed


@dataclass(frozen=True)
class PointResult:
    """A finished point: accuracy a fraction, angles in degrees after the last epoch, costs of the training alone.

    snr: measured_snr before training (None: no noise, or a control). error: why the device could not be used, and accuracy
    is then None. warnings: those given, each once.
    """

    key: str
    name: str
    arm: str
    value: Any
    seed: int
    accuracy: float | None
    sample_angle_deg: float | None = None
    batch_angle_deg: float | None = None
    frames: int = 0
    device_seconds: float = 0.0
    device_joules: float = 0.0
    train_seconds: float = 0.0
    snr: float | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()


def point_key(*parts: Any) -> str:
    """A digest of everything that decides a point's result."""
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def open_source(settings: ResolvedSettings, train_size: int | None) -> Source:
    """The data set, of images only the first `train_size` training samples. ConfigError for a graph's, or too many."""
    if settings.dataset != "cora":
        return subset(_load(settings.dataset, settings.data), train_size)
    if train_size is not None:
        raise ConfigError(f"train_size = {train_size}: cora is a graph and is shown whole; leave train_size out")
    return load_cora(settings.data)


def subset(dataset: Dataset, train_size: int | None) -> Dataset:
    """The first `train_size` training samples, standardised by all of them. ConfigError if there are fewer."""
    if train_size is None:
        return dataset
    if not 1 <= train_size <= dataset.n_train:
        raise ConfigError(
            f"train_size = {train_size}: {dataset.name} has {dataset.n_train} training samples; give 1 to that many"
        )
    return replace(dataset, train_x=dataset.train_x[:train_size], train_y=dataset.train_y[:train_size])


def train_point(task: Task) -> PointResult:
    """Train one point. What a device refuses or cannot do is the point's result, not an error."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = _trained(task)
        except OPUError as error:
            if isinstance(error, ConfigError):
                raise
            result = _point(task, None, error=f"{type(error).__name__}: {error}")
    told = dict.fromkeys(f"{w.category.__name__}: {w.message}" for w in caught)
    return replace(result, warnings=tuple(told))


def _trained(task: Task) -> PointResult:
    settings = task.settings
    dataset = open_source(settings, task.train_size)
    network = make_network(settings, dataset)
    with ExitStack() as stack:
        opu, snr, joules_before = None, None, 0.0
        if settings.optical:
            opu = stack.enter_context(opener(task.config)(settings, network.sizes[-1], sum(network.hidden)))
        method = make_method(settings, network, opu)
        if opu is not None:
            snr = measured_snr(OpticalFeedback(opu, network.sizes[-1], sum(network.hidden)))
            joules_before = opu.status().device_joules
        optimiser = make_optimiser(
            settings.optimiser, trainable(network, method), settings.momentum, settings.weight_decay
        )
        history = fit(network, method, optimiser, dataset, Plan.of(settings))
        joules = 0.0 if opu is None else opu.status().device_joules - joules_before
    last = history[-1]
    return _point(
        task,
        chosen_epoch(history).test_accuracy,
        sample_angle_deg=mean_or_none(last.sample_angle_deg),
        batch_angle_deg=mean_or_none(last.batch_angle_deg),
        frames=sum(r.frames for r in history),
        device_seconds=sum(r.device_seconds for r in history),
        device_joules=joules,
        train_seconds=sum(r.seconds for r in history),
        snr=snr,
    )


def measured_snr(feedback: Feedback) -> float | None:
    """Standard deviation of a projection over that of its noise, which is what differs when the same errors are shown twice.

    Errors of a network that knows a little, scaled to norm 1. Known to (rows outputs)^-1/2 in variance: 0.05 is told from 0
    with 1,024 outputs, hardly less. None without noise.
    """
    rng = np.random.default_rng(0)
    logits = 2 * rng.standard_normal((SNR_ROWS, feedback.n_errors))
    error = np.exp(logits - logits.max(axis=1, keepdims=True))
    error /= error.sum(axis=1, keepdims=True)
    error[np.arange(SNR_ROWS), rng.integers(0, feedback.n_errors, SNR_ROWS)] -= 1
    error /= np.linalg.norm(error, axis=1, keepdims=True)
    first, second = (feedback.project(error.astype(np.float32)).astype(np.float64) for _ in range(2))
    noise, signal = float(np.mean((first - second) ** 2)) / 2, float(np.mean(first * second))
    return math.sqrt(max(signal, 0.0) / noise) if noise > 0 else None


def _point(task: Task, accuracy: float | None, **values: Any) -> PointResult:
    return PointResult(
        key=task.key, name=task.name, arm=task.arm, value=task.value, seed=task.seed, accuracy=accuracy, **values
    )


_load = lru_cache(maxsize=1)(load)


def point_path(folder: Path, task: Task) -> Path:
    """Where a point's result is kept: legible, and unique by its key."""
    slug = "".join(c if c.isalnum() or c in ".-+=" else "_" for c in f"{task.name}={task.value}")[:80]
    return folder / f"{slug}-s{task.seed}-{task.key}.json"


def finished(folder: Path, task: Task) -> PointResult | None:
    """The stored result of a point; None where there is none, or a failed one, or a damaged file."""
    try:
        stored = json.loads(point_path(folder, task).read_text())
        result = PointResult(**{f.name: stored[f.name] for f in fields(PointResult)})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    result = replace(result, warnings=tuple(result.warnings))
    return result if result.key == task.key and result.error is None else None


def run_points(
    tasks: Sequence[Task],
    folder: Path,
    workers: int,
    on_point: Callable[[PointResult], None] | None = None,
    executor: Executor | None = None,
) -> dict[str, PointResult]:
    """Results by key: stored ones from `folder`, the others trained and written there, each as soon as it is done.

    workers: processes, which share the cores; 1 trains here. executor: one's own, instead of processes. An interruption
    loses the points that were being trained, and no other. Results do not depend on either, but for the rounding of
    matrix products by other numbers of threads.
    """
    results: dict[str, PointResult] = {}
    missing: list[Task] = []
    for task in {task.key: task for task in tasks}.values():
        stored = finished(folder, task)
        if stored is None:
            missing.append(task)
        else:
            results[task.key] = stored

    def keep(task: Task, result: PointResult) -> None:
        write_atomic(point_path(folder, task), json.dumps(asdict(result), indent=1, allow_nan=False) + "\n")
        results[task.key] = result
        if on_point is not None:
            on_point(result)

    if executor is None and (workers <= 1 or len(missing) <= 1):
        for task in missing:
            keep(task, train_point(task))
        return results
    with own_workers(min(workers, len(missing))) if executor is None else lent_workers(executor) as (pool, threads):
        futures = {}
        for task in missing:
            given = task if threads is None else replace(task, config=replace(task.config, threads=threads))
            futures[pool.submit(train_point, given)] = task
        try:
            for future in as_completed(futures):
                keep(futures[future], future.result())
        except BrokenExecutor as error:
            raise OPUError(
                f"a worker died ({error}), perhaps for want of memory; finished points are kept in {folder}: resume with "
                "fewer workers"
            ) from error
        finally:
            for future in futures:
                future.cancel()
    return results

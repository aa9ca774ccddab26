"""The training loop: batches in, epoch records out. It sees a method, never a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opu.errors import OPUError

from .alignment import measure_alignment
from .arrays import Array, Labels
from .data import Dataset
from .loss import softmax_cross_entropy
from .method import Method
from .network import Network
from .optimiser import Optimiser
from .record import EpochRecord
from .schedule import ScheduleName, learning_rate
from .streams import stream

OnBatch = Callable[[int, int, int], None]
OnEpoch = Callable[[EpochRecord], None]
PROBE_SIZE = 256


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the learning rate depends on the planned `epochs`, not on where a run stopped."""

    epochs: int
    batch_size: int
    seed: int
    learning_rate: float
    schedule: ScheduleName = "exponential"
    final_lr_fraction: float = 0.13


def fit(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Dataset,
    plan: Plan,
    *,
    history: Sequence[EpochRecord] = (),
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[EpochRecord]:
    """Train the network in place from the end of `history` to `plan.epochs`; return the whole history.

    Batches are a permutation of (seed, epoch), the last one may be shorter. on_batch(epoch, step, n_steps) follows each
    update, on_epoch(record) each epoch. Raises OPUError when the loss or a weight stops being finite.
    """
    records = list(history)
    probe = stream(plan.seed, "probe").permutation(len(dataset.train_x))[:PROBE_SIZE]
    for epoch in range(len(records) + 1, plan.epochs + 1):
        rate = learning_rate(plan.schedule, plan.learning_rate, plan.final_lr_fraction, epoch, plan.epochs)
        before, started = method.cost(), clock()
        with np.errstate(over="ignore", invalid="ignore"):  # the finiteness checks below say it better
            loss, train_accuracy = _one_epoch(
                network, method, optimiser, dataset, plan, epoch=epoch, rate=rate, on_batch=on_batch
            )
        seconds = clock() - started
        angles = measure_alignment(network, method, dataset.train_x[probe], dataset.train_y[probe])
        after = method.cost()
        record = EpochRecord(
            epoch=epoch,
            train_loss=loss,
            train_accuracy=train_accuracy,
            test_accuracy=accuracy(network, dataset.test_x, dataset.test_y),
            learning_rate=rate,
            sample_angle_deg=angles.sample_angle_deg,
            batch_angle_deg=angles.batch_angle_deg,
            frames=after.frames - before.frames,
            device_seconds=after.device_seconds - before.device_seconds,
            seconds=seconds,
        )
        records.append(record)
        if on_epoch is not None:
            on_epoch(record)
    return records


def accuracy(network: Network, x: Array, labels: Labels) -> float:
    """Return the fraction of rows of x (n, features) whose predicted class is the label."""
    return float(np.mean(network.predict(x) == labels))


def _one_epoch(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Dataset,
    plan: Plan,
    *,
    epoch: int,
    rate: float,
    on_batch: OnBatch | None,
) -> tuple[float, float]:
    order = stream(plan.seed, "batches", epoch).permutation(len(dataset.train_x))
    n_steps = -(-len(order) // plan.batch_size)
    loss_sum, correct = 0.0, 0
    for step in range(1, n_steps + 1):
        rows = order[(step - 1) * plan.batch_size : step * plan.batch_size]
        labels = dataset.train_y[rows]
        trace = network.forward(dataset.train_x[rows])
        loss, error = softmax_cross_entropy(trace.logits, labels)
        if not np.isfinite(loss):
            raise _diverged(f"loss is {loss}", epoch, step, n_steps, rate)
        optimiser.step(network.gradients(trace, method.deltas(network, trace, error)), rate)
        loss_sum += loss * len(rows)
        correct += int((trace.logits.argmax(axis=1) == labels).sum())
        if on_batch is not None:
            on_batch(epoch, step, n_steps)
    if not all(np.isfinite(p).all() for p in network.parameters):  # the last update has no loss of its own to show it
        raise _diverged("a weight is not finite", epoch, n_steps, n_steps, rate)
    return loss_sum / len(order), correct / len(order)


def _diverged(what: str, epoch: int, step: int, n_steps: int, rate: float) -> OPUError:
    return OPUError(
        f"training diverged: {what} at epoch {epoch}, step {step} of {n_steps}, learning rate {rate:g}; "
        f"lower learning_rate (try {rate / 10:g}), and if that does not help look for NaN in the data or the feedback"
    )

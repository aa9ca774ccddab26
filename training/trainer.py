"""The training loop: batches in, epoch records out. It sees a method, never a device."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from opu.arrays import Array, namespace
from opu.errors import AlignmentWarning, OPUError

from .alignment import Alignment, measure_alignment
from .batch import Batch
from .drift import DriftWatch
from .feedback import Feedback
from .layer import Moment
from .loss import LOSSES, Loss, LossName, loss_on_rows
from .method import Method, Settles
from .network import Network
from .optimiser import Optimiser
from .record import EpochRecord
from .sample import Sample, Source
from .schedule import ScheduleName, learning_rate

OnBatch = Callable[[int, int, int], None]
OnEpoch = Callable[[EpochRecord], None]
PROBE_SIZE = 256
UNALIGNED_DEG = 88.0
ALIGNED_BY_EPOCH, ALIGNED_BY_STEP = 3, 50


@dataclass(frozen=True)
class Plan:
    """How long and how fast to train; the learning rate depends on the planned `epochs`, not on where a run stopped."""

    epochs: int
    batch_size: int
    seed: int
    learning_rate: float
    schedule: ScheduleName = "exponential"
    final_lr_fraction: float = 0.13
    loss: LossName = "cross-entropy"


def fit(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Source,
    plan: Plan,
    *,
    history: Sequence[EpochRecord] = (),
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[EpochRecord]:
    """Train the network in place from the end of `history` to `plan.epochs`; return the whole history.

    optimiser: over `trainable(network, method)`. Batches are a permutation of (seed, epoch), the last one may be shorter.
    on_batch(epoch, step, n_steps) follows each update, on_epoch(record) each epoch. Warns (AlignmentWarning, DriftWarning)
    when feedback teaches nothing or light forgets too fast. Raises InputError when the method cannot train the network,
    OPUError when the loss or a weight stops being finite.
    """
    method.check(network)
    records = list(history)
    probe = dataset.probe(plan.seed, PROBE_SIZE)
    parts = dataset.parts()
    before, warned = method.cost(), False
    feedback: Feedback | None = getattr(method, "feedback", None)
    watched = feedback is not None and feedback.name == "optical" and len(records) < plan.epochs
    drift = DriftWatch(feedback) if feedback is not None and watched else None
    for epoch in range(len(records) + 1, plan.epochs + 1):
        rate = learning_rate(plan.schedule, plan.learning_rate, plan.final_lr_fraction, epoch, plan.epochs)
        started = clock()
        with np.errstate(over="ignore", invalid="ignore"):  # the finiteness checks below say it better
            loss, train_accuracy = _one_epoch(
                network, method, optimiser, dataset, plan, epoch=epoch, rate=rate, on_batch=on_batch
            )
        seconds = clock() - started
        n_steps = dataset.steps(plan.batch_size)
        angles = Alignment((None,) * len(network.hidden), (None,) * len(network.hidden))
        if epoch % dataset.probe_every == 0 or epoch == plan.epochs:
            angles = measure_alignment(
                network,
                method,
                probe.x,
                probe.targets,
                loss=LOSSES[plan.loss],
                rows=probe.rows,
                moment=Moment(plan.seed, epoch * n_steps),
            )
            if drift is not None:
                drift.after((epoch - len(history)) * n_steps)
        accuracies = {name: accuracy(network, part.x, part.targets, part.rows) for name, part in parts.items()}
        after = method.cost()
        record = EpochRecord(
            epoch=epoch,
            train_loss=loss,
            train_accuracy=train_accuracy,
            test_accuracy=accuracies["test"],
            learning_rate=rate,
            sample_angle_deg=angles.sample_angle_deg,
            batch_angle_deg=angles.batch_angle_deg,
            frames=after.frames - before.frames,
            device_seconds=after.device_seconds - before.device_seconds,
            seconds=seconds,
            validation_accuracy=accuracies.get("validation"),
        )
        before = after
        records.append(record)
        if not warned and epoch >= ALIGNED_BY_EPOCH and epoch * n_steps >= ALIGNED_BY_STEP:
            warned = _warn_if_unaligned(method, angles, epoch)
        if on_epoch is not None:
            on_epoch(record)
    return records


def accuracy(network: Network, x: Array, labels: Array, rows: Array | None = None) -> float:
    """Return the fraction of rows of x (n, features), or of those with the numbers `rows`, told their label."""
    told = network.predict(x, chunk=x.shape[0] if rows is not None else 2000)
    right = told == labels if rows is None else told[rows] == labels[rows]
    return int(namespace(right).count_nonzero(right)) / int(right.shape[0])


def train_step(
    network: Network, method: Method, optimiser: Optimiser, loss: Loss, sample: Sample, moment: Moment, rate: float
) -> tuple[float, Array]:
    """Update the network by one batch; return the loss and the outputs before it. Not finite: no update."""
    trace = network.forward(sample.x, moment)
    value, error = loss_on_rows(loss, trace.logits, sample.targets, sample.rows)
    if np.isfinite(value):
        batch = Batch(trace, error, sample.targets, loss, moment, sample.rows)
        optimiser.step(method.gradients(network, batch).parameters, rate)
        if isinstance(method, Settles):
            method.settle(network)
    return value, trace.logits


def _one_epoch(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Source,
    plan: Plan,
    *,
    epoch: int,
    rate: float,
    on_batch: OnBatch | None,
) -> tuple[float, float]:
    n_steps = dataset.steps(plan.batch_size)
    loss_sum, correct, seen = 0.0, 0, 0
    for step, sample in enumerate(dataset.batches(plan.seed, epoch, plan.batch_size), start=1):
        moment = Moment(plan.seed, (epoch - 1) * n_steps + step)
        loss, outputs = train_step(network, method, optimiser, LOSSES[plan.loss], sample, moment, rate)
        if not np.isfinite(loss):
            raise _diverged(f"loss is {loss}", epoch, step, n_steps, rate)
        loss_sum += loss * sample.n_counted
        correct += _n_correct(outputs, sample)
        seen += sample.n_counted
        if on_batch is not None:
            on_batch(epoch, step, n_steps)
    if not all(bool(namespace(p).all(namespace(p).isfinite(p))) for p in network.parameters):
        raise _diverged(
            "a weight is not finite", epoch, n_steps, n_steps, rate
        )  # the last update has no loss to show it
    return loss_sum / seen, correct / seen


def _n_correct(outputs: Array, sample: Sample) -> int:
    if sample.rows is not None:
        outputs, targets = outputs[sample.rows], sample.targets[sample.rows]
    else:
        targets = sample.targets
    xp = namespace(outputs)
    return int(xp.count_nonzero(xp.argmax(outputs, axis=1) == targets))


def _warn_if_unaligned(method: Method, angles: Alignment, epoch: int) -> bool:
    """Only feedback is expected to align; for other rules an angle near 90 degrees need not mean failure."""
    last = angles.batch_angle_deg[-1] if angles.batch_angle_deg else None
    if method.name not in ("fa", "dfa") or last is None or last <= UNALIGNED_DEG:
        return False
    warnings.warn(
        f"after {epoch} epochs the batch gradient of the last hidden layer is {last:.1f} degrees from the true one, and above "
        f"{UNALIGNED_DEG:g} nothing is learned there: check that the feedback is the same projection every time, that its "
        "signal stands out of its noise (calibration report), and that the error's rows keep their order; raise the "
        "encoding's threshold where it is under the untrained error",
        AlignmentWarning,
        stacklevel=3,
    )
    return True


def _diverged(what: str, epoch: int, step: int, n_steps: int, rate: float) -> OPUError:
    return OPUError(
        f"training diverged: {what} at epoch {epoch}, step {step} of {n_steps}, learning rate {rate:g}; "
        f"lower learning_rate (try {rate / 10:g}), and if that does not help look for NaN in the data or the feedback"
    )

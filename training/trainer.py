"""The training loop: batches in, epoch records out. It sees a method, never a device."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from opu.arrays import Array, namespace

from .alignment import Alignment, measure_alignment, warn_if_unaligned
from .drift import DriftWatch
from .feedback import Feedback
from .layer import Moment
from .loss import LOSSES
from .method import Method
from .network import Network
from .optimiser import Optimiser
from .pipeline import Ahead, ahead_of
from .plan import Plan
from .progress import Partial, Progress, Replays, StepLog, place_of
from .record import EpochRecord, StepRecord
from .sample import Source
from .schedule import learning_rate
from .steps import OnStep, Standing, train_epoch, train_step

__all__ = ["OnBatch", "OnEpoch", "OnSave", "OnStep", "Plan", "accuracy", "fit", "train_step"]

OnBatch = Callable[[int, int, int], None]
OnEpoch = Callable[[EpochRecord], None]
OnSave = Callable[[Sequence[EpochRecord], Progress], None]
PROBE_SIZE = 256
SAVE_EVERY_S = 300.0
"""Wall time after which an epoch is saved in its middle, so that a kill costs no more."""


def fit(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Source,
    plan: Plan,
    *,
    history: Sequence[EpochRecord] = (),
    progress: Progress | None = None,
    on_batch: OnBatch | None = None,
    on_step: OnStep | None = None,
    on_epoch: OnEpoch | None = None,
    on_save: OnSave | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> list[EpochRecord]:
    """Train the network in place from the end of `history` to `plan.epochs`; return the whole history.

    optimiser: over `trainable(network, method)`. Batches are a permutation of (seed, epoch), the last one may be shorter.
    progress: what on_save was given when network and optimiser were as they are now, to go on as if nothing had happened.
    on_batch(epoch, step, n_steps) and on_step(record) follow each update, on_epoch(record) each epoch; on_save(records,
    progress) comes before on_epoch, every five minutes, and before an error or an interrupt leaves.
    Warns (AlignmentWarning, DriftWarning) when feedback teaches nothing or light forgets too fast. Raises InputError or
    ConfigError when the method cannot train the network so, OPUError when the loss or a weight stops being finite.
    """
    method.check(network)
    with ahead_of(method, dataset, plan.pipeline) as ahead:
        loop = _Loop(network, method, optimiser, dataset, plan, ahead, on_batch, on_step, on_epoch, on_save, clock)
        return loop.run(list(history), progress)


def accuracy(network: Network, x: Array, labels: Array, rows: Array | None = None) -> float:
    """Return the fraction of rows of x (n, features), or of those with the numbers `rows`, told their label."""
    told = network.predict(x, chunk=x.shape[0] if rows is not None else 2000)
    right = told == labels if rows is None else told[rows] == labels[rows]
    return int(namespace(right).count_nonzero(right)) / int(right.shape[0])


@dataclass(frozen=True)
class _Spent:
    """What was asked of a device so far."""

    frames: int
    seconds: float
    joules: float


@dataclass
class _Loop:
    network: Network
    method: Method
    optimiser: Optimiser
    dataset: Source
    plan: Plan
    ahead: Ahead | None
    on_batch: OnBatch | None
    on_step: OnStep | None
    on_epoch: OnEpoch | None
    on_save: OnSave | None
    clock: Callable[[], float]
    records: list[EpochRecord] = field(default_factory=list)
    standing: Standing = field(default_factory=lambda: Standing(Progress()))
    saved_at: float = field(default_factory=time.monotonic)

    @property
    def feedback(self) -> Feedback | None:
        return getattr(self.method, "feedback", None)

    @property
    def n_steps(self) -> int:
        return self.dataset.steps(self.plan.batch_size)

    def run(self, records: list[EpochRecord], progress: Progress | None) -> list[EpochRecord]:
        plan = self.plan
        self.records, first = records, len(records) + 1
        self.standing.told = Progress(log=StepLog.of(plan.epochs * self.n_steps)) if progress is None else progress
        self.standing.waiting = self.standing.told.waiting
        feedback, place = self.feedback, self.standing.now.place
        if place is not None and isinstance(feedback, Replays):
            feedback.go_to(place)
        before, warned = self._spent(), False
        drift, drift_from = None, first - 1
        watched = feedback is not None and feedback.name == "optical" and not self.standing.now.drifts
        if feedback is not None and watched and first <= plan.epochs:
            begun = self.standing.now.begun
            if begun is not None and place is not None and isinstance(feedback, Replays):
                # A device that can be put back sees the run's beginning again, which then costs the run nothing.
                feedback.go_to(begun)
                drift, drift_from = DriftWatch(feedback), 0
                feedback.go_to(place)
                before = self._spent()
            else:
                self._stands(begun=place_of(feedback))
                drift = DriftWatch(feedback)
        for epoch in range(first, plan.epochs + 1):
            record = self._epoch(epoch, before, drift, (epoch - drift_from) * self.n_steps)
            before = self._spent()
            records.append(record)
            self._stands(partial=Partial(), place=place_of(feedback))
            self._save()
            warned = warned or warn_if_unaligned(self.method, records, epoch * self.n_steps)
            if self.on_epoch is not None:
                self.on_epoch(record)
        return records

    def _epoch(self, epoch: int, before: _Spent, drift: DriftWatch | None, drift_steps: int) -> EpochRecord:
        plan, dataset, standing = self.plan, self.dataset, self.standing
        rate = learning_rate(plan.schedule, plan.learning_rate, plan.final_lr_fraction, epoch, plan.epochs)
        started, trained = self.clock(), False
        told = self.on_batch or self.on_step or self.on_save
        self._stands(place=place_of(self.feedback))
        try:
            with np.errstate(over="ignore", invalid="ignore"):  # checks of finiteness say it better
                train_epoch(
                    self.network,
                    self.method,
                    self.optimiser,
                    dataset,
                    plan,
                    self.ahead,
                    epoch=epoch,
                    rate=rate,
                    standing=standing,
                    on_step=(lambda record: self._after_step(record, before, started)) if told else None,
                )
            self._stands(
                place=place_of(self.feedback),
                partial=replace(standing.now.partial, seconds=standing.now.partial.seconds + self.clock() - started),
            )
            trained = True
            angles = self._angles(epoch, drift, drift_steps)
            accuracies = {
                name: accuracy(self.network, part.x, part.targets, part.rows) for name, part in dataset.parts().items()
            }
        except BaseException as error:
            self._rescue(error, before, None if trained else started)
            raise
        done = self._with_costs(before)
        return EpochRecord(
            epoch=epoch,
            train_loss=done.loss_sum / done.seen,
            train_accuracy=done.correct / done.seen,
            test_accuracy=accuracies["test"],
            learning_rate=rate,
            sample_angle_deg=angles.sample_angle_deg,
            batch_angle_deg=angles.batch_angle_deg,
            frames=done.frames,
            device_seconds=done.device_seconds,
            seconds=done.seconds,
            validation_accuracy=accuracies.get("validation"),
            device_joules=done.device_joules,
        )

    def _angles(self, epoch: int, drift: DriftWatch | None, drift_steps: int) -> Alignment:
        plan, unknown = self.plan, (None,) * len(self.network.hidden)
        if epoch % self.dataset.probe_every != 0 and epoch != plan.epochs:
            return Alignment(unknown, unknown)
        probe = self.dataset.probe(plan.seed, PROBE_SIZE)
        angles = measure_alignment(
            self.network,
            self.method,
            probe.x,
            probe.targets,
            loss=LOSSES[plan.loss],
            rows=probe.rows,
            moment=Moment(plan.seed, epoch * self.n_steps),
        )
        if drift is not None:
            drift.after(drift_steps)
            self._stands(drifts=drift.time_steps < drift.slow_steps)
        return angles

    def _after_step(self, record: StepRecord, before: _Spent, started: float) -> None:
        if self.on_batch is not None:
            self.on_batch(record.epoch, record.step, record.n_steps)
        if self.on_step is not None:
            self.on_step(record)
        if self.on_save is not None and time.monotonic() - self.saved_at > SAVE_EVERY_S:
            if self.ahead is not None:
                self._stands(place=self.ahead.place())
            self._save(self._with_costs(before, started))

    def _rescue(self, error: BaseException, before: _Spent, started: float | None) -> None:
        """Keep every whole update before the error leaves; started: of the epoch whose updates it broke off."""
        if self.ahead is not None:
            self.ahead.halt()
            if started is not None:
                self._stands(place=self.ahead.place())
        if self.on_save is None or not self.standing.consistent:
            return
        try:
            self._save(self._with_costs(before, started))
        except Exception as failure:
            error.add_note(f"and the checkpoint could not be written: {failure}")

    def _save(self, partial: Partial | None = None) -> None:
        self.saved_at = time.monotonic()
        if self.on_save is not None:
            now = self.standing.now
            self.on_save(self.records, now if partial is None else replace(now, partial=partial))

    def _with_costs(self, before: _Spent, started: float | None = None) -> Partial:
        """The epoch with what the device has done since `before`, and the time since `started`."""
        partial, spent = self.standing.now.partial, self._spent()
        return replace(
            partial,
            seconds=partial.seconds + (0.0 if started is None else self.clock() - started),
            frames=partial.frames + spent.frames - before.frames,
            device_seconds=round(partial.device_seconds + spent.seconds - before.seconds, 9),
            device_joules=round(partial.device_joules + spent.joules - before.joules, 9),
        )

    def _spent(self) -> _Spent:
        cost = self.method.cost()
        return _Spent(cost.frames, cost.device_seconds, float(getattr(self.feedback, "device_joules", 0.0)))

    def _stands(self, **changes: object) -> None:
        self.standing.told = replace(self.standing.now, **changes)  # type: ignore[arg-type]

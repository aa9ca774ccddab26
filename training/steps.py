"""The updates of one epoch, one batch after the other or with the projection of one behind the forward pass of the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from opu.arrays import Array, namespace
from opu.errors import OPUError

from .batch import Batch
from .layer import Moment
from .loss import LOSSES, Loss, loss_on_rows
from .method import Method, Settles
from .network import Network
from .optimiser import Optimiser
from .pipeline import Ahead
from .plan import Plan
from .progress import Place, Progress, Step, place_of
from .record import StepRecord
from .sample import Sample, Source
from .waiting import Waiting, batch_again, waiting_arrays

OnStep = Callable[[StepRecord], None]
"""Told of an update after it was made."""


@dataclass
class Standing:
    """Where a training stands: whole updates and what is known of them.

    consistent: False while an update is half made, and once training diverged: what stands is then not worth keeping.
    waiting: of a pipeline, the forward pass of the next update.
    """

    told: Progress
    consistent: bool = True
    waiting: Waiting | None = None
    _steps: list[Step] = field(default_factory=list)
    _place: Place | None = None

    @property
    def now(self) -> Progress:
        """The progress, with the updates since it was last asked for."""
        if self._steps:
            told = self.told
            self.told = replace(
                told,
                partial=told.partial.and_steps(self._steps),
                log=told.log.and_steps(self._steps),
                place=told.place if self._place is None else self._place,
            )
            self._steps, self._place = [], None
        if self.told.waiting is not self.waiting:
            self.told = replace(self.told, waiting=self.waiting)
        return self.told

    def add(self, step: Step, place: Place | None) -> None:
        """Note one more update; place: of the device after it, None where it is not known."""
        self._steps.append(step)
        self._place = place


def train_step(
    network: Network, method: Method, optimiser: Optimiser, loss: Loss, sample: Sample, moment: Moment, rate: float
) -> tuple[float, Array]:
    """Update the network by one batch; return the loss and the outputs before it. Not finite: no update."""
    value, batch = _forward(network, loss, sample, moment)
    if np.isfinite(value):
        _update(network, method, optimiser, method.gradients(network, batch).parameters, rate)
    return value, batch.trace.logits


def train_epoch(
    network: Network,
    method: Method,
    optimiser: Optimiser,
    dataset: Source,
    plan: Plan,
    ahead: Ahead | None,
    *,
    epoch: int,
    rate: float,
    standing: Standing,
    on_step: OnStep | None,
) -> None:
    """Make those updates of an epoch that `standing` does not have yet, and note each there; on_step follows each.

    ahead: the method's feedback, where the plan has a pipeline. Raises OPUError when the loss or, in the end, a weight is
    not finite.
    """
    n_steps, depth = dataset.steps(plan.batch_size), 0 if ahead is None else plan.pipeline
    done, loss = standing.now.partial.steps, LOSSES[plan.loss]
    feedback = getattr(method, "feedback", None)
    replays = ahead is None and place_of(feedback) is not None
    waiting: deque[tuple[int, float, Batch, Sample]] = deque()

    def finish() -> None:
        step, value, batch, sample = waiting[0]
        gradients = method.gradients(network, batch).parameters
        number = (epoch - 1) * n_steps + step
        standing.consistent = False
        _update(network, method, optimiser, gradients, rate)
        if ahead is not None:
            ahead.done()
        place = place_of(feedback) if replays else None
        standing.add(Step(number, value, _n_correct(batch.trace.logits, sample), sample.n_counted), place)
        waiting.popleft()
        standing.waiting = waiting_arrays(*waiting[0][1:3]) if waiting else None
        standing.consistent = True
        if on_step is not None:
            on_step(StepRecord(epoch, step, n_steps, number, value, rate))

    for step, sample in enumerate(dataset.batches(plan.seed, epoch, plan.batch_size), start=1):
        if step <= done:
            continue
        moment = Moment(plan.seed, (epoch - 1) * n_steps + step)
        if step == done + 1 and standing.waiting is not None:
            value, batch = batch_again(standing.waiting, network, sample, moment, loss)
        else:
            value, batch = _forward(network, loss, sample, moment)
        if not np.isfinite(value):
            standing.consistent = False
            raise _diverged(f"loss is {value}", epoch, step, n_steps, rate)
        if ahead is not None:
            ahead.ask(batch.error)
        waiting.append((step, value, batch, sample))
        del batch  # its arrays are needed for the next one
        if len(waiting) > depth:
            finish()
        elif len(waiting) == 1:
            standing.waiting = waiting_arrays(*waiting[0][1:3])
    while waiting:
        finish()
    if not all(bool(namespace(p).all(namespace(p).isfinite(p))) for p in network.parameters):
        standing.consistent = False  # the last update has no loss to show it
        raise _diverged("a weight is not finite", epoch, n_steps, n_steps, rate)


def _forward(network: Network, loss: Loss, sample: Sample, moment: Moment) -> tuple[float, Batch]:
    trace = network.forward(sample.x, moment)
    value, error = loss_on_rows(loss, trace.logits, sample.targets, sample.rows)
    return value, Batch(trace, error, sample.targets, loss, moment, sample.rows)


def _update(
    network: Network, method: Method, optimiser: Optimiser, gradients: Sequence[Array | None], rate: float
) -> None:
    optimiser.step(gradients, rate)
    if isinstance(method, Settles):
        method.settle(network)


def _n_correct(outputs: Array, sample: Sample) -> int:
    if sample.rows is not None:
        outputs, targets = outputs[sample.rows], sample.targets[sample.rows]
    else:
        targets = sample.targets
    xp = namespace(outputs)
    return int(xp.count_nonzero(xp.argmax(outputs, axis=1) == targets))


def _diverged(what: str, epoch: int, step: int, n_steps: int, rate: float) -> OPUError:
    return OPUError(
        f"training diverged: {what} at epoch {epoch}, step {step} of {n_steps}, learning rate {rate:g}; "
        f"lower learning_rate (try {rate / 10:g}), and if that does not help look for NaN in the data or the feedback"
    )

"""The updates of one epoch, one batch after the other or with the projection of one behind the forward pass of the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
from .progress import Progress, place_of
from .record import StepRecord
from .sample import Sample, Source

OnStep = Callable[[StepRecord], None]


@dataclass
class Standing:
    """Where a training stands: whole updates and what is known of them."""

    now: Progress
    consistent: bool = True
    """False while an update is half made, and once training diverged: what stands is then not worth keeping."""


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
    on_step: OnStep,
) -> None:
    """Make those updates of an epoch that `standing` does not have yet, and note each there; on_step follows each.

    ahead: the method's feedback, where the plan has a pipeline. Raises OPUError when the loss or, in the end, a weight is
    not finite.
    """
    n_steps, depth = dataset.steps(plan.batch_size), 0 if ahead is None else plan.pipeline
    done, loss = standing.now.partial.steps, LOSSES[plan.loss]
    waiting: deque[tuple[int, float, Batch, Sample]] = deque()

    def finish(step: int, value: float, batch: Batch, sample: Sample) -> None:
        gradients = method.gradients(network, batch).parameters
        number = (epoch - 1) * n_steps + step
        standing.consistent = False
        _update(network, method, optimiser, gradients, rate)
        now = standing.now
        standing.now = replace(
            now,
            partial=now.partial.and_step(value, _n_correct(batch.trace.logits, sample), sample.n_counted),
            log=now.log.and_step(number, value),
        )
        if ahead is not None:
            ahead.done()
        elif now.place is not None:
            standing.now = replace(standing.now, place=place_of(getattr(method, "feedback", None)))
        standing.consistent = True
        on_step(StepRecord(epoch, step, n_steps, number, value, rate))

    for step, sample in enumerate(dataset.batches(plan.seed, epoch, plan.batch_size), start=1):
        if step <= done:
            continue
        moment = Moment(plan.seed, (epoch - 1) * n_steps + step)
        value, batch = _forward(network, loss, sample, moment)
        if not np.isfinite(value):
            standing.consistent = False
            raise _diverged(f"loss is {value}", epoch, step, n_steps, rate)
        if ahead is not None:
            ahead.ask(batch.error)
        waiting.append((step, value, batch, sample))
        if len(waiting) > depth:
            finish(*waiting.popleft())
    while waiting:
        finish(*waiting.popleft())
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

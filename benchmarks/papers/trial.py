"""One training of a table: settings, an arm's feedback and a task in, a score and what it took out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
from ledger import Job, Result
from rich.console import Console
from rich.progress import Progress

from opu.arrays import Array
from opu.config import Config
from opu.encodings import Encoding, encoding_from
from opu.factory import open_parameters, open_profile
from opu.validation import validated

training = import_module("opu.training")
make_optimiser = import_module("opu.training.optimiser").make_optimiser
TrainSettings = import_module("opu.training.settings").TrainSettings

OUR_KEYS = ("device",)
"""Hyper-parameters that are not of `TrainSettings`."""


@dataclass(frozen=True)
class Task:
    """What is learned and how it is judged.

    data: all that training sees; nothing of what the score is measured on. score: percent right of a trained network, asked
    once, of its last weights, or, where the data have a validation part, of those that were best on it.
    """

    dataset: str
    data: Any
    score: Callable[[Any], float]


class EncodedFeedback:
    """The projection in memory of what an OPU would be shown of the errors: the encoding's cost without the light's."""

    name = "digital"
    frames_shown = 0
    device_seconds = 0.0

    def __init__(self, digital: Any, encoding: Encoding) -> None:
        self.n_errors, self.width = digital.n_errors, digital.width
        self._digital, self._encoding = digital, encoding

    def project(self, error: Array) -> Array:
        """Project errors (B, n_errors), encoded and decoded again, to (B, width)."""
        shown = self._encoding.encode(error.astype(np.float64)).decoded()
        result: Array = self._digital.project(shown.astype(np.float32))
        return result


def run(job: Job, task: Task, config: Config) -> Result:
    """Train from the first weights of the seed and judge once.

    The job's hyper-parameters are those of `opu train`; feedback "digital" with an encoding is `EncodedFeedback`. config
    names the device of optical arms. Raises what `opu.training` raises.
    """
    hyper = {key: value for key, value in job.hyper.items() if key not in OUR_KEYS}
    chosen = {"dataset": task.dataset, "seed": job.seed, **hyper}
    settings = validated(TrainSettings, chosen, "hyper-parameters").resolved()
    network = training.make_network(settings, task.data)
    best: list[Any] = [-1.0, 0, []]
    with ExitStack() as stack:
        method = _method(stack, settings, network, config, "encoding" in job.hyper)
        optimiser = make_optimiser(
            settings.optimiser, training.trainable(network, method), settings.momentum, settings.weight_decay
        )
        plan = training.Plan(
            settings.epochs,
            settings.batch_size,
            job.seed,
            settings.learning_rate,
            settings.schedule,
            settings.final_lr_fraction,
            settings.loss,
        )
        steps = task.data.steps(settings.batch_size)
        advance = stack.enter_context(_bar(f"{job.arm}, seed {job.seed}", settings.epochs * steps))

        def keep_if_best(record: Any) -> None:
            if record.validation_accuracy is not None and record.validation_accuracy > best[0]:
                best[:] = record.validation_accuracy, record.epoch, [p.copy() for p in network.parameters]

        history = training.fit(
            network, method, optimiser, task.data, plan, on_batch=lambda *_: advance(), on_epoch=keep_if_best
        )
    for parameter, kept in zip(network.parameters, best[2], strict=False):
        parameter[...] = kept
    return {
        "score": round(task.score(network), 6),
        "epoch": best[1] or len(history),
        "validation_score": None if best[0] < 0 else round(100 * best[0], 6),
        "train_loss": history[-1].train_loss,
        "train_seconds": round(sum(r.seconds for r in history), 1),
        "frames": sum(r.frames for r in history),
        "device_seconds": round(sum(r.device_seconds for r in history), 3),
        "device_joules": round(sum(r.device_joules for r in history), 3),
        "batch_angle_deg": [None if a is None else round(a, 2) for a in history[-1].batch_angle_deg],
    }


def _method(stack: ExitStack, settings: Any, network: Any, config: Config, encoded: bool) -> Any:
    if settings.optical:
        wanted = {"n_inputs": network.sizes[-1], "n_outputs": sum(network.hidden), "seed": settings.seed}
        opu = open_profile(config, open_parameters(config, wanted), settings.encoding, settings.retrieval)
        return training.make_method(settings, network, stack.enter_context(opu))
    method = training.make_method(settings, network)
    if settings.method == "dfa" and encoded:
        method.feedback = EncodedFeedback(method.feedback, encoding_from(settings.encoding))
    return method


@contextmanager
def _bar(text: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, nothing elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{text} ...", file=sys.stderr, flush=True)
        yield lambda: None
        return
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task(text, total=total)
        yield lambda: progress.advance(bar)

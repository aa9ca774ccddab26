"""One training run from settings to a folder of results."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from opu.errors import ConfigError, InputError
from opu.processor import OPU

from .array_module import array_module
from .checkpoint import CHECKPOINT, Checkpoint, load_checkpoint, save_checkpoint
from .data import load
from .folder import make_folder, run_name, write_config, write_metrics
from .graph_data import load_cora
from .method import Method, stored_bytes, trainable
from .methods import make_method, make_network
from .network import Network
from .optimiser import make_optimiser
from .plots import save_curves
from .record import EpochRecord
from .result import RunResult, summarise
from .sample import Source
from .settings import ResolvedSettings, TrainSettings
from .trainer import OnBatch, OnEpoch, Plan, fit

CURVES = "curves.png"

OpenOPU = Callable[[ResolvedSettings, int, int], AbstractContextManager[OPU]]


@dataclass(frozen=True)
class RunStart:
    """What is known when the first batch is about to run: for progress bars and headings."""

    settings: ResolvedSettings
    run_dir: Path
    sizes: tuple[int, ...]
    n_parameters: int
    n_train: int
    n_test: int
    steps_per_epoch: int
    epochs_done: int
    calibration: str | None = None


def run_training(
    settings: TrainSettings | None,
    open_opu: OpenOPU | None,
    *,
    device_name: str | None = None,
    device_table: Mapping[str, Any] | None = None,
    resume: Path | None = None,
    on_start: Callable[[RunStart], None] | None = None,
    on_batch: OnBatch | None = None,
    on_epoch: OnEpoch | None = None,
) -> RunResult:
    """Train as the settings say, leaving config, metrics, checkpoint and curves in a folder of their own.

    open_opu(settings, n_inputs, n_outputs) returns an open OPU with the settings' encoding, retrieval and seed, as a
    context manager; called for optical dfa alone, once, and closed whatever happens. resume: a run folder or checkpoint,
    continued in place with its own settings; `settings` may then be None, and what it sets otherwise must agree (data
    and out may differ). Raises ConfigError, InputError or whatever the device raises; on KeyboardInterrupt the last
    epoch's checkpoint stands.
    """
    checkpoint = None if resume is None else load_checkpoint(resume)
    chosen = _settings(settings, checkpoint)
    dataset = _dataset(chosen)
    network = make_network(chosen, dataset)
    history = [] if checkpoint is None else list(checkpoint.history)
    device = device_name if chosen.optical else None
    if len(history) >= chosen.epochs and checkpoint is not None:
        twin = chosen.model_copy(update={"feedback": "digital"})  # for its size alone: no light
        kept = _stored(network, make_method(twin, network), dataset)
        result = summarise(chosen, history, checkpoint.path.parent, device, kept)
        if not (checkpoint.path.parent / CURVES).is_file():
            save_curves(result, checkpoint.path.parent / CURVES)
        return result

    with ExitStack() as stack:
        opu = _open(stack, open_opu, chosen, network) if chosen.optical else None
        method = make_method(chosen, network, opu)
        method.check(network)
        optimiser = make_optimiser(chosen.optimiser, trainable(network, method), chosen.momentum, chosen.weight_decay)
        if checkpoint is not None:
            checkpoint.restore(network, optimiser, method)
            run_dir = checkpoint.path.parent
        else:
            run_dir = make_folder(chosen.out, run_name(chosen))
            write_config(run_dir, chosen, device_name, device_table)
        calibration = opu.calibration if opu is not None else None
        if calibration is not None:
            calibration.save(run_dir / "calibration.safetensors")
        if on_start is not None:
            report = None if calibration is None else calibration.report()
            on_start(_start(chosen, run_dir, network, dataset, len(history), report))

        def after_epoch(record: EpochRecord) -> None:
            history.append(record)
            save_checkpoint(run_dir / CHECKPOINT, network, optimiser, chosen.model_dump(mode="json"), history, method)
            write_metrics(run_dir, chosen, history)
            if on_epoch is not None:
                on_epoch(record)

        plan = Plan(
            chosen.epochs,
            chosen.batch_size,
            chosen.seed,
            chosen.learning_rate,
            chosen.schedule,
            chosen.final_lr_fraction,
            chosen.loss,
        )
        fit(network, method, optimiser, dataset, plan, history=history, on_batch=on_batch, on_epoch=after_epoch)
        kept = _stored(network, method, dataset)
    result = summarise(chosen, history, run_dir, device, kept)
    save_curves(result, run_dir / CURVES)
    return result


def _settings(given: TrainSettings | None, checkpoint: Checkpoint | None) -> ResolvedSettings:
    if checkpoint is None:
        return (given if given is not None else TrainSettings()).resolved()
    try:
        stored = ResolvedSettings.model_validate(checkpoint.settings)
    except ValidationError as error:
        raise InputError(f"checkpoint {checkpoint.path} has settings of another version: {error}") from error
    if given is None:
        return stored
    for name in sorted(given.model_fields_set - {"data", "out"}):
        wanted, had = getattr(given, name), getattr(stored, name)
        if wanted is not None and wanted != had:
            raise ConfigError(
                f"{name} = {wanted!r}, but the run in {checkpoint.path.parent} was planned with {had!r}: "
                "a resumed run keeps its settings; start a new run to change them"
            )
    return stored.model_copy(update={"data": given.data}) if given.data is not None else stored


def _open(stack: ExitStack, open_opu: OpenOPU | None, settings: ResolvedSettings, network: Network) -> OPU:
    if open_opu is None:
        raise ConfigError(
            "feedback = 'optical' needs a device and none was given: name a device or use digital feedback"
        )
    return stack.enter_context(open_opu(settings, network.sizes[-1], sum(network.hidden)))


def _dataset(settings: ResolvedSettings) -> Source:
    if settings.dataset == "cora":
        return load_cora(settings.data)
    xp = array_module(settings.arrays)
    images = load(settings.dataset, settings.data)
    return images if xp is np else images.to(xp)


def _stored(network: Network, method: Method, dataset: Source) -> int:
    return stored_bytes(network, dataset.probe(0, 16).x, method.span)


def _start(
    settings: ResolvedSettings, run_dir: Path, network: Network, dataset: Source, done: int, calibration: str | None
) -> RunStart:
    return RunStart(
        settings=settings,
        run_dir=run_dir,
        sizes=network.sizes,
        n_parameters=network.n_parameters,
        n_train=dataset.n_train,
        n_test=dataset.n_test,
        steps_per_epoch=dataset.steps(settings.batch_size),
        epochs_done=done,
        calibration=calibration,
    )

"""One training run from settings to a folder of results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from opu.device import DeviceSpec
from opu.errors import CalibrationError, ConfigError, InputError, OPUWarning
from opu.processor import OPU
from opu.result_folder import make_dated_folder

from .array_module import array_module
from .callbacks import Callback, Callbacks, RunEnd
from .checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from .data import load
from .folder import read_config, run_name, write_config
from .graph_data import load_cora
from .method import Method, stored_bytes, trainable
from .methods import make_method, make_network
from .network import Network
from .optimiser import make_optimiser
from .plots import save_curves
from .progress import Progress, StepLog, place_of, progress_in
from .record import EpochRecord
from .recorder import Recorder, facts_in, tidy
from .result import RunResult, summarise
from .run_facts import RunFacts
from .sample import Source
from .settings import ResolvedSettings, TrainSettings
from .trainer import OnBatch, OnEpoch, Plan, fit

CURVES = "curves.png"
CALIBRATION = "calibration.safetensors"

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
    device_name: str | None = None
    device: DeviceSpec | None = None


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
    callbacks: Sequence[Callback] = (),
) -> RunResult:
    """Train as the settings say, leaving config, metrics, checkpoint and curves in a folder of their own.

    open_opu(settings, n_inputs, n_outputs) returns an open OPU with the settings' encoding, retrieval and seed, as a
    context manager; called for optical dfa alone, once, and closed whatever happens. resume: a run folder or checkpoint,
    continued in place with its own settings; `settings` may then be None, and what it sets otherwise must agree (data
    and out may differ). What was drawn from seeds, and a device that can be put back to a frame, go on as if nothing had
    happened; any device goes on with the calibration that the run began with. The run is in the index of the runs folder.
    callbacks: told after the functions. Raises ConfigError, InputError or whatever the device raises, after the checkpoint
    has every whole update before it; so has it on KeyboardInterrupt.
    """
    begun = _begun(resume)
    chosen = _settings(settings, begun)
    dataset = _dataset(chosen)
    network = make_network(chosen, dataset)
    device = device_name if chosen.optical else None
    if len(begun.history) >= chosen.epochs:
        return _finished(chosen, begun, network, dataset, device)

    with ExitStack() as stack:
        opu = _open(stack, open_opu, chosen, network, begun.folder) if chosen.optical else None
        method = make_method(chosen, network, opu)
        method.check(network)
        optimiser = make_optimiser(chosen.optimiser, trainable(network, method), chosen.momentum, chosen.weight_decay)
        log = StepLog.of(chosen.epochs * dataset.steps(chosen.batch_size))
        progress = begun.progress or Progress(place=place_of(getattr(method, "feedback", None)), log=log)
        if begun.checkpoint is not None:
            begun.checkpoint.restore(network, optimiser, method)
        run_dir = begun.folder or make_dated_folder(chosen.out, run_name(chosen))
        if begun.folder is None:
            write_config(run_dir, chosen, device_name, device_table)
        tidy(run_dir)
        calibration = opu.calibration if opu is not None else None
        if calibration is not None:
            calibration.save(run_dir / CALIBRATION)
        spec = getattr(opu, "spec", None)
        facts = RunFacts.of(run_dir, device, spec, facts_in(run_dir))
        recorder = Recorder(run_dir, chosen, facts, begun.history, progress.log)
        told = Callbacks(callbacks)
        with recorder.ending(told):
            report = None if calibration is None else calibration.report()
            start = _start(chosen, run_dir, network, dataset, len(begun.history), report, device, spec)
            if on_start is not None:
                on_start(start)
            told.on_start(start)
            if begun.checkpoint is None:
                recorder.save(network, optimiser, method, begun.history, progress)
            else:
                recorder.note()

            def after_epoch(record: EpochRecord) -> None:
                if on_epoch is not None:
                    on_epoch(record)
                told.on_epoch(record)

            history = fit(
                network,
                method,
                optimiser,
                dataset,
                Plan.of(chosen),
                history=begun.history,
                progress=progress,
                on_batch=on_batch,
                on_step=told.on_step if callbacks else None,
                on_epoch=after_epoch,
                on_save=lambda records, now: recorder.save(network, optimiser, method, records, now),
            )
            kept = _stored(network, method, dataset)
    result = summarise(chosen, history, run_dir, device, kept)
    recorder.note("done")
    try:
        save_curves(result, run_dir / CURVES)
    finally:
        told.on_end(RunEnd("done", result))
    return result


@dataclass(frozen=True)
class _Begun:
    """What a resumed run has already: its folder, settings, and, unless killed before its first checkpoint, that."""

    folder: Path | None = None
    settings: ResolvedSettings | None = None
    checkpoint: Checkpoint | None = None
    progress: Progress | None = None

    @property
    def history(self) -> tuple[EpochRecord, ...]:
        return () if self.checkpoint is None else self.checkpoint.history


def _begun(resume: Path | None) -> _Begun:
    if resume is None:
        return _Begun()
    try:
        if resume.is_dir() and not (resume / CHECKPOINT).is_file():
            return _Begun(resume, ResolvedSettings.model_validate(read_config(resume)["train"]))
        checkpoint = load_checkpoint(resume)
        settings = ResolvedSettings.model_validate(checkpoint.settings)
    except ValidationError as error:
        raise InputError(f"the run in {resume} has settings of another version: {error}") from error
    return _Begun(checkpoint.path.parent, settings, checkpoint, progress_in(checkpoint.arrays))


def _finished(
    settings: ResolvedSettings, begun: _Begun, network: Network, dataset: Source, device: str | None
) -> RunResult:
    """The result of a run that is complete, with whatever a kill left out of its folder."""
    assert begun.folder is not None
    twin = settings.model_copy(update={"feedback": "digital"})  # for its size alone: no light
    kept = _stored(network, make_method(twin, network), dataset)
    result = summarise(settings, begun.history, begun.folder, device, kept)
    facts = facts_in(begun.folder)
    if facts is None or facts.status != "done":
        tidy(begun.folder)
        facts = facts or RunFacts.of(begun.folder, device, None)
        log = StepLog() if begun.progress is None else begun.progress.log
        Recorder(begun.folder, settings, facts, begun.history, log).note("done")
    if not (begun.folder / CURVES).is_file():
        save_curves(result, begun.folder / CURVES)
    return result


def _settings(given: TrainSettings | None, begun: _Begun) -> ResolvedSettings:
    stored = begun.settings
    if stored is None:
        return (given if given is not None else TrainSettings()).resolved()
    if given is None:
        return stored
    for name in sorted(given.model_fields_set - {"data", "out"}):
        wanted, had = getattr(given, name), getattr(stored, name)
        if wanted is not None and wanted != had:
            raise ConfigError(
                f"{name} = {wanted!r}, but the run in {begun.folder} was planned with {had!r}: "
                "a resumed run keeps its settings; start a new run to change them"
            )
    return stored.model_copy(update={"data": given.data}) if given.data is not None else stored


def _open(
    stack: ExitStack, open_opu: OpenOPU | None, settings: ResolvedSettings, network: Network, folder: Path | None
) -> OPU:
    if open_opu is None:
        raise ConfigError(
            "feedback = 'optical' needs a device and none was given: name a device or use digital feedback"
        )
    opu = stack.enter_context(open_opu(settings, network.sizes[-1], sum(network.hidden)))
    path = None if folder is None else folder / CALIBRATION
    if path is None or not path.is_file() or not isinstance(opu, OPU) or opu.calibration is not None:
        return opu
    try:
        return OPU(opu.device, encoding=opu.encoding, retrieval=opu.retrieval, calibration=path)
    except CalibrationError as error:
        warnings.warn(
            f"the run goes on with a calibration made now, and perhaps another medium than it began with: {error}",
            OPUWarning,
            stacklevel=3,
        )
        return opu


def _dataset(settings: ResolvedSettings) -> Source:
    if settings.dataset == "cora":
        return load_cora(settings.data)
    xp = array_module(settings.arrays)
    images = load(settings.dataset, settings.data)
    return images if xp is np else images.to(xp)


def _stored(network: Network, method: Method, dataset: Source) -> int:
    return stored_bytes(network, dataset.probe(0, 16).x, method.span)


def _start(
    settings: ResolvedSettings,
    run_dir: Path,
    network: Network,
    dataset: Source,
    done: int,
    calibration: str | None,
    device_name: str | None,
    device: DeviceSpec | None,
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
        device_name=device_name,
        device=device,
    )

"""The edge of training: what `opu train` and `opu compare` do between a configuration and a table on the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from opu.config import Config
from opu.encodings import encoding_from
from opu.errors import DeviceError
from opu.factory import build_profile, check_profile, open_parameters
from opu.processor import OPU
from opu.retrieval import retrieval_from
from opu.validation import validated

from .arms import ARMS, arms_of
from .callbacks import load_callback
from .checkpoint import CHECKPOINT
from .compare import compare as run_comparison
from .display import Display, results
from .report import comparison_table, training_table
from .run import OpenOPU, run_training
from .settings import ResolvedSettings, TrainSettings


def train(
    config: Config, options: Mapping[str, Any], resume: Path | None = None, callbacks: Sequence[str] = ()
) -> dict[str, Any]:
    """One training: progress on standard error, the result on standard output; returns it as JSON values.

    options: what was given on the command line, over the file's [train]. resume: a run folder, whose settings must agree.
    callbacks: 'tensorboard', 'mlflow' or factories as 'module:factory', see `opu.training.callbacks`.
    """
    settings = settings_from(config, options)
    made = [load_callback(name) for name in callbacks]
    with Display() as display, _told_how_to_resume(display):
        result = run_training(
            settings,
            opener(config),
            device_name=config.device,
            device_table=config.profile(),
            resume=resume,
            on_start=display.start,
            on_batch=display.batch,
            on_epoch=display.epoch,
            callbacks=made,
        )
    results.print(training_table(result))
    results.print(f"curves: {Path(result.run_dir) / 'curves.png'}", soft_wrap=True)
    return {name: value for name, value in result.as_json().items() if name != "history"}  # metrics.json has it


def compare(
    config: Config,
    options: Mapping[str, Any],
    seeds: Sequence[int],
    methods: str | None = None,
    callbacks: Sequence[str] = (),
) -> dict[str, Any]:
    """Every arm on every seed: progress on standard error, the table on standard output; returns it as JSON values.

    methods: names of methods or arms, as 'bp,fa,dfa'; None: backprop, both kinds of DFA, and the last layer alone.
    callbacks: as for `train`; each is told of every run.
    """
    settings = settings_from(config, options)
    names = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    arms = ARMS if names is None else arms_of(names, settings.feedback)
    made = [load_callback(name) for name in callbacks]
    with Display(brief=True) as display:
        comparison = run_comparison(
            settings,
            list(seeds),
            opener(config),
            arms=arms,
            device_name=config.device,
            device_table=config.profile(),
            on_run=display.run,
            on_start=display.start,
            on_batch=display.batch,
            on_epoch=display.epoch,
            callbacks=made,
        )
    results.print(comparison_table(comparison.rows))
    results.print(f"plot: {comparison.folder / 'compare.png'}", soft_wrap=True)
    rows = [{name: value for name, value in row.as_json().items() if name != "runs"} for row in comparison.rows]
    return {"folder": str(comparison.folder), "seeds": list(seeds), "rows": rows}


def settings_from(config: Config, options: Mapping[str, Any]) -> TrainSettings:
    """Return the training settings; they and the device's table are checked, whether or not the run needs it."""
    check_profile(
        config, {"n_inputs": 1, "n_outputs": 1}, hints={key: f"train.{key}" for key in TrainSettings.model_fields}
    )
    table = {**config.train, **options}
    profile = config.profile()
    for key in ("encoding", "retrieval"):
        if key in profile:
            table.setdefault(key, profile[key])
    where = f"{config.source}: train"
    settings = validated(TrainSettings, table, where)
    encoding_from(settings.encoding, f"{where}.encoding")
    retrieval_from(settings.retrieval, f"{where}.retrieval")
    return settings


def opener(config: Config) -> OpenOPU:
    """Return what opens the chosen device for a run; sizes and seed fit the network where the profile leaves them open."""

    def open_opu(settings: ResolvedSettings, n_inputs: int, n_outputs: int) -> OPU:
        wanted = {"n_inputs": n_inputs, "n_outputs": n_outputs, "seed": settings.seed}
        return build_profile(config, open_parameters(config, wanted), settings.encoding, settings.retrieval)

    return open_opu


@contextmanager
def _told_how_to_resume(display: Display) -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, DeviceError, OSError) as error:
        if display.run_dir is not None and (display.run_dir / CHECKPOINT).is_file():
            what = "interrupted" if isinstance(error, KeyboardInterrupt) else "stopped by an error"
            display.say(f"{what}; every whole update is kept: opu train --resume {display.run_dir}")
        raise

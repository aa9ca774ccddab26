"""Commands that train. `opu.training` is imported by the command that needs it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import (
    ConfigOption,
    DataFolder,
    DatasetName,
    DeviceOption,
    Epochs,
    Feedback,
    Hidden,
    JsonOption,
    Method,
    Out,
    SetOption,
    chosen,
    given,
)


def train(
    method: Method = None,
    feedback: Feedback = None,
    dataset: DatasetName = None,
    data: DataFolder = None,
    epochs: Epochs = None,
    hidden: Hidden = None,
    seed: Annotated[
        int | None, typer.Option(help="Of weights, batches and the simulated medium.  [default: 0]")
    ] = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="RUN", help="Continue an interrupted run from its folder's last checkpoint.")
    ] = None,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """Train a network on handwritten digits, its backward pass measured by the device.

    Makes a run folder with config.toml, metrics.json, checkpoint.safetensors and curves.png.
    """
    settings = given(
        method=method, feedback=feedback, dataset=dataset, data=data, epochs=epochs, hidden=hidden, seed=seed, out=out
    )
    session = import_module("opu.training.session")
    if resume is not None and config is None:
        own = (resume if resume.is_dir() else resume.parent) / "config.toml"
        config = own if own.is_file() else None
    result = session.train(chosen(config, device, overrides), settings, resume=resume)
    if as_json:
        print(json.dumps(result))  # noqa: T201


def compare(
    dataset: DatasetName = None,
    data: DataFolder = None,
    epochs: Epochs = None,
    hidden: Hidden = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, counted from 0.")] = 3,
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """Train backprop, digital DFA, optical DFA and the last layer alone on the same seeds; tabulate and plot them."""
    settings = given(dataset=dataset, data=data, epochs=epochs, hidden=hidden, out=out)
    session = import_module("opu.training.session")
    result = session.compare(chosen(config, device, overrides), settings, seeds=range(seeds))
    if as_json:
        print(json.dumps(result))  # noqa: T201

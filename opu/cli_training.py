"""Commands that train. `opu.training` is imported by the command that needs it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import (
    Callbacks,
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
    callbacks: Callbacks = None,
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
    result = session.train(chosen(config, device, overrides), settings, resume=resume, callbacks=callbacks or ())
    if as_json:
        print(json.dumps(result))  # noqa: T201


def compare(
    dataset: DatasetName = None,
    data: DataFolder = None,
    epochs: Epochs = None,
    hidden: Hidden = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds, counted from 0.")] = 3,
    methods: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME",
            help="Methods to set side by side: bp, fa, dfa, shallow, drtp, local, dni, dithered, slots.  "
            "[default: bp, dfa (digital and optical), shallow]",
        ),
    ] = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    callbacks: Callbacks = None,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """Train by several methods on the same seeds; tabulate and plot accuracy, time, memory, angles and frames."""
    settings = given(dataset=dataset, data=data, epochs=epochs, hidden=hidden, out=out)
    session = import_module("opu.training.session")
    result = session.compare(
        chosen(config, device, overrides), settings, seeds=range(seeds), methods=methods, callbacks=callbacks or ()
    )
    if as_json:
        print(json.dumps(result))  # noqa: T201


def budget(
    sweep: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=V1,V2",
            help="What to sweep: a key of the device's table (camera.bit_depth=8,4,2,1) or one of snr, bits, full_well, "
            "contrast, anchor_share, drift_steps, laser_rin. May be repeated.",
        ),
    ] = None,
    dataset: DatasetName = None,
    data: DataFolder = None,
    train_size: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Train on the first N samples.  [default: all]")
    ] = None,
    epochs: Epochs = None,
    hidden: Hidden = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How many seeds, counted from 0.  [default: 3]")] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, help="Trainings at a time.  [default: one for each core with a simulator, else 1]"),
    ] = None,
    controls: Annotated[
        bool | None,
        typer.Option("--controls/--no-controls", help="Draw backprop and last-layer-only beside the sweep."),
    ] = None,
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Finish an interrupted budget: its folder; done points are kept.")
    ] = None,
    out: Out = None,
    as_json: JsonOption = False,
) -> None:
    """What accuracy a physical parameter buys: train over a sweep of it, in parallel; table and plot mark the cliff.

    Example: opu budget --sweep bits=8,4,2,1 --sweep drift_steps=1000,300,100,30
    """
    options = given(dataset=dataset, data=data, epochs=epochs, hidden=hidden)
    import_module("opu.training.budget_command").run(
        chosen(config, device, overrides),
        options,
        sweep=sweep or (),
        seeds=seeds,
        workers=workers,
        train_size=train_size,
        controls=controls,
        out=out,
        resume=resume,
        as_json=as_json,
    )

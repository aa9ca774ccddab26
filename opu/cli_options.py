"""Options that commands share, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from opu.config import Config

ConfigOption = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="TOML file with device profiles; `opu init` writes one.")
]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        "--device", metavar="PROFILE", help="Profile of the config file, or a kind of device. [env: OPU_DEVICE]"
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override one key: within the chosen device (camera.bit_depth=10, preset=harsh) or anywhere "
        "(train.learning_rate=0.002, devices.lab1.seed=3). May be repeated.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line of standard output.")]
Method = Annotated[
    str | None,
    typer.Option(
        help="bp (backprop), dfa, fa, shallow (last layer only), drtp, local, dni, dithered, slots.  [default: dfa]"
    ),
]
Feedback = Annotated[
    str | None, typer.Option(help="DFA's projection: optical (the device) or digital (a matrix).  [default: optical]")
]
DatasetName = Annotated[
    str | None, typer.Option("--dataset", help="digits (bundled), mnist or cora (a graph).  [default: digits]")
]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder with the MNIST or Cora files. [env: OPU_DATA]")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training set.  [default: by dataset]")]
Hidden = Annotated[
    str | None, typer.Option(metavar="N,N", help="Widths of the hidden layers.  [default: 512,512; cora 64]")
]
Callbacks = Annotated[
    list[str] | None,
    typer.Option(
        "--callback",
        metavar="NAME",
        help="Tell tensorboard, mlflow or your own module:factory of the run as it goes. May be repeated.",
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where run folders are made.  [default: runs]")]


def chosen(path: Path | None, device: str | None, overrides: list[str] | None) -> Config:
    """The configuration that a command's options choose."""
    from opu.config import load_config

    return load_config(path, device, overrides or ())


def given(**options: Any) -> dict[str, Any]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None}

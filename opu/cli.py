"""The command line. Everything heavy, and every peer package, is imported by the command that needs it."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

import opu
from opu.errors import ConfigError, InputError, OPUError

if TYPE_CHECKING:
    from opu.config import Config

app = typer.Typer(
    name="opu",
    help="The open optical processing unit: random projections by light, simulated or real, and networks trained by them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
Method = Annotated[str | None, typer.Option(help="bp (backprop), dfa or shallow (last layer only).  [default: dfa]")]
Feedback = Annotated[
    str | None, typer.Option(help="DFA's projection: optical (the device) or digital (a matrix).  [default: optical]")
]
DatasetName = Annotated[str | None, typer.Option("--dataset", help="digits (bundled) or mnist.  [default: digits]")]
DataFolder = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder with the MNIST files. [env: OPU_DATA]")
]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training set.  [default: by dataset]")]
Hidden = Annotated[str | None, typer.Option(metavar="N,N", help="Widths of the hidden layers.  [default: 512,512]")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where run folders are made.  [default: runs]")]


@app.command()
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
    settings = _given(
        method=method, feedback=feedback, dataset=dataset, data=data, epochs=epochs, hidden=hidden, seed=seed, out=out
    )
    session = import_module("opu.training.session")
    if resume is not None and config is None:
        own = (resume if resume.is_dir() else resume.parent) / "config.toml"
        config = own if own.is_file() else None
    result = session.train(_config(config, device, overrides), settings, resume=resume)
    if as_json:
        print(json.dumps(result))  # noqa: T201


@app.command()
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
    settings = _given(dataset=dataset, data=data, epochs=epochs, hidden=hidden, out=out)
    session = import_module("opu.training.session")
    result = session.compare(_config(config, device, overrides), settings, seeds=range(seeds))
    if as_json:
        print(json.dumps(result))  # noqa: T201


@app.command()
def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path("opu.toml"),
    kind: Annotated[str, typer.Option(help="Kind of device to start with; `opu devices` lists them.")] = "sim",
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a commented starter config."""
    from opu.files import write_atomic
    from opu.kinds import load_kind

    if path.exists() and not force:
        raise ConfigError(f"{path} exists; choose another name, or --force to overwrite it")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent} is not a folder; make it first")
    write_atomic(path, starter_config(load_kind(kind).starter))
    typer.echo(f"wrote {path}; try: opu info --config {path}")


@app.command()
def devices(config: ConfigOption = None) -> None:
    """List the kinds of device installed here, and the profiles of a config file."""
    from opu.config import load_config
    from opu.kinds import kind_names, load_kind

    typer.echo("kinds")
    for name in kind_names():
        typer.echo(f"  {name:12} {load_kind(name).summary}")
    if config is not None:
        loaded = load_config(config)
        typer.echo(f"profiles in {config}")
        for name, profile in loaded.devices.items():
            chosen = "*" if name == loaded.device else " "
            typer.echo(f"{chosen} {name:12} kind {profile.get('kind', '(missing)')}")


@app.command()
def info(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Calibrate, and print what was measured.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open a device and print its spec and status."""
    import_module("opu.inspection").show(_config(config, device, overrides), calibrate=calibrate, as_json=as_json)


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Print the version when asked."""
    if show:
        typer.echo(f"openopu {opu.__version__}")
        raise typer.Exit


def starter_config(body: str, name: str = "d") -> str:
    """A commented config file with one profile called `name`, whose table's body a device kind wrote."""
    return (
        "# openopu configuration. Every command that needs a device takes --config with this file.\n"
        "# One word chooses the device: here, in OPU_DEVICE, or by --device.\n"
        f'device = "{name}"\n\n'
        f"[devices.{name}]\n{body.format(name=name)}\n"
        "[train]\n"
        '# method = "dfa"            # "bp", "dfa" or "shallow"\n'
        "# epochs = 20\n"
        "# learning_rate = 1e-3\n"
    )


def _config(path: Path | None, device: str | None, overrides: list[str] | None) -> Config:
    from opu.config import load_config

    return load_config(path, device, overrides or ())


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def main() -> NoReturn:
    """Run the command line: errors of ours are one message and exit status 2 (what you asked) or 1 (what happened)."""
    try:
        app()
    except (ConfigError, InputError) as error:
        _fail(error, 2)
    except OPUError as error:
        _fail(error, 1)
    except OSError as error:
        _fail(error, 1)
    sys.exit(0)


def _fail(error: Exception, status: int) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(status)

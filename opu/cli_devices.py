"""Commands about devices: their kinds, configs, spec and measured properties."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import ConfigOption, DeviceOption, JsonOption, SetOption, chosen
from opu.errors import ConfigError


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


def devices(
    config: ConfigOption = None,
    parts: Annotated[bool, typer.Option("--parts", help="Kinds of part that a bench is made of, too.")] = False,
) -> None:
    """List the kinds of device installed here, and the profiles of a config file."""
    from opu.config import load_config
    from opu.kinds import kind_names, load_kind

    typer.echo("kinds")
    for name in kind_names():
        typer.echo(f"  {name:12} {load_kind(name).summary}")
    if parts:
        _list_parts()
    if config is not None:
        loaded = load_config(config)
        typer.echo(f"profiles in {config}")
        for name, profile in loaded.devices.items():
            mark = "*" if name == loaded.device else " "
            typer.echo(f"{mark} {name:12} kind {profile.get('kind', '(missing)')}")


def _list_parts() -> None:
    from opu.part_kinds import ROLES, load_part_kind, part_kind_names

    for role in ROLES:
        typer.echo(f"{role.replace('_', ' ')}s")
        for name in part_kind_names(role):
            try:
                summary = load_part_kind(role, name).summary
            except ConfigError as error:
                summary = str(error)
            typer.echo(f"  {name:12} {summary}")


def info(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    calibrate: Annotated[bool, typer.Option("--calibrate", help="Calibrate, and print what was measured.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Open a device and print its spec and status."""
    import_module("opu.inspection").show(chosen(config, device, overrides), calibrate=calibrate, as_json=as_json)


def calibrate(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    fill: Annotated[
        float, typer.Option(help="Fraction of the inputs that typical data switch on; exposures are chosen for it.")
    ] = 0.5,
    matrix: Annotated[
        bool, typer.Option("--matrix", help="Measure the whole transmission matrix by Hadamard patterns.")
    ] = False,
    interleave: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="With --matrix: show a known pattern every N patterns, against drift."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of random probes.")] = 0,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with an interrupted matrix measurement: its folder.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="File of the calibration (the profile's `calibration`, else calibration.safetensors), or folder of the "
            "matrix (runs/...)."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Calibrate a device and keep the result; with --matrix, measure its transmission matrix."""
    import_module("opu.calibrate_command").run(
        chosen(config, device, overrides),
        matrix=matrix,
        out=out,
        fill=fill,
        seed=seed,
        interleave=interleave,
        resume=resume,
        as_json=as_json,
    )


def characterize(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer frames: wider errors, a few seconds.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder of the report.  [default: runs/...]")] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure a device: gain, noise, full well, speckle, linearity, drift, signal-to-noise; write an HTML report."""
    import_module("opu.characterization.command").run(
        chosen(config, device, overrides), out=out, quick=quick, as_json=as_json
    )


def fit(
    measurements: Annotated[Path, typer.Argument(help="characterization.json, or the folder that holds it.")],
    out: Annotated[Path, typer.Option(help="Config file to write.")] = Path("twin.toml"),
    name: Annotated[str, typer.Option(help="Name of the profile in it.")] = "twin",
) -> None:
    """Turn a characterization into a simulator profile that behaves the same: a digital twin."""
    import_module("opu.characterization.command").run_fit(measurements, out=out, name=name)


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

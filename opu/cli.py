"""The command line. Everything heavy, and every peer package, is imported by the command that needs it."""

from __future__ import annotations

import sys
import warnings
from typing import Annotated, NoReturn, TextIO

import typer

import opu
from opu import cli_bench, cli_devices, cli_hil, cli_runs, cli_serve, cli_training
from opu.errors import ConfigError, InputError, OPUError, OPUWarning

app = typer.Typer(
    name="opu",
    help="The open optical processing unit: random projections by light, simulated or real, and networks trained by them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

for _command in (
    cli_training.train,
    cli_training.compare,
    cli_training.budget,
    cli_runs.runs,
    cli_devices.init,
    cli_devices.devices,
    cli_devices.info,
    cli_devices.calibrate,
    cli_devices.characterize,
    cli_devices.fit,
    cli_serve.serve,
):
    app.command()(_command)
app.add_typer(cli_bench.app, name="bench")
app.add_typer(cli_hil.app, name="hil")


@app.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Print the version when asked."""
    if show:
        typer.echo(f"openopu {opu.__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Run the command line: errors of ours are one message and exit status 2 (what you asked) or 1 (what happened)."""
    warnings.showwarning = _show_warning
    try:
        app()
    except (ConfigError, InputError) as error:
        _fail(error, 2)
    except OPUError as error:
        _fail(error, 1)
    except OSError as error:
        _fail(error, 1)
    sys.exit(0)


_show_other = warnings.showwarning


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Ours say what to do: a line of source below them does not help. Others are shown as Python does."""
    if issubclass(category, OPUWarning):
        typer.echo(f"warning: {message}", err=True)
    else:
        _show_other(message, category, filename, lineno, file, line)


def _fail(error: Exception, status: int) -> NoReturn:
    typer.echo(f"error: {error}", err=True)
    sys.exit(status)

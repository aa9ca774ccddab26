"""`opu characterize` and `opu fit`: from a configuration to a report, and from a report to a configuration."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from opu.config import Config
from opu.errors import ConfigError, InputError
from opu.factory import build_profile, open_parameters
from opu.files import write_atomic
from opu.result_folder import make_result_folder

from .characterize import FORMAT, STEPS, Characterization, characterize
from .folder import FIGURES, MEASUREMENTS, REPORT, write
from .plots import need_matplotlib
from .report import terminal_table
from .twin import twin

DEFAULT_SIZE = {"n_inputs": 784, "n_outputs": 2000}
"""Where a profile leaves its size open."""


def run(config: Config, *, out: Path | None = None, quick: bool = False, as_json: bool = False) -> None:
    """Open the chosen device, measure it, write the folder; figures on standard output, progress on standard error.

    as_json: print one JSON object instead of the table. The device is closed, its light off, whatever happens.
    """
    need_matplotlib()  # before anything is lit
    opu = build_profile(config, open_parameters(config, DEFAULT_SIZE))
    folder = make_result_folder(out, f"characterize-{config.device}", (FIGURES, MEASUREMENTS, REPORT))
    try:
        with _progress() as bar, opu:
            task = bar.add_task("opening", total=len(STEPS))

            def on_step(step: str) -> None:
                bar.update(task, description=step, completed=STEPS.index(step))

            result = characterize(opu, config.device, quick=quick, on_step=on_step)
        write(folder, result)
    except BaseException:
        with suppress(OSError):
            folder.rmdir()  # only if nothing is in it
        raise
    _print(result, folder, as_json)


def run_fit(measurements: Path, *, out: Path, name: str = "twin") -> None:
    """Write a configuration with one profile `name` that simulates the device that was characterized.

    measurements: a characterization.json, or the folder that holds one. ConfigError where `out` exists; InputError where
    the measurements are missing, damaged or too few.
    """
    path = measurements / FIGURES if measurements.is_dir() else measurements
    if out.exists():
        raise ConfigError(f"{out} exists; choose another name for the profile's file")
    if not out.parent.is_dir():
        raise ConfigError(f"{out.parent} is not a folder; make it first")
    text = twin(read_figures(path), name, source=str(path))
    write_atomic(out, text)
    Console(highlight=False, soft_wrap=True).print(
        f"wrote {out}; try: opu characterize --config {out}, or opu train --config {out}", markup=False
    )


def read_figures(path: Path) -> dict[str, Any]:
    """A characterization.json; InputError says what is wrong with it."""
    try:
        figures = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no measurements {path}; `opu characterize` writes {FIGURES}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read measurements {path}: {error}") from None
    if not isinstance(figures, dict) or figures.get("format") != FORMAT:
        raise InputError(f"{path} is not a characterization of this version ({FORMAT}); run `opu characterize` again")
    return figures


def _print(result: Characterization, folder: Path, as_json: bool) -> None:
    files = {
        "folder": folder,
        "report": folder / REPORT,
        "measurements": folder / MEASUREMENTS,
        "figures": folder / FIGURES,
    }
    if as_json:
        document = {**result.as_json(), **{name: str(path) for name, path in files.items()}}
        print(json.dumps(document, allow_nan=False))  # noqa: T201
        return
    console = Console(highlight=False)
    console = Console(highlight=False, width=max(120, console.width))
    console.print(terminal_table(result))
    console.print(f"report: {files['report']}", soft_wrap=True)
    console.print(f"a simulator like it: opu fit {files['figures']}", soft_wrap=True)


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )

"""The command about past runs. `opu.training` is imported by it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import DatasetName, JsonOption
from opu.errors import ConfigError


def runs(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="With --compare: the runs to set side by side.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(metavar="DIR", help="The runs folder.  [default: runs]")] = None,
    method: Annotated[str | None, typer.Option(help="Only runs by this method.")] = None,
    dataset: DatasetName = None,
    where: Annotated[
        list[str] | None,
        typer.Option(metavar="CONDITION", help="Only runs where it holds, such as 'accuracy>0.97'. May be repeated."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many to print, the newest.")] = 30,
    compare: Annotated[
        bool, typer.Option("--compare", help="Set the runs named by ID side by side, with a plot.")
    ] = False,
    export: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the runs to a .csv or .json file.")] = None,
    rescan: Annotated[bool, typer.Option("--rescan", help="Make the index anew from the run folders first.")] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="With --compare: the picture.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List, filter, compare and export past runs, newest first.

    Examples: opu runs --where "accuracy>0.97"; opu runs --compare 1f00 2e11; opu runs --export runs.csv
    """
    command = import_module("opu.training.runs_command")
    if ids and not compare:
        raise ConfigError(
            f"{' '.join(ids)}: ids are for --compare; add it, or filter with --method, --dataset, --where"
        )
    filters = {"method": method, "dataset": dataset, "where": where or (), "rescan": rescan}
    if compare:
        result = command.run_compare(ids or [], folder, out=out, rescan=rescan)
    elif export is not None:
        result = {"exported": command.run_export(export, folder, **filters), "file": str(export)}
    else:
        result = command.run_list(folder, limit=limit, **filters)
    if as_json:
        print(json.dumps(result, default=str))  # noqa: T201

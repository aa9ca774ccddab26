"""`opu hil`. `opu.hw_tests` is imported by the command that needs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import ConfigOption, DeviceOption, JsonOption, SetOption, chosen

app = typer.Typer(
    help="Is this device fit to train on? Exit status 0: fit, 1: unfit, 2: could not be judged.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def hil(
    context: typer.Context,
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    level: Annotated[
        str, typer.Option(help="quick (under a minute), standard (ten minutes) or soak (--hours).")
    ] = "quick",
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only these checks or groups (camera, medium.*). Repeatable."),
    ] = None,
    baseline: Annotated[
        Path | None, typer.Option(metavar="RUN", help="An earlier report of this device: say what moved since.")
    ] = None,
    allow_laser: Annotated[bool, typer.Option("--allow-laser", help="Let a real device emit light.")] = False,
    hours: Annotated[float, typer.Option(min=0.001, help="How long level soak runs.")] = 2.0,
    seed: Annotated[int, typer.Option(help="Of the patterns shown.")] = 0,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the report.  [default: runs/<time>-hil-<device>]")
    ] = None,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="Go on with an interrupted soak.")] = None,
    sick: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Put a fault in front of the device, to see it found: `opu hil matrix` lists them."
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every check, not only the troubles.")] = False,
    where: Annotated[
        bool, typer.Option("--where", help="Print the folder of the same suite for pytest, and leave.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Judge a device: the laws of the contract, its camera, light, medium, projections, timing and safety, and a training.

    Writes report.html, hil.json, junit.xml and medium.npz, which the next --baseline reads.
    """
    if context.invoked_subcommand is not None:
        return
    if where:
        typer.echo(Path(str(import_module("opu.hw_tests").__file__)).parent)
        return
    from opu.errors import ConfigError

    check = import_module("opu.hw_tests.check")
    level = "soak" if resume is not None else level
    if level not in check.LEVELS:
        raise ConfigError(f"--level {level}: unknown; allowed: {', '.join(check.LEVELS)}")
    command = import_module("opu.hw_tests.command")
    wanted = command.Asked(
        level=level,
        only=tuple(only or ()),
        baseline=baseline,
        allow_laser=allow_laser,
        hours=hours,
        seed=seed,
        out=out,
        resume=resume,
        sick=sick,
    )
    status = command.judge_profile(chosen(config, device, overrides), wanted, as_json_line=as_json, verbose=verbose)
    raise typer.Exit(status)


@app.command()
def history(
    device: DeviceOption = None,
    folder: Annotated[Path, typer.Option(metavar="DIR", help="Where the reports are.")] = Path("runs"),
    picture: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw every figure against time (.png, .svg, .pdf).")
    ] = None,
    rescan: Annotated[bool, typer.Option("--rescan", help="Read all reports again first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """A device's verdicts over months."""
    import_module("opu.hw_tests.command").show_history(folder, device, picture, rescan, as_json)


@app.command()
def matrix(
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only these sick devices (dead-*, drifting). Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Judge every sick device of the catalogue, on a simulator, and print what was said as a table in Markdown.

    Exit status 1 where one was not named by the right check in the right words.
    """
    status = import_module("opu.hw_tests.matrix").show_matrix(only or (), as_json)
    raise typer.Exit(status)


@app.command()
def checks(
    markdown: Annotated[bool, typer.Option("--markdown", help="As a table in Markdown.")] = False,
    report: Annotated[
        Path | None, typer.Option(metavar="RUN", help="With --markdown: sample sizes and powers of this report.")
    ] = None,
) -> None:
    """List every check: what it holds, from which level on, and how it decides."""
    if markdown:
        found = None if report is None else import_module("opu.hw_tests.document").read_document(report)
        typer.echo(import_module("opu.hw_tests.tables").checks_table(found), nl=False)
        return
    for check in import_module("opu.hw_tests.catalogue").CHECKS:
        typer.echo(f"{check.name:34} {check.level:9} {check.law}")
        typer.echo(f"{'':34} {'':9} test: {check.test}")


@app.command()
def limits() -> None:
    """The keys of [hil] and [devices.NAME.hil], their defaults and meaning, as a table in Markdown."""
    typer.echo(import_module("opu.hw_tests.tables").limits_table(), nl=False)

"""`opu bench`: looking at the parts while aligning them. `opu.drivers` is imported by the command that needs it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import ConfigOption, DeviceOption, JsonOption, SetOption, chosen
from opu.errors import ConfigError

app = typer.Typer(
    help="Look at a bench while aligning it: kind bench. The laser is off at the end.", no_args_is_help=True
)

LightOption = Annotated[
    str,
    typer.Option(
        "--light", help="laser: the profile's, turned on; external: one that you mind yourself; none: leave it dark."
    ),
]
PatternOption = Annotated[
    str, typer.Option("--pattern", help="On the mirrors: random (half of the inputs), on or off (all).")
]


@app.command()
def view(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    light: LightOption = "laser",
    pattern: PatternOption = "random",
    exposure_s: Annotated[float | None, typer.Option("--exposure", metavar="S", help="[default: searched for]")] = None,
    whole: Annotated[bool, typer.Option("--whole", help="The whole sensor, not the profile's region.")] = False,
    every_s: Annotated[float, typer.Option("--every", metavar="S", help="Between frames.")] = 0.3,
    once: Annotated[bool, typer.Option("--once", help="One frame, then leave.")] = False,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the last frame there.")] = None,
    as_json: JsonOption = False,
) -> None:
    """The camera's picture, histogram, saturation, contrast, focus and grain, live, until Ctrl-C."""
    import_module("opu.drivers.bench_view").run(
        chosen(config, device, overrides),
        source=_one_of("light", light, ("laser", "external", "none")),
        pattern=_one_of("pattern", pattern, ("random", "on", "off")),
        exposure_s=exposure_s,
        whole=whole,
        every_s=every_s,
        frames=1 if once or as_json else None,
        png=png,
        as_json=as_json,
    )


@app.command()
def align(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    light: LightOption = "laser",
    pattern: PatternOption = "random",
    points: Annotated[int, typer.Option(min=2, max=100, help="Exposures.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Brightness and contrast against exposure, and what to set."""
    import_module("opu.drivers.bench_align").run(
        chosen(config, device, overrides),
        source=_one_of("light", light, ("laser", "external")),
        pattern=_one_of("pattern", pattern, ("random", "on", "off")),
        points=points,
        as_json=as_json,
    )


@app.command("map")
def map_(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    light: LightOption = "laser",
    rows: Annotated[int, typer.Option(min=1, max=64, help="Blocks down.")] = 12,
    columns: Annotated[int, typer.Option(min=1, max=64, help="Blocks across.")] = 16,
    repeats: Annotated[int, typer.Option(min=2, help="Times that each is shown.")] = 2,
    png: Annotated[Path | None, typer.Option(metavar="FILE", help="The beam's profile as a picture.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Which mirrors reach the camera: the beam's profile, and a region and layout to use."""
    import_module("opu.drivers.bench_map").run(
        chosen(config, device, overrides),
        source=_one_of("light", light, ("laser", "external")),
        grid=(rows, columns),
        repeats=repeats,
        png=png,
        as_json=as_json,
    )


def _one_of(option: str, word: str, allowed: tuple[str, ...]) -> str:
    if word not in allowed:
        raise ConfigError(f"--{option} {word}: allowed: {', '.join(allowed)}")
    return word

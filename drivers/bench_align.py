"""`opu bench align`: brightness and contrast against exposure, and what to set."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import typer

from opu.config import Config
from opu.exposure import target_level

from .bench_figures import Figures, figures
from .bench_look import Source, Table, opened
from .bench_view import Shown, pattern_of

POLARISED, UNPOLARISED = 1.0, 2**-0.5


@dataclass(frozen=True)
class Point:
    """One exposure: the dark level, the frame's figures, and how evenly the halves of the region are lit (1: alike)."""

    exposure_s: float
    dark_dn: float
    figures: Figures
    evenness: float


def run(
    config: Config, *, source: Source = "laser", pattern: Shown = "random", points: int = 10, as_json: bool = False
) -> dict[str, Any]:
    """Sweep the exposure, print a table and suggestions; returns what --json prints."""
    with opened(config, source, lambda text: typer.echo(text, err=as_json)) as table:
        shown = pattern_of(table, pattern)
        spec = table.plan.spec
        measured = []
        for exposure_s in np.geomspace(spec.exposure_min_s, spec.exposure_max_s, points):
            table.expose(float(exposure_s))
            dark_dn = table.dark_dn(shown)
            table.light(True)
            pixels = next(iter(table.take(shown))).copy()
            found = figures(pixels, table.saturation_dn, dark_dn)
            table.check()
            measured.append(Point(table.exposure_s, dark_dn, found, _evenness(pixels - dark_dn)))
            if found.saturated_fraction > 0.5:
                break
        power_w = None if table.parts.meter is None else table.parts.meter.read_w()
        advice = suggestions(measured, table)
    result = {"points": [asdict(point) for point in measured], "power_w": power_w, "suggestions": advice}
    if as_json:
        typer.echo(json.dumps(result))
        return result
    typer.echo(
        f"{'exposure':>12} {'dark':>8} {'mean':>8} {'saturated':>10} {'contrast':>9} {'grain':>7} {'evenness':>9}"
    )
    for p in measured:
        f = p.figures
        typer.echo(
            f"{p.exposure_s * 1e6:9.0f} µs {p.dark_dn:8.2f} {f.mean_dn:8.2f} {f.saturated_fraction:10.2%} {f.contrast:9.3f} "
            f"{f.grain_px:4.1f} px {p.evenness:9.2f}"
        )
    if power_w is not None:
        typer.echo(f"power meter: {power_w:.3g} W")
    for line in advice:
        typer.echo(f"- {line}")
    return result


def suggestions(measured: list[Point], table: Table) -> list[str]:
    """What the figures say of exposure, laser power, polariser, grain and evenness."""
    span = table.saturation_dn
    clear = [p for p in measured if p.figures.saturated_fraction < 0.001 and p.figures.mean_dn - p.dark_dn > 1]
    if not clear:
        bright = measured[0].figures.saturated_fraction >= 0.001
        return [
            "clipped even at the shortest exposure: lower the laser's power or the gain, or put a filter in"
            if bright
            else "no light at any exposure: is the beam on the panel, the shutter open, the camera on the medium?"
        ]
    best = clear[-1]
    rate = (best.figures.mean_dn - best.dark_dn) / best.exposure_s
    wanted_s = target_level(span) * span / rate
    spec = table.plan.spec
    lines = [
        f"frames like this reach {target_level(span):.1%} of the range at an exposure of {wanted_s * 1e6:.0f} µs; calibration "
        "finds it by itself"
    ]
    for limit_s, beyond, remedy in (
        (spec.exposure_min_s, wanted_s < spec.exposure_min_s, "lower"),
        (spec.exposure_max_s, wanted_s > spec.exposure_max_s, "raise"),
    ):
        if beyond:
            factor = max(wanted_s / limit_s, limit_s / wanted_s)
            lines.append(f"the camera's limit is {limit_s:g} s: {remedy} the laser's power by a factor {factor:.1f}")
    lines += _of_speckle(best, table)
    if best.evenness < 0.5:
        lines.append(
            f"the region's halves differ by a factor {1 / max(best.evenness, 1e-3):.1f}: centre the speckle on the camera, or "
            "move outputs.region"
        )
    return lines


def _of_speckle(best: Point, table: Table) -> list[str]:
    lines, contrast, grain = [], best.figures.contrast, best.figures.grain_px
    if contrast < 0.4:
        lines.append(
            f"contrast {contrast:.2f}: hardly speckle; is the light unscattered, the laser multimode, the exposure long "
            "against vibrations, or the grain smaller than a pixel?"
        )
    elif contrast < (POLARISED + UNPOLARISED) / 2:
        lines.append(
            f"contrast {contrast:.2f}: near {UNPOLARISED:.2f}, that of both polarisations; put a polariser before the camera"
        )
    if grain < 2:
        lines.append(
            f"grain {grain:.1f} px: close to a pixel; close the iris, or move the camera away, for larger grains"
        )
    block = max(1, round(grain))
    if tuple(table.settings.outputs.block) != (block, block) and table.settings.outputs.pixels_file is None:
        lines.append(
            f"outputs.block = {block} reads a grain as one output; outputs.step = {2 * block} makes them independent"
        )
    return lines


def _evenness(light: Any) -> float:
    rows, columns = light.shape
    halves = [light[: rows // 2], light[rows // 2 :], light[:, : columns // 2], light[:, columns // 2 :]]
    means = [max(float(half.mean()), 0.0) if half.size else 0.0 for half in halves]
    pairs = [(means[0], means[1]), (means[2], means[3])]
    return min(min(pair) / max(*pair, 1e-9) for pair in pairs)

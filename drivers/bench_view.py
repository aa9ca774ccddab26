"""`opu bench view`: what the camera sees, again and again, with the figures that one turns screws by."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import typer

from opu.config import Config
from opu.parts import Region

from .bench_figures import figures, histogram, thumbnail
from .bench_look import Patterns, Source, Table, opened
from .bench_png import write_png

Shown: TypeAlias = Literal["random", "on", "off"]
CLEAR = "\x1b[H\x1b[J"


def run(
    config: Config,
    *,
    source: Source = "laser",
    pattern: Shown = "random",
    exposure_s: float | None = None,
    whole: bool = False,
    every_s: float = 0.3,
    frames: int | None = None,
    png: Path | None = None,
    as_json: bool = False,
) -> dict[str, Any]:
    """Show frames until Ctrl-C, or so many; returns the last one's figures. The light is off at the end, whatever it is.

    whole: the whole sensor instead of the profile's region. exposure_s None: searched for. png: the last frame as a file.
    """
    last: dict[str, Any] = {}
    live = sys.stdout.isatty() and frames != 1 and not as_json
    with opened(config, source, lambda text: typer.echo(text, err=as_json)) as table:
        shown = pattern_of(table, pattern)
        camera = table.plan.parts.camera
        region = Region(0, 0, camera.rows, camera.columns) if whole else None
        table.expose(table.plan.spec.exposure_min_s, region)
        dark_dn = table.dark_dn(shown)
        table.light(True, lambda text: typer.echo(text, err=True) if text and frames == 1 else None)
        if exposure_s is None:
            table.find_exposure(shown)
        else:
            table.expose(exposure_s, region)
        n = 0
        try:
            while frames is None or n < frames:
                pixels = next(iter(table.take(shown))).copy()
                found = figures(pixels, table.saturation_dn, dark_dn)
                last = {**asdict(found), "exposure_s": table.exposure_s, "dark_dn": dark_dn, "rows": len(pixels)}
                n += 1
                if png is not None:
                    write_png(png, pixels)
                line = f"exposure {table.exposure_s * 1e6:.0f} µs, {found}"
                if live or (frames == 1 and not as_json):
                    picture = [thumbnail(pixels), histogram(pixels, 2**camera.bit_depth - 1), line]
                    typer.echo((CLEAR if live else "") + "\n".join(picture))
                elif not as_json:
                    typer.echo(line)
                if frames is None or n < frames:
                    time.sleep(every_s)
        except KeyboardInterrupt:
            pass
    if as_json:
        typer.echo(json.dumps(last))
    return last


def pattern_of(table: Table, pattern: Shown) -> Patterns:
    """random: half of the inputs, the same ones every time, with the anchor; on, off: every mirror."""
    if pattern == "random":
        spec = table.plan.spec
        frame = np.random.default_rng(0).random((1, spec.n_inputs)) < 0.5
        if spec.anchor_input is not None:
            frame[0, spec.anchor_input] = True
        return table.frames(frame)
    return table.mirrors(np.full(table.n_mirrors, pattern == "on"))

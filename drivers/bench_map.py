"""`opu bench map`: which mirrors reach the camera, one block of them at a time; the beam's profile, and a region to use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from opu.config import Config

from .bench_look import Source, Table, opened
from .bench_png import write_png

EDGE = float(np.exp(-2))
"""A beam ends where its intensity is 1/e^2 of the peak."""
SURE = 5.0
UNEVEN = 3.0


@dataclass(frozen=True)
class BeamMap:
    """light_dn: [grid rows, grid columns], what each block adds to the camera's mean, error_dn its standard error."""

    light_dn: NDArray[np.float64]
    error_dn: float
    row_edges: NDArray[np.intp]
    column_edges: NDArray[np.intp]

    @property
    def reached(self) -> NDArray[np.bool_]:
        """Blocks whose light is sure, and at least 1/e^2 of the brightest's."""
        least_dn = max(SURE * self.error_dn, EDGE * float(self.light_dn.max()))
        return np.asarray(self.light_dn > least_dn, np.bool_)

    @property
    def roi(self) -> tuple[int, int, int, int] | None:
        """(x, y, width, height) in mirrors of the smallest rectangle that holds them; None: none."""
        rows, columns = np.flatnonzero(self.reached.any(axis=1)), np.flatnonzero(self.reached.any(axis=0))
        if not len(rows):
            return None
        y, x = int(self.row_edges[rows[0]]), int(self.column_edges[columns[0]])
        return x, y, int(self.column_edges[columns[-1] + 1]) - x, int(self.row_edges[rows[-1] + 1]) - y


def run(
    config: Config,
    *,
    source: Source = "laser",
    grid: tuple[int, int] = (12, 16),
    repeats: int = 2,
    png: Path | None = None,
    as_json: bool = False,
) -> dict[str, Any]:
    """Show the blocks of a grid over the panel in turn; print the profile and what to set. Returns what --json prints."""
    with opened(config, source, lambda text: typer.echo(text, err=as_json)) as table:
        found = measure_map(table, grid, repeats)
    roi, light = found.roi, found.light_dn
    result: dict[str, Any] = {
        "light_dn": light.round(4).tolist(),
        "error_dn": found.error_dn,
        "reached_fraction": float(found.reached.mean()),
        "roi": None if roi is None else list(roi),
        "suggestions": suggestions(found),
    }
    if png is not None:
        write_png(png, np.kron(np.maximum(light, 0.0), np.ones((16, 16))))
    if as_json:
        typer.echo(json.dumps(result))
        return result
    peak = max(float(light.max()), 1e-9)
    typer.echo("light of each block of mirrors, per cent of the brightest ('.': not sure)")
    for line, sure in zip(light, light > SURE * found.error_dn, strict=True):
        typer.echo("".join(f"{100 * v / peak:5.0f}" if s else "    ." for v, s in zip(line, sure, strict=True)))
    for text in result["suggestions"]:
        typer.echo(f"- {text}")
    return result


def measure_map(table: Table, grid: tuple[int, int], repeats: int) -> BeamMap:
    """Each block alone against all mirrors off, `repeats` times. A speckle's mean over the region is the block's light."""
    rows, columns = table.n_mirrors
    edges = [np.linspace(0, n, min(g, n) + 1).astype(np.intp) for n, g in zip((rows, columns), grid, strict=True)]
    patterns = [table.mirrors(np.zeros((rows, columns), np.bool_))]
    for top, bottom in zip(edges[0][:-1], edges[0][1:], strict=True):
        for left, right in zip(edges[1][:-1], edges[1][1:], strict=True):
            on = np.zeros((rows, columns), np.bool_)
            on[top:bottom, left:right] = True
            patterns.append(table.mirrors(on))
    everything = np.concatenate(patterns)
    table.light(True)
    # The brightest block decides, so that no block is clipped: found among them all, in two steps.
    table.find_exposure(table.mirrors(np.ones((rows, columns), np.bool_)))
    first = _means(table, everything)
    brightest = int(np.argmax(first[1:])) + 1
    table.find_exposure(everything[brightest : brightest + 1])
    taken = np.array([_means(table, everything) for _ in range(max(2, repeats))])
    table.check()
    light = taken[:, 1:] - taken[:, :1]
    error = float(np.sqrt(np.mean(light.var(axis=0, ddof=1)) / len(light)))
    shape = (len(edges[0]) - 1, len(edges[1]) - 1)
    return BeamMap(light.mean(axis=0).reshape(shape), max(error, 1e-6), edges[0], edges[1])


def suggestions(found: BeamMap) -> list[str]:
    """Region and layout for the profile."""
    roi = found.roi
    if roi is None:
        return ["no block reaches the camera: look at the beam on the panel, and at the path from there"]
    inside = found.light_dn[found.reached]
    whole = np.maximum(found.light_dn, 0).sum()
    lines = [
        f"roi = {list(roi)} holds every block brighter than 1/e² of the brightest: {inside.sum() / max(whole, 1e-9):.0%} of "
        "the light"
    ]
    ratio = float(inside.max() / inside.min())
    if ratio > UNEVEN:
        lines.append(
            f'within it the brightest block has {ratio:.1f} times the light of the darkest: layout = "interleaved" gives every '
            "input the same share of that"
        )
    else:
        lines.append(f"within it the light is even to a factor {ratio:.1f}: any layout will do")
    at_edge = found.reached[[0, -1]].any() or found.reached[:, [0, -1]].any()
    if at_edge and not found.reached.all():
        lines.append("the beam runs over the panel's edge: centre it, or make it smaller")
    return lines


def _means(table: Table, patterns: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.array([float(pixels.mean()) for pixels in table.take(patterns)])

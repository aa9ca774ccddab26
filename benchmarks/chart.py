"""The sweep as a picture: time per vector against n, a panel per batch, lines named where they run.

python benchmarks/chart.py sweep.json sweep.png      (sweep.py --plot draws the same)
"""

from __future__ import annotations

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from contenders import BASELINE, CONTENDERS, DENSE, STRUCTURED
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

OURS = {DENSE: "#0072B2", STRUCTURED: "#009E73"}
PEERS = {
    BASELINE: ("black", "o"),
    "stored complex64": ("#D55E00", "s"),
    "archived OPU simulator": ("#CC79A7", "^"),
    "scikit-learn Gaussian": ("#E69F00", "D"),
    "PyTorch float32 pair": ("#56B4E9", "v"),
}
GREY = "#666666"


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw it."""
    points, machine = result["points"], result["machine"]
    batches = sorted({row["batch"] for row in points})
    figure = Figure(figsize=(10, 3.9 * -(-len(batches) // 2) + 0.5), layout="constrained")
    grid = figure.subplots(-(-len(batches) // 2), 2, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, batch in zip(grid, batches, strict=False):
        _panel(axes, [row for row in points if row["batch"] == batch], batch)
    for axes in grid[len(batches) :]:
        axes.set_visible(False)
    figure.suptitle(
        f"One n × n complex projection, {machine['threads']} thread(s), {machine['cpu']}\n"
        "hollow: part measured, scaled; peers end where their matrix is over "
        f"{machine['matrix_limit_gib']:.2g} GiB; dotted: floor of the dense engine (hashing, adding)",
        fontsize=10,
    )
    _save_small(figure, path)


def _panel(axes: Axes, rows: list[dict[str, Any]], batch: int) -> None:
    lines = {c.name: [row for row in rows if row["contender"] == c.name] for c in CONTENDERS}
    for name, line in lines.items():
        colour, marker = PEERS[name] if name in PEERS else (OURS[name], "o")
        _line(axes, line, colour, marker, 2.2 if name in OURS else 1.2)
    dense = lines[DENSE]
    axes.plot([r["n"] for r in dense], [r["floor_ms"] for r in dense], ":", color=GREY, linewidth=1.2, zorder=1)
    axes.set_xscale("log", base=2)
    axes.set_xticks([row["n"] for row in dense])
    axes.set_yscale("log")
    axes.margins(x=0.06, y=0.06)
    axes.set_title(f"B = {batch}", loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("n (inputs = outputs)")
    axes.set_ylabel("ms per vector")
    axes.label_outer()
    axes.grid(color="#e5e5e5", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    for name, colour in OURS.items():
        _label(axes, lines[name][-1], "ms_per_vector", name, colour)
    _label(axes, dense[-1], "floor_ms", "floor", GREY, below=True)
    # Peers run within a factor of a few of one another: their names stand above their ends, the slowest on top.
    ends = [(line[-1]["ms_per_vector"], name) for name, line in lines.items() if line and name in PEERS]
    for k, (_, name) in enumerate(sorted(ends, reverse=True)):
        colour, marker = PEERS[name]
        y = 0.95 - 0.062 * k
        axes.plot([0.03], [y], marker, color=colour, markersize=4, transform=axes.transAxes)
        axes.text(0.05, y, name, color=colour, fontsize=9, va="center", transform=axes.transAxes)


def _line(axes: Axes, rows: list[dict[str, Any]], colour: str, marker: str, width: float) -> None:
    axes.plot([r["n"] for r in rows], [r["ms_per_vector"] for r in rows], color=colour, linewidth=width)
    for row in rows:
        face = "white" if row["measured"] < row["whole"] else colour
        axes.plot(row["n"], row["ms_per_vector"], marker, color=colour, markerfacecolor=face, markersize=4.5)


def _label(axes: Axes, row: dict[str, Any], key: str, text: str, colour: str, below: bool = False) -> None:
    offset, corner = ((-6, 0), ("right", "bottom")) if not below else ((0, -14), ("right", "top"))
    end = row["n"], row[key]
    axes.annotate(text, end, offset, textcoords="offset points", color=colour, fontsize=10, ha=corner[0], va=corner[1])


def _save_small(figure: Figure, path: Path) -> None:
    """A PNG of 128 colours: a third of the size."""
    buffer = BytesIO()
    figure.savefig(buffer, dpi=100, format="png")
    Image.open(buffer).convert("RGB").quantize(128).save(path, optimize=True)


if __name__ == "__main__":
    plot(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))

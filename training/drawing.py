"""Figures of matplotlib without pyplot and without global state: made, dressed alike, written whole."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from opu.errors import OPUError
from opu.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK = "#333333"
"""Colour of text and of what belongs to no arm."""


def new_figure(width_in: float, height_in: float) -> Figure:
    """Return an empty figure of that size in inches. Raises OPUError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OPUError("plots need matplotlib, which is not installed: pip install 'openopu[train]'") from error
    return Figure(figsize=(width_in, height_in), dpi=130, layout="constrained")


def write_figure(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all. Raises OSError."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())


def dress_epochs(axes: Axes, title: str, ylabel: str, epochs: list[int]) -> None:
    """Give a panel over epochs its titles, whole numbers below, and a light grid."""
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    margin = max(0.03 * (epochs[-1] - epochs[0]), 0.2)
    axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)

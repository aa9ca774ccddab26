"""The picture of a comparison: accuracy while training and in the end, and what each arm cost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .alignment import mean_or_none
from .arms import Arm
from .drawing import dress_epochs, new_figure, write_figure
from .result import RunResult, epoch_seconds
from .units import angle_text, device_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Rows = Sequence[tuple[Arm, Sequence[RunResult]]]


def save_comparison(rows: Rows, title: str, path: Path) -> None:
    """Write accuracy against epoch (mean, min-max band), final accuracy by seed, time, memory and angle of every arm.

    rows: arms and their runs, one for each seed. Raises OPUError without matplotlib, OSError.
    """
    panel, costs = max(3.4, 0.62 + 0.4 * len(rows)), max(1.6, 0.75 + 0.27 * len(rows))
    figure = new_figure(12.0, 1.2 + panel + costs)
    upper, lower = figure.subfigures(2, 1, squeeze=False, height_ratios=(panel, costs))[:, 0]
    left, right = upper.subplots(1, 2, width_ratios=(1, 1.15))
    figure.suptitle(f"Learning rules side by side: {title}", fontsize=13)
    _learning_panel(left, rows)
    _final_panel(right, rows)
    time, memory, angle = lower.subplots(1, 3, sharey=True)
    _bars(time, rows, "Wall time of an epoch (s)", [epoch_seconds(rs) for _, rs in rows])
    _bars(memory, rows, "Kept of a forward pass (bytes per sample)", [rs[0].stored_bytes for _, rs in rows])
    angles = [mean_or_none([r.batch_angle_deg for r in rs]) for _, rs in rows]
    _bars(angle, rows, "Angle to the true gradient (degrees)", angles)
    angle.axvline(90, color="#333333", linestyle=(0, (2, 2)), linewidth=1)
    used = [(arm, rs) for arm, rs in rows if any(r.frames for r in rs)]
    if used:
        figure.supxlabel("; ".join(f"{arm.label}, per run: {_device(rs)}" for arm, rs in used), fontsize=9)
    write_figure(figure, path)


def _learning_panel(axes: Axes, rows: Rows) -> None:
    epochs: list[int] = []
    for arm, results in rows:
        curves = 100 * np.array([[r.test_accuracy for r in result.history] for result in results])
        epochs = [r.epoch for r in results[0].history]
        mark = arm.marker if len(epochs) <= 30 else ""
        axes.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=arm.colour, alpha=0.2, linewidth=0)
        axes.plot(
            epochs, curves.mean(axis=0), color=arm.colour, linewidth=2, marker=mark, markersize=5, label=arm.label
        )
    dress_epochs(axes, "Test accuracy while training (mean, band: all seeds)", "test accuracy (%)", epochs)
    axes.legend(loc="best", framealpha=0.8, edgecolor="none", fontsize=9)


def _final_panel(axes: Axes, rows: Rows) -> None:
    finals = [100 * np.array([r.test_accuracy for r in results]) for _, results in rows]
    worst, best = min(f.min() for f in finals), max(f.max() for f in finals)
    span = max(best - worst, 1.0)
    axes.set_xlim(max(worst - 0.1 * span, 0.0), min(best + 0.1 * span, 100.0))
    axes.set_ylim(-0.5, len(rows) - 0.5)
    for place, ((arm, _), final) in enumerate(zip(rows, finals, strict=True)):
        axes.plot(
            [final.min(), final.max()], [place, place], color=arm.colour, alpha=0.3, linewidth=12, solid_capstyle="butt"
        )
        offsets = np.linspace(-0.1, 0.1, len(final)) if len(final) > 1 else np.zeros(1)
        axes.plot(
            final, place + offsets, arm.marker, color=arm.colour, markeredgecolor="white", markersize=7, clip_on=False
        )
        axes.plot(final.mean(), place, "|", color=arm.colour, markersize=24, markeredgewidth=2.5)
        spread = f" ± {final.std(ddof=1):.2f}" if len(final) > 1 else ""
        axes.text(1.02, place, f"{final.mean():.2f}{spread} %", transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(range(len(rows)), [arm.label for arm, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    axes.set_title("In the end (dots: seeds, line: mean)")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _bars(axes: Axes, rows: Rows, title: str, values: Sequence[float | None]) -> None:
    """One bar an arm, its number at the end; a dash where there is none."""
    axes.barh(range(len(rows)), [v or 0.0 for v in values], color=[arm.colour for arm, _ in rows], height=0.7)
    axes.set_xlim(0, 1.28 * max([v for v in values if v is not None], default=1.0) or 1.0)
    for place, value in enumerate(values):
        text = angle_text(None) if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.3g}"
        axes.text(value or 0.0, place, f" {text}", va="center", fontsize=9)
    axes.set_yticks(range(len(rows)), [arm.label for arm, _ in rows], fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(title, fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)


def _device(results: Sequence[RunResult]) -> str:
    frames = round(_mean([r.frames for r in results]))
    return device_text(frames, _mean([r.device_seconds for r in results]), _mean([r.device_joules for r in results]))


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))

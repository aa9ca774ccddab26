"""Any runs of an index in one picture: accuracy, loss and angle as they trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from opu.errors import InputError

from .drawing import new_figure, write_figure
from .index import Curves

# Okabe & Ito 2008, without the yellow that is faint on white; then again with other lines.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LINES = ("-", "--", ":", "-.")


def save_runs(runs: Sequence[tuple[str, Curves]], path: Path) -> None:
    """Write test accuracy by epoch, loss by step (or epoch) and batch angle by epoch; runs: labels and curves.

    Raises InputError for runs without a single epoch, OPUError without matplotlib, OSError.
    """
    if not any(curves.get("test_accuracy") for _, curves in runs):
        raise InputError(f"none of {len(runs)} runs has finished an epoch: there is nothing to draw")
    figure = new_figure(13.0, 4.2)
    accuracy, loss, angle = figure.subplots(1, 3)
    positive = True
    for number, (label, curves) in enumerate(runs):
        style = {
            "color": _COLOURS[number % len(_COLOURS)],
            "linestyle": _LINES[number // len(_COLOURS) % len(_LINES)],
            "linewidth": 1.8,
        }
        points = curves.get("test_accuracy", [])
        marker = "o" if len(points) <= 30 else ""
        accuracy.plot(
            [e for e, _ in points], [100 * v for _, v in points], label=label, marker=marker, markersize=4, **style
        )
        steps = curves.get("loss") or curves.get("train_loss", [])
        loss.plot([s for s, _ in steps], [v for _, v in steps], **style)
        positive = positive and all(v > 0 for _, v in steps)
        angles = _mean_angle(curves)
        angle.plot([e for e, _ in angles], [v for _, v in angles], marker=marker, markersize=4, **style)
    if positive:
        loss.set_yscale("log")
    titles = (("Test accuracy", "accuracy (%)", "epoch"), ("Training loss", "nats", "step"))
    for axes, (title, ylabel, xlabel) in zip(
        (accuracy, loss, angle), (*titles, ("Batch angle to the true gradient", "degrees", "epoch")), strict=True
    ):
        axes.set_title(title)
        axes.set_ylabel(ylabel)
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=min(3, len(runs)), frameon=False)
    write_figure(figure, path)


def _mean_angle(curves: Curves) -> list[tuple[int, float]]:
    """Mean over the hidden blocks, epoch by epoch."""
    by_epoch: dict[int, list[float]] = {}
    for name, curve in curves.items():
        if name.startswith("batch_angle_deg_"):
            for epoch, value in curve:
                by_epoch.setdefault(epoch, []).append(value)
    return [(epoch, float(np.mean(values))) for epoch, values in sorted(by_epoch.items())]

"""The picture of one run: accuracy, loss and angle over its epochs, and what it asked of the device."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .alignment import mean_or_none
from .arms import arm_of
from .drawing import INK, dress_epochs, new_figure, write_figure
from .result import RunResult
from .units import device_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WITHOUT_ANGLES = {
    "bp": "backprop: exact,\n0° by definition",
    "shallow": "no feedback:\nhidden layers stay random",
}


def save_curves(result: RunResult, path: Path) -> None:
    """Write test accuracy, loss and alignment angle against epoch. Raises OPUError without matplotlib, OSError."""
    figure = new_figure(12.0, 3.8)
    accuracy, loss, angle = figure.subplots(1, 3)
    arm = arm_of(result.method, result.feedback)
    where = f" on {result.device}" if result.device is not None else ""
    final = f"{100 * result.test_accuracy:.2f} % test accuracy"
    title = f"{arm.label}{where}: {result.dataset}, seed {result.seed}, {final}"
    if result.frames:
        title += f"\n{device_text(result.frames, result.device_seconds, result.device_joules)}"
    figure.suptitle(title, fontsize=13)
    epochs = [r.epoch for r in result.history]
    mark = "o" if len(epochs) <= 30 else ""
    style: dict[str, Any] = {"color": arm.colour, "linewidth": 2, "marker": mark, "markersize": 4}

    accuracy.plot(epochs, [100 * r.test_accuracy for r in result.history], label="test", **style)
    accuracy.plot(
        epochs,
        [100 * r.train_accuracy for r in result.history],
        color=INK,
        linestyle=":",
        label="training, on the fly",
    )
    dress_epochs(accuracy, "Accuracy", "accuracy (%)", epochs)
    accuracy.legend(frameon=False, loc="lower right")

    loss.plot(epochs, [r.train_loss for r in result.history], **style)
    dress_epochs(loss, "Training loss", "mean over samples", epochs)
    if all(r.train_loss > 0 for r in result.history):
        loss.set_yscale("log")

    _angle_panel(angle, result, epochs)
    write_figure(figure, path)


def _angle_panel(axes: Axes, result: RunResult, epochs: list[int]) -> None:
    text = _WITHOUT_ANGLES.get(result.method)
    if text is not None:
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=13, color=INK)
        axes.set_title("Angle to the true gradient")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    colour = arm_of(result.method, result.feedback).colour
    for name, values, line in (
        ("per sample", [mean_or_none(r.sample_angle_deg) for r in result.history], "--"),
        ("whole batch", [mean_or_none(r.batch_angle_deg) for r in result.history], "-"),
    ):
        points = [np.nan if v is None else v for v in values]
        axes.plot(epochs, points, color=colour, linestyle=line, linewidth=2, marker="o", markersize=4, label=name)
    axes.axhline(90, color=INK, linestyle=(0, (2, 2)), linewidth=1)
    axes.text(0.02, 90.8, "90°: no alignment", transform=axes.get_yaxis_transform(), va="bottom", color=INK, fontsize=9)
    dress_epochs(axes, "Angle to the true gradient", "angle (degrees)", epochs)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 40), max(high, 98))
    axes.legend(frameon=False, loc="lower left")

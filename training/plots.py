"""Two pictures: one run over its epochs, and all rivals side by side. No pyplot, no global state."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opu.errors import OPUError
from opu.files import write_atomic

from .alignment import mean_or_none
from .arms import Arm, arm_of
from .result import RunResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INK = "#333333"
_WITHOUT_ANGLES = {
    "bp": "backprop: exact,\n0° by definition",
    "shallow": "no feedback:\nhidden layers stay random",
}


def save_curves(result: RunResult, path: Path) -> None:
    """Write test accuracy, loss and alignment angle against epoch. Raises OPUError without matplotlib, OSError."""
    figure = _figure(12.0, 3.8)
    accuracy, loss, angle = figure.subplots(1, 3)
    arm = arm_of(result.method, result.feedback)
    where = f" on {result.device}" if result.device is not None else ""
    final = f"{100 * result.test_accuracy:.2f} % test accuracy"
    figure.suptitle(f"{arm.label}{where}: {result.dataset}, seed {result.seed}, {final}", fontsize=13)
    epochs = [r.epoch for r in result.history]
    mark = "o" if len(epochs) <= 30 else ""
    style: dict[str, Any] = {"color": arm.colour, "linewidth": 2, "marker": mark, "markersize": 4}

    accuracy.plot(epochs, [100 * r.test_accuracy for r in result.history], label="test", **style)
    accuracy.plot(
        epochs,
        [100 * r.train_accuracy for r in result.history],
        color=_INK,
        linestyle=":",
        label="training, on the fly",
    )
    _dress(accuracy, "Accuracy", "accuracy (%)", epochs)
    accuracy.legend(frameon=False, loc="lower right")

    loss.plot(epochs, [r.train_loss for r in result.history], **style)
    _dress(loss, "Training loss", "cross-entropy (nats)", epochs)
    if all(r.train_loss > 0 for r in result.history):
        loss.set_yscale("log")

    _angle_panel(angle, result, epochs)
    _write(figure, path)


def save_comparison(rows: Sequence[tuple[Arm, Sequence[RunResult]]], title: str, path: Path) -> None:
    """Write accuracy against epoch (mean line, min-max band) and final accuracy with each seed as a dot."""
    figure = _figure(12.0, max(4.6, 0.62 * len(rows)))
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.15))
    figure.suptitle(f"Test accuracy by learning rule: {title}", fontsize=13)
    epochs: list[int] = []
    for arm, results in rows:
        curves = 100 * np.array([[r.test_accuracy for r in result.history] for result in results])
        epochs = [r.epoch for r in results[0].history]
        mark = arm.marker if len(epochs) <= 30 else ""
        left.fill_between(epochs, curves.min(axis=0), curves.max(axis=0), color=arm.colour, alpha=0.2, linewidth=0)
        left.plot(
            epochs, curves.mean(axis=0), color=arm.colour, linewidth=2, marker=mark, markersize=5, label=arm.label
        )
    _dress(left, "While training (mean, band: all seeds)", "test accuracy (%)", epochs)
    left.legend(loc="best", framealpha=0.8, edgecolor="none")
    _final_panel(right, rows)
    _write(figure, path)


def _angle_panel(axes: Axes, result: RunResult, epochs: list[int]) -> None:
    text = _WITHOUT_ANGLES.get(result.method)
    if text is not None:
        axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", fontsize=13, color=_INK)
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
    axes.axhline(90, color=_INK, linestyle=(0, (2, 2)), linewidth=1)
    axes.text(
        0.02, 90.8, "90°: no alignment", transform=axes.get_yaxis_transform(), va="bottom", color=_INK, fontsize=9
    )
    _dress(axes, "Angle to the true gradient", "angle (degrees)", epochs)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 40), max(high, 98))
    axes.legend(frameon=False, loc="lower left")


def _final_panel(axes: Axes, rows: Sequence[tuple[Arm, Sequence[RunResult]]]) -> None:
    finals = [100 * np.array([r.test_accuracy for r in results]) for _, results in rows]
    worst, best = min(f.min() for f in finals), max(f.max() for f in finals)
    span = max(best - worst, 1.0)
    axes.set_xlim(max(worst - 0.1 * span, 0.0), min(best + 0.1 * span, 100.0))
    axes.set_ylim(-0.5, len(rows) - 0.5)
    for place, ((arm, _), final) in enumerate(zip(rows, finals, strict=True)):
        axes.plot(
            [final.min(), final.max()], [place, place], color=arm.colour, alpha=0.3, linewidth=14, solid_capstyle="butt"
        )
        offsets = np.linspace(-0.1, 0.1, len(final)) if len(final) > 1 else np.zeros(1)
        axes.plot(final, place + offsets, arm.marker, color=arm.colour, markeredgecolor="white", markersize=7)
        axes.plot(final.mean(), place, "|", color=arm.colour, markersize=34, markeredgewidth=2.5)
        spread = f" ± {final.std(ddof=1):.2f}" if len(final) > 1 else ""
        axes.text(1.02, place, f"{final.mean():.2f}{spread} %", transform=axes.get_yaxis_transform(), va="center")
    axes.set_yticks(range(len(rows)), [arm.label for arm, _ in rows])
    axes.invert_yaxis()
    axes.set_xlabel("test accuracy (%)")
    axes.set_title("In the end (dots: seeds, line: mean)")
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _dress(axes: Axes, title: str, ylabel: str, epochs: list[int]) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_title(title)
    axes.set_xlabel("epoch")
    axes.set_ylabel(ylabel)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    margin = max(0.03 * (epochs[-1] - epochs[0]), 0.2)
    axes.set_xlim(epochs[0] - margin, epochs[-1] + margin)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _figure(width: float, height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OPUError("plots need matplotlib, which is not installed: pip install 'openopu[train]'") from error
    return Figure(figsize=(width, height), dpi=130, layout="constrained")


def _write(figure: Figure, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())

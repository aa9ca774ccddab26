"""A budget as a table and as a picture, its cliffs marked and defined."""

from __future__ import annotations

from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from .arms import arm_named
from .budget import Budget, BudgetRow, SweepResult
from .budget_cliff import definition
from .drawing import INK, new_figure, write_figure
from .units import angle_text, joules_text, seconds_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LOG_SPAN = 8.0
LEAST_SPAN = 5.0
"""Points of accuracy that a picture spans at least."""
CLIFF_COLOUR = "#CC79A7"


def budget_table(budget: Budget) -> Table:
    """Return one line per value: accuracy as mean ± standard deviation over seeds, costs as means per run."""
    seeds = f"{budget.n_seeds} seed" + ("s ± standard deviation" if budget.n_seeds > 1 else "")
    table = Table(
        title=f"test accuracy on {budget.dataset}, mean of {seeds}",
        caption=definition(budget.floor, budget.floor_name)
        + "; angle: batch gradient's; SNR: of one projection, measured, amplitudes",
        box=SIMPLE_HEAD,
    )
    table.add_column("", no_wrap=True)
    for heading in ("accuracy %", "angle", "SNR", "frames", "device", "energy"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("note", overflow="fold")
    for swept in budget.sweeps:
        bad = {repr(cliff.first_bad) for cliff in swept.cliffs}
        for row in swept.rows:
            note = "cliff" if repr(row.value) in bad else ""
            _add(table, f"{swept.sweep.name} = {_text(row.value)}", row, note)
    for arm, row in budget.controls:
        _add(table, arm.label, row, "control")
    return table


def save_budget(budget: Budget, path: Path) -> None:
    """Write one panel per sweep: each seed a dot, means joined, controls as lines, cliffs shaded. OPUError, OSError."""
    figure = new_figure(max(7.0, 5.2 * len(budget.sweeps)), 4.8)
    panels = figure.subplots(1, len(budget.sweeps), sharey=True, squeeze=False)[0]
    seeds = f"{budget.n_seeds} seed{'s' if budget.n_seeds > 1 else ''}"
    figure.suptitle(f"Accuracy of optical DFA by physical parameter: {budget.dataset}, {seeds}", fontsize=13)
    for axes, swept in zip(panels, budget.sweeps, strict=True):
        _panel(axes, swept, budget)
    low, high = panels[0].get_ylim()
    if high - low < LEAST_SPAN:  # a tenth of a point is no news, and must not look like it
        middle = min((low + high) / 2, 100 - LEAST_SPAN / 2)
        panels[0].set_ylim(middle - LEAST_SPAN / 2, middle + LEAST_SPAN / 2)
    panels[0].set_ylabel("test accuracy (%)")
    panels[0].legend(loc="best", framealpha=0.8, edgecolor="none", fontsize=9)
    caption = fill(definition(budget.floor, budget.floor_name), round(14 * figure.get_figwidth()))
    figure.supxlabel(caption, fontsize=8, color=INK)
    write_figure(figure, path)


def _panel(axes: Axes, swept: SweepResult, budget: Budget) -> None:
    sweep, rows = swept.sweep, list(swept.rows)
    if sweep.numeric:
        rows.sort(key=lambda row: row.value)
        place = {repr(row.value): float(row.value) for row in rows}
        values = np.array(list(place.values()))
        if values.min() > 0 and values.max() / values.min() >= LOG_SPAN:
            axes.set_xscale("log")
    else:
        place = {repr(row.value): float(i) for i, row in enumerate(rows)}
    colour = arm_named("dfa-optical").colour
    trained = [row for row in rows if row.mean is not None]
    for row in trained:
        x = [place[repr(row.value)]] * len(row.accuracies)
        axes.plot(x, 100 * np.array(row.accuracies), "o", color=colour, alpha=0.45, markersize=5, markeredgewidth=0)
    axes.plot(
        [place[repr(row.value)] for row in trained],
        [100 * float(row.mean or 0.0) for row in trained],
        color=colour,
        linewidth=2,
        marker="_",
        markersize=14,
        label="DFA, optical: mean (dots: seeds)",
    )
    for row in rows:
        if row.mean is None:
            axes.plot(place[repr(row.value)], 100 * budget.floor, "x", color=CLIFF_COLOUR, markersize=9)
    for arm, row in budget.controls:
        if row.mean is not None:
            axes.axhline(100 * row.mean, color=arm.colour, linewidth=1.5, linestyle="--", label=arm.label)
    for cliff in swept.cliffs:
        ends = sorted((place[repr(cliff.last_good)], place[repr(cliff.first_bad)]))
        axes.axvspan(ends[0], ends[1], color=CLIFF_COLOUR, alpha=0.18, linewidth=0, label="cliff")
    axes.set_xticks(list(place.values()), [_text(row.value) for row in rows])
    axes.minorticks_off()
    axes.set_xlabel(sweep.label)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


def _add(table: Table, name: str, row: BudgetRow, note: str) -> None:
    spread = "" if row.std is None else f" ± {100 * row.std:.2f}"
    snr, frames, seconds = row.mean_of("snr"), row.mean_of("frames"), row.mean_of("device_seconds")
    warned = {w.partition(":")[0] for r in row.results for w in r.warnings}
    failed = f"failed: {row.failure}" if row.failure is not None else ""
    table.add_row(
        name,
        "–" if row.mean is None else f"{100 * row.mean:.2f}{spread}",
        angle_text(row.mean_of("batch_angle_deg")),
        "–" if snr is None else f"{snr:.3g}",
        f"{frames:,.0f}" if frames else "–",
        seconds_text(seconds) if frames and seconds is not None else "–",
        joules_text(row.mean_of("device_joules") or 0.0),
        "; ".join(part for part in (note, *sorted(warned), failed) if part),
    )


def _text(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)

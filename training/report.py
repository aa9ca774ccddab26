"""Results as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE, SIMPLE_HEAD
from rich.table import Table

from .arms import arm_of
from .compare import CompareRow
from .result import RunResult
from .units import angle_text, joules_text, seconds_text


def training_table(result: RunResult) -> Table:
    """Return one run as a two-column table."""
    table = Table(title=f"{result.dataset}, seed {result.seed}, {result.epochs} epochs", show_header=False, box=SIMPLE)
    table.add_column("what")
    table.add_column("value", justify="right", overflow="fold")
    table.add_row("method", arm_of(result.method, result.feedback).label)
    if result.device is not None:
        table.add_row("device", result.device)
    table.add_row("[bold]test accuracy", f"[bold]{100 * result.test_accuracy:.2f} %")
    table.add_row("angle to gradient, per sample", angle_text(result.sample_angle_deg))
    table.add_row("angle to gradient, per batch", angle_text(result.batch_angle_deg))
    if result.device is not None:
        table.add_row("frames shown", f"{result.frames:,}")
        table.add_row("device time (simulated where the device is)", seconds_text(result.device_seconds))
        table.add_row("energy the device draws", joules_text(result.device_joules))
    table.add_row("wall time of training", seconds_text(result.train_seconds))
    table.add_row("folder", result.run_dir)
    return table


def comparison_table(rows: Sequence[CompareRow]) -> Table:
    """Return one line per arm: accuracy as mean ± standard deviation over seeds, costs as means per run."""
    n_seeds = len(rows[0].results) if rows else 0
    table = Table(
        title=f"test accuracy, mean of {n_seeds} seed{'' if n_seeds == 1 else 's ± standard deviation'}; costs of one run",
        caption="angles to the gradient: per sample, per batch; kept: of a forward pass, bytes per sample; a sim's device "
        "time and energy are simulated",
        box=SIMPLE_HEAD,
    )
    table.add_column("method", no_wrap=True)
    for heading in ("accuracy %", "s/epoch", "kept", "angles", "frames", "device", "energy"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in rows:
        spread = "" if row.std is None else f" ± {100 * row.std:.2f}"
        table.add_row(
            row.arm.label,
            f"{100 * row.mean:.2f}{spread}",
            f"{row.epoch_seconds:.3g}",
            "–" if row.stored_bytes is None else f"{row.stored_bytes:,}",
            f"{angle_text(row.sample_angle_deg)} {angle_text(row.batch_angle_deg)}",
            f"{row.frames:,}" if row.frames else "–",
            seconds_text(row.device_seconds) if row.frames else "–",
            joules_text(row.device_joules),
        )
    return table

"""The report: one self-contained HTML file, readable at a glance; and the same table for a terminal."""

from __future__ import annotations

from base64 import b64encode
from html import escape

from rich.box import SIMPLE_HEAD
from rich.table import Table

from .characterize import Characterization
from .plots import plots
from .quantity import Quantity

LABELS = {
    "gain_dn_per_e": "System gain",
    "read_noise_e": "Read noise",
    "full_well_e": "Full well",
    "dark_dn": "Dark level at the working exposure",
    "black_level_dn": "Black level",
    "dark_current_dn_per_s": "Dark current",
    "dark_fixed_pattern_e": "Dark fixed pattern",
    "laser_rin_rms": "Laser intensity noise, rms of the mean",
    "speckle_contrast": "Speckle contrast",
    "grain_px": "Speckle grain",
    "drift_time_s": "Drift time of the medium (1/e of the field)",
    "mirror_contrast_ratio": "Mirror contrast, on over off",
    "panel_dn_per_s": "Light with every input on",
    "data_dn_per_s": "Light with half of the data inputs on",
    "anchor_light_share": "Anchor's share of the light",
    "snr_per_frame": "Signal-to-noise per frame (variances)",
    "projection_snr": "Signal-to-noise per projection (variances)",
    "nonlinear_power_additivity": "Power of B(x+y) - Bx - By",
    "nonlinear_power_homogeneity": "Power of B(ax) - a Bx",
    "kernel_relative_error": "Kernel error, all features",
}
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em; margin-bottom: 0.1em } p.about { color: #666; margin-top: 0 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 0.25em 0.8em 0.25em 0 }
tr { border-bottom: 1px solid #ddd } td.value { font-variant-numeric: tabular-nums; white-space: nowrap }
td.note { color: #666 } .plots { display: flex; flex-wrap: wrap; gap: 1em; margin-top: 1.5em }
figure { margin: 0; flex: 1 1 480px; max-width: 560px } figure img { width: 100% } figcaption { color: #444 }
"""


def rows(result: Characterization) -> list[tuple[str, str, str]]:
    """(what, value ± standard error and unit, note) of every figure, then the bad outputs."""
    figures = result.figures()
    lines = [_row(LABELS[name], figure) for name, figure in figures.items()]
    bound = result.repeatability.lower_bound_s
    if figures["drift_time_s"].value is None and bound.value is not None:
        label = LABELS["drift_time_s"]
        told = (label, str(bound), f"{figures['drift_time_s'].note}; {bound.note}")
        lines = [told if line[0] == label else line for line in lines]
    for name, indices in (
        ("Dead outputs", result.bad.dead),
        ("Hot outputs", result.bad.hot),
        ("Saturated outputs", result.bad.saturated),
    ):
        first = ", ".join(str(i) for i in indices[:12]) + (" ..." if len(indices) > 12 else "")
        lines.append((name, f"{len(indices)} of {result.bad.n_outputs}", first))
    return lines


def _row(label: str, figure: Quantity) -> tuple[str, str, str]:
    return label, str(figure), figure.note


def about(result: Characterization) -> str:
    """What was measured, when, and at what cost."""
    spec = result.spec
    return (
        f"{spec.kind} {spec.model} {spec.serial}: {spec.n_data_inputs} inputs, {spec.n_outputs} outputs, "
        f"{spec.bit_depth} bits; {result.created_utc}; working exposure {result.acquisition.exposure_s * 1e6:.4g} µs; "
        f"{result.frames_shown:,} frames, {result.device_seconds:.3g} s of the device's time"
        + ("; quick" if result.quick else "")
    )


def terminal_table(result: Characterization) -> Table:
    """The figures for a terminal."""
    table = Table(title=f"{result.device}: value ± standard error", box=SIMPLE_HEAD, caption=about(result))
    table.add_column("figure", no_wrap=True)
    table.add_column("value", no_wrap=True)
    table.add_column("note", overflow="fold")
    for row in rows(result):
        table.add_row(*row)
    return table


def html(result: Characterization) -> str:
    """The whole report as one file: table first, pictures embedded. Raises OPUError without matplotlib."""
    body = "\n".join(
        f'<tr><td>{escape(what)}</td><td class="value">{escape(value)}</td><td class="note">{escape(note)}</td></tr>'
        for what, value, note in rows(result)
    )
    pictures = "\n".join(
        f'<figure><img alt="{escape(caption)}" src="data:image/png;base64,{b64encode(png).decode()}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, png in plots(result)
    )
    title = f"Characterization of {escape(result.device)}"
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>'
        f'<body><h1>{title}</h1><p class="about">{escape(about(result))}</p>\n'
        "<table><thead><tr><th>Figure</th><th>Value ± standard error</th><th>Note</th></tr></thead>"
        f'<tbody>{body}</tbody></table>\n<div class="plots">{pictures}</div></body></html>\n'
    )

"""The whole report as one HTML file with its pictures in it."""

from __future__ import annotations

import io
from base64 import b64encode
from html import escape
from typing import Any

from opu.characterization.plots import need_matplotlib
from opu.device import DeviceSpec

from .outcome import Draw
from .suite import Fitness, Judged, Verdict

WORDS: dict[Fitness, str] = {
    "fit": "FIT to train on",
    "unfit": "NOT FIT to train on",
    "unjudged": "could not be judged",
}
COLOURS = {"passed": "#2a7d2e", "failed": "#c02020", "unjudged": "#b07000", "skipped": "#888"}
MARKS = {"passed": "●", "failed": "✕", "unjudged": "?", "skipped": "○"}
MOST = 6
STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #222; max-width: 1180px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.6em; margin: 0 } p.about { color: #666; margin-top: 0.2em }
.verdict { padding: 0.7em 1em; border-left: 8px solid; background: #f6f6f6; margin: 1em 0 }
.verdict h2 { margin: 0; font-size: 1.3em } .verdict ul { margin: 0.4em 0 0; padding-left: 1.2em }
.verdict p { margin: 0.4em 0 0 }
.groups { display: flex; flex-wrap: wrap; gap: 0.5em 1.6em; margin: 0.5em 0 1em } .groups b { font-weight: 600 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: 0.2em 0.8em 0.2em 0 }
td { vertical-align: top }
tr { border-bottom: 1px solid #ddd } td.name { white-space: nowrap } td.figure { font-variant-numeric: tabular-nums }
.plots { display: flex; flex-wrap: wrap; gap: 1em; margin: 1.5em 0 }
figure { margin: 0; flex: 1 1 260px; max-width: 280px; border-top: 3px solid; padding-top: 0.4em }
figure img { width: 100% } figcaption { color: #444 } .small { color: #666; font-size: 0.9em }
"""


def about(verdict: Verdict, spec: DeviceSpec) -> str:
    """What was judged, when, and at what cost."""
    frames = sum(one.frames for one in verdict.judged)
    return (
        f"{spec.kind} {spec.model} {spec.serial}: {spec.n_data_inputs} inputs, {spec.n_outputs} outputs, {spec.bit_depth} "
        f"bits; {verdict.started_utc}; level {verdict.level}; {len(verdict.judged)} checks, {frames:,} frames or more, "
        f"{verdict.seconds:.3g} s"
    )


def counts(verdict: Verdict) -> str:
    """'47 passed, 1 failed, 2 skipped'."""
    results = [one.outcome.result for one in verdict.judged]
    return ", ".join(f"{results.count(r)} {r}" for r in COLOURS if r in results)


def html(verdict: Verdict, spec: DeviceSpec, changes: list[tuple[str, str, str, float]] | None = None) -> str:
    """The report. changes: `document.moved` against a baseline. Raises OPUError without matplotlib."""
    title = f"{verdict.device}: {WORDS[verdict.fitness]}"
    colour = {"fit": COLOURS["passed"], "unfit": COLOURS["failed"], "unjudged": COLOURS["unjudged"]}[verdict.fitness]
    listed = "".join(_trouble(one) for one in verdict.failures[:MOST])
    left = [one.check.name for one in verdict.failures[MOST:]]
    unjudged = [one.check.name for one in verdict.judged if one.outcome.result == "unjudged"]
    more = "".join(
        f'<p class="small">{what}: {escape(", ".join(names))}</p>'
        for what, names in (("also failed", left), ("could not be judged", unjudged))
        if names
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(verdict.device)}</h1>"
        f'<p class="about">{escape(about(verdict, spec))}</p>'
        f'<div class="verdict" style="border-color:{colour}"><h2 style="color:{colour}">{WORDS[verdict.fitness]}</h2>'
        f"{escape(counts(verdict))}<ul>{listed}</ul>{more}</div>{_groups(verdict)}{_pictures(verdict)}"
        f"{_changes(changes or [])}{_table(verdict)}</body></html>\n"
    )


def _trouble(one: Judged) -> str:
    return f"<li><b>{escape(one.outcome.cause)}</b> ({escape(one.check.name)}): {escape(one.outcome.message)}</li>"


def _groups(verdict: Verdict) -> str:
    groups: dict[str, list[str]] = {}
    for one in verdict.judged:
        groups.setdefault(one.check.group, []).append(one.outcome.result)
    spans = "".join(
        f"<span><b>{escape(group)}</b> "
        + "".join(f'<span style="color:{COLOURS[r]}">{MARKS[r]}</span>' for r in results)
        + "</span>"
        for group, results in groups.items()
    )
    return f'<div class="groups">{spans}</div>'


def _pictures(verdict: Verdict) -> str:
    """Those of failed checks first."""
    drawn = [(one, one.outcome.draw) for one in verdict.judged if one.outcome.draw is not None]
    figures = []
    for one, draw in sorted(drawn, key=lambda pair: pair[0].outcome.result != "failed"):
        data, outcome = b64encode(png(draw)).decode(), one.outcome
        caption = f"{one.check.name}: {outcome.figure or outcome.result}"
        figures.append(
            f'<figure style="border-color:{COLOURS[outcome.result]}"><img alt="{escape(caption)}" '
            f'src="data:image/png;base64,{data}"><figcaption><b style="color:{COLOURS[outcome.result]}">'
            f'{MARKS[outcome.result]}</b> {escape(caption)}<br><span class="small">{escape(outcome.cause or one.check.law)}'
            "</span></figcaption></figure>"
        )
    return f'<div class="plots">{"".join(figures)}</div>'


def _changes(changes: list[tuple[str, str, str, float]]) -> str:
    if not changes:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(then)}</td><td>{escape(now)}</td><td>{distance:.1f}</td></tr>"
        for name, then, now, distance in changes[:20]
    )
    return (
        "<h2>Since the baseline</h2><table><thead><tr><th>Check</th><th>Then</th><th>Now</th><th>Standard errors</th></tr>"
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _table(verdict: Verdict) -> str:
    return (
        "<h2>Every check</h2><table><thead><tr><th>Check</th><th>Result</th><th>Figure</th><th>Accepted</th>"
        f"<th>What was found</th></tr></thead><tbody>{''.join(_row(one) for one in verdict.judged)}</tbody></table>"
    )


def _row(one: Judged) -> str:
    outcome = one.outcome
    statistics = outcome.statistics
    small = f"{one.check.law}. Test: {one.check.test}"
    if statistics is not None:
        small += f"; n = {statistics.n}, significance {statistics.significance:.2g}"
        small += "" if statistics.power is None else f", power {statistics.power:.3g}"
    return (
        f'<tr><td class="name">{escape(one.check.name)}</td><td style="color:{COLOURS[outcome.result]}">{outcome.result}</td>'
        f'<td class="figure">{escape(str(outcome.figure or ""))}</td><td>{escape(str(outcome.limit or ""))}</td>'
        f'<td>{escape(outcome.message)}<br><span class="small">{escape(small)}</span></td></tr>'
    )


def png(draw: Draw) -> bytes:
    """One picture."""
    figure: Any = need_matplotlib()(figsize=(3.6, 2.6), dpi=100, layout="constrained")
    axes = figure.subplots()
    draw(axes)
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

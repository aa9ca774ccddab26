"""The verdict on one screen of a terminal: what is wrong and what to do, or the figures of a healthy device."""

from __future__ import annotations

from textwrap import wrap

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from opu.device import DeviceSpec

from .report import WORDS, about, counts
from .suite import Fitness, Judged, Verdict

TERMINAL = {"passed": "green", "failed": "bold red", "unjudged": "yellow", "skipped": "dim"}
COLOURS: dict[Fitness, str] = {"fit": "bold green", "unfit": "bold red", "unjudged": "bold yellow"}
ROWS, MOST = 10, 3
"""Lines that the failures may take in full, and a list of names."""


def show(console: Console, verdict: Verdict, spec: DeviceSpec, everything: bool = False) -> None:
    """Print the verdict: all checks, or what needs attention, or a line a group."""
    console.print(Text(f"{verdict.device}: {WORDS[verdict.fitness]}", COLOURS[verdict.fitness]), end="")
    console.print(Text(f" ({counts(verdict)})"))
    for line in wrap(about(verdict, spec), console.width):
        console.print(Text(line, "dim"))
    console.print()
    if everything:
        console.print(_all(verdict))
        return
    if verdict.fitness != "fit":
        _troubles(console, verdict)
    else:
        _groups(console, verdict)
    console.print()


def _troubles(console: Console, verdict: Verdict) -> None:
    """Failures in full as long as there is room, the first first: it is usually the cause of the others."""
    left, unnamed = ROWS, []
    failures = verdict.failures
    for number, one in enumerate(failures):
        lines = wrap(one.outcome.message, console.width - 2)
        left -= len(lines) + 1
        if number and left < 0:
            unnamed.append(f"{one.outcome.cause} ({one.check.name})")
            continue
        console.print(Text.assemble((one.outcome.cause, "bold red"), "  ", (one.check.name, "dim")))
        for line in lines:
            console.print(Text("  " + line))
    _listed(console, "also failed", unnamed, "red")
    if len(failures) > 1:
        console.print(Text("The first is usually the cause of the others.", "dim"))
    unjudged = [one for one in verdict.judged if one.outcome.result == "unjudged"]
    if failures or len(unjudged) > 4:
        _listed(console, "not judged", [one.check.name for one in unjudged], "yellow")
    else:
        for one in unjudged:
            _listed(console, one.check.name, [one.outcome.message], "yellow")
    if len(unjudged) > 4 and not failures:
        _listed(console, "why", sorted({one.outcome.message for one in unjudged})[:3], "yellow")


def _listed(console: Console, what: str, items: list[str], colour: str) -> None:
    """In at most three lines."""
    lines = wrap(f"{what}: {', '.join(items)}", console.width) if items else []
    if len(lines) > MOST:
        room = MOST * console.width - 2 * len(f" and {len(items)} more") - console.width // 4
        shown = [item for i, item in enumerate(items) if len(", ".join(items[: i + 1])) + len(what) < room] or items[:1]
        lines = wrap(f"{what}: {', '.join(shown)} and {len(items) - len(shown)} more", console.width)[:MOST]
    for number, line in enumerate(lines):
        text = Text(line)
        if not number:
            text.stylize(colour, 0, len(what) + 1)
        console.print(text)


def _groups(console: Console, verdict: Verdict) -> None:
    """A line a group: how many of its checks passed, and its figures."""
    groups: dict[str, list[Judged]] = {}
    for one in verdict.judged:
        groups.setdefault(one.check.group, []).append(one)
    for group, members in groups.items():
        asked = [one for one in members if one.outcome.result != "skipped"]
        passed = sum(one.outcome.result == "passed" for one in asked)
        figures = "; ".join(text for one in asked if (text := _figure(one)))
        before = f"{group:<11} {f'{passed}/{len(asked)}' if asked else 'skipped':>7}  "
        room = max(20, console.width - len(before))
        console.print(
            Text.assemble(f"{group:<11} ", (before[12:], "green"), "\n".join(_fold(figures, room, len(before))))
        )


def _fold(text: str, width: int, indent: int) -> list[str]:
    lines = wrap(text, width) or [""]
    return [lines[0], *(" " * indent + line for line in lines[1:])]


def _figure(one: Judged) -> str:
    """What a group's line says of this check, if anything."""
    if one.check.headline is None:
        return ""
    if one.outcome.figure is None or one.outcome.figure.value is None or not one.check.headline:
        return one.outcome.message.partition(";")[0]
    return f"{one.check.headline} {one.outcome.figure}"


def _all(verdict: Verdict) -> Table:
    table = Table(box=SIMPLE_HEAD)
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("what was found", overflow="fold")
    for one in verdict.judged:
        outcome = one.outcome
        cause = f"{outcome.cause}: " if outcome.cause else ""
        table.add_row(one.check.name, Text(outcome.result, TERMINAL[outcome.result]), Text(f"{cause}{outcome.message}"))
    return table

"""The tables of docs/hil.md, from what they describe: `opu hil checks --markdown` and `opu hil limits`."""

from __future__ import annotations

from typing import Any

from .catalogue import CHECKS
from .limits import Limits


def limits_table() -> str:
    """Keys of [hil], their defaults and meaning, in Markdown."""
    lines = ["| key | default | what it limits |", "|---|---|---|"]
    for name, field in Limits.model_fields.items():
        default = field.default
        shown = "none" if default is None else str(list(default) if isinstance(default, tuple) else default)
        lines.append(f"| `{name}` | {shown} | {field.description} |")
    return "\n".join(lines) + "\n"


def checks_table(report: dict[str, Any] | None = None) -> str:
    """Every check, its law, its test and the causes it names, in Markdown.

    report: a document of `opu hil`, for the sample sizes and powers that a device had.
    """
    measured = {check["name"]: check["statistics"] or {} for check in report["checks"]} if report else {}
    head = ["check", "from level", "what must hold", "how it is decided", "what it names"]
    head += ["n", "power"] if report else []
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for check in CHECKS:
        cells = [f"`{check.name}`", check.level, check.law.rstrip("."), check.test, "; ".join(check.faults)]
        if report:
            found = measured.get(check.name, {})
            power = found.get("power")
            cells += [str(found.get("n", "")), "" if power is None else f"{power:.3g}"]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"

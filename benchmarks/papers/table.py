"""A published table and ours as Markdown: mean ± standard deviation over seeds, and every hyper-parameter."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, stdev
from typing import Any


@dataclass(frozen=True)
class Published:
    """A figure of a paper, as printed there, and where it is from; `setting` says what was not as ours."""

    score: float
    source: str
    setting: str = ""


@dataclass(frozen=True)
class Arm:
    """One line: a name for files, a label for readers, what was published, hyper-parameters that are this arm's own."""

    name: str
    label: str
    published: tuple[Published, ...] = ()
    own: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Line:
    """An arm with the hyper-parameters used and the score of each seed."""

    arm: Arm
    hyper: Mapping[str, Any]
    scores: tuple[float, ...]


def spread(scores: Sequence[float], digits: int = 2) -> str:
    """'mean ± std' with n - 1 in the standard deviation; the mean alone for one score, a dash for none."""
    if not scores:
        return "–"
    if len(scores) == 1:
        return f"{scores[0]:.{digits}f}"
    return f"{mean(scores):.{digits}f} ± {stdev(scores):.{digits}f}"


def render(title: str, unit: str, lines: Sequence[Line], digits: int = 2) -> str:
    """The table as Markdown, the hyper-parameters that all lines share under it, then the published settings."""
    shared, own = split([line.hyper for line in lines])
    rows = [["", f"ours ({unit})", "seeds", "published", "hyper-parameters of this line"]]
    for line, hyper in zip(lines, own, strict=True):
        theirs = ", ".join(f"{p.score:g} [{_sources(lines).index(p.source) + 1}]" for p in line.arm.published)
        rows.append(
            [line.arm.label, spread(line.scores, digits), str(len(line.scores)), theirs or "–", _text(hyper) or "–"]
        )
    notes = [
        f"[{number}] {source}" + "".join(f"; {text}" for text in _settings(lines, source))
        for number, source in enumerate(_sources(lines), start=1)
    ]
    return "\n".join([title, "", *_aligned(rows), "", f"All lines: {_text(shared)}.", *notes])


def split(hypers: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What is in all of them with one value, and the rest of each."""
    first = hypers[0] if hypers else {}
    shared = {key: value for key, value in first.items() if all(key in h and h[key] == value for h in hypers)}
    return shared, [{key: value for key, value in hyper.items() if key not in shared} for hyper in hypers]


def _sources(lines: Sequence[Line]) -> list[str]:
    return list(dict.fromkeys(p.source for line in lines for p in line.arm.published))


def _settings(lines: Sequence[Line], source: str) -> list[str]:
    found = (p for line in lines for p in line.arm.published if p.source == source and p.setting)
    scores: dict[str, list[str]] = {}
    for p in found:
        scores.setdefault(p.setting, []).append(f"{p.score:g}")
    return [f"{' and '.join(values)}: {setting}" for setting, values in scores.items()]


def _text(hyper: Mapping[str, Any]) -> str:
    def value(v: Any) -> str:
        if isinstance(v, float):
            return f"{v:g}"
        if isinstance(v, Mapping):
            return " ".join(f"{k} {value(w)}" if k != "kind" else value(w) for k, w in v.items())
        return "-".join(map(str, v)) if isinstance(v, list | tuple) else v if isinstance(v, str) else json.dumps(v)

    return ", ".join(f"{key.replace('_', ' ')} {value(v)}" for key, v in hyper.items())


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]

"""Conditions on runs, from text such as 'accuracy>0.97' to SQL with bound values: nothing typed becomes part of a query."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Any

from opu.errors import InputError
from opu.validation import suggestion

from .settings import ResolvedSettings

COLUMNS: dict[str, type] = {
    "id": str,
    "folder": str,
    "started_utc": str,
    "ended_utc": str,
    "status": str,
    "method": str,
    "feedback": str,
    "dataset": str,
    "seed": int,
    "epochs": int,
    "accuracy": float,
    "loss": float,
    "sample_angle_deg": float,
    "batch_angle_deg": float,
    "frames": int,
    "device_seconds": float,
    "device_joules": float,
    "seconds": float,
    "device": str,
    "device_kind": str,
    "device_model": str,
    "device_serial": str,
    "fingerprint": str,
    "medium": str,
    "version": str,
    "host": str,
    "pid": int,
    "error": str,
    "settings": str,
}
"""What the index has of a run, and its type."""

_CONDITION = re.compile(r"\s*([A-Za-z_]\w*)\s*(==|!=|<=|>=|=|<|>)\s*(.*?)\s*", re.DOTALL)
_SQL = {"=": "IS", "==": "IS", "!=": "IS NOT"}


@dataclass(frozen=True)
class Condition:
    """A condition in SQL and the values for its marks."""

    sql: str
    parameters: tuple[Any, ...]


def equals(column: str, value: str | int | float) -> Condition:
    """Return the condition that a column has that value."""
    return Condition(f"{_known(column)} IS ?", (value,))


def parse_where(text: str) -> Condition:
    """Return the condition 'NAME OP VALUE': a column or a setting, one of = == != < <= > >=, a number or text.

    Raises InputError for anything else, naming what is allowed.
    """
    match = _CONDITION.fullmatch(text)
    if match is None or not match[3]:
        raise InputError(f"where '{text}': give NAME OP VALUE, such as accuracy>0.97 or status=done")
    name, op, value = match.groups()
    sql_op = _SQL.get(op, op)
    if name in COLUMNS:
        return Condition(f"{_known(name)} {sql_op} ?", (_value(value, COLUMNS[name], text),))
    if name in ResolvedSettings.model_fields:
        # the path is bound, too; numbers and words are told apart by how they look
        return Condition(f"json_extract(settings, ?) {sql_op} ?", (f"$.{name}", _guessed(value)))
    known = [*COLUMNS, *ResolvedSettings.model_fields]
    raise InputError(f"where '{text}': '{name}' is neither a column nor a setting; {suggestion(name, known)}")


def _known(column: str) -> str:
    if column not in COLUMNS:
        raise InputError(f"'{column}' is no column of the index: {suggestion(column, list(COLUMNS))}")
    return column


def _value(value: str, kind: type, text: str) -> Any:
    if kind is str:
        return value.strip("'\"")
    number = _number(value)
    if number is None:
        raise InputError(
            f"where '{text}': {value!r} is not a number, and {text.split(value, maxsplit=1)[0].strip()} needs one"
        )
    return number


def _guessed(value: str) -> Any:
    if value.lower() in ("true", "false"):
        return int(value.lower() == "true")
    number = _number(value)
    return value.strip("'\"") if number is None else number


def _number(value: str) -> int | float | None:
    """None for what is no finite number."""
    with suppress(ValueError):
        whole = int(value)
        if abs(whole) < 2**63:  # SQLite's integers
            return whole
    with suppress(ValueError):
        number = float(value)
        return number if isfinite(number) else None
    return None

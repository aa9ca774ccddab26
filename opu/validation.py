"""Configuration mistakes told so that they can be mended: which key, where, what is allowed."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from opu.errors import ConfigError

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)


def suggestion(word: str, allowed: list[str]) -> str:
    """A did-you-mean clause when a word is close, and the list of what is allowed."""
    close = difflib.get_close_matches(word, allowed, n=1)
    return (f"did you mean {close[0]!r}? " if close else "") + f"allowed: {', '.join(allowed) or 'nothing'}"


def validated(model: type[Model], table: Mapping[str, Any], where: str) -> Model:
    """`table` as a `model`, or one ConfigError that lists every wrong key as `where.key: what is wrong`."""
    try:
        return model.model_validate(dict(table))
    except ValidationError as error:
        # A tuple whose members are wrong is also reported as too short: only the members are news.
        found = [item for item in error.errors() if item["type"] != "too_short" or len(error.errors()) == 1]
        lines = [_line(item, model, where) for item in found]
        raise ConfigError("\n".join(lines)) from None


def choose(value: str | Mapping[str, Any], kinds: Mapping[str, type[Any]], where: str) -> Any:
    """One of the dataclasses `kinds` from its name or from a table {kind = name, field = value ...}; else ConfigError."""
    if not isinstance(value, str | Mapping):
        raise ConfigError(f"{where} = {value!r}: {suggestion('', list(kinds))} (a name, or a table with `kind`)")
    table = {"kind": value} if isinstance(value, str) else dict(value)
    kind = str(table.pop("kind", ""))
    if kind not in kinds:
        raise ConfigError(f"{where}: unknown kind {kind!r}; {suggestion(kind, list(kinds))}")
    known = [field.name for field in fields(kinds[kind])]
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}.{key}: unknown key; {suggestion(key, known)}")
    try:
        return kinds[kind](**table)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _line(item: Any, model: type[BaseModel], where: str) -> str:
    path = ".".join([where, *(str(part) for part in item["loc"])])
    given = item.get("input")
    if item["type"] == "extra_forbidden":
        allowed = _allowed(model, item["loc"][:-1])
        return f"{path}: unknown key; {suggestion(str(item['loc'][-1]), allowed)}"
    if item["type"] == "missing":
        return f"{path}: missing; give it a value"
    message = str(item["msg"]).removeprefix("Value error, ")
    shown = "" if isinstance(given, Mapping | BaseModel) or given is None else f" = {given!r}"
    return f"{path}{shown}: {message[0].lower()}{message[1:]}"


def _allowed(model: type[BaseModel] | None, path: tuple[Any, ...]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part)) if model else None
        annotation = field.annotation if field else None
        model = cast("type[BaseModel]", annotation) if _is_model(annotation) else None
    return list(model.model_fields) if model else []


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)

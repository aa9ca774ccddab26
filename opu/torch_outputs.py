"""What models return: finding the logits in it, exchanging them, and how cut points go with them. Needs the extra `torch`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from math import prod
from typing import Any

from torch import Tensor

from opu.errors import InputError


def logits_of(out: Any) -> Tensor:
    """A tensor itself, `out.logits`, `out["logits"]`, or the first item of a tuple or list; else InputError."""
    candidates = [out, getattr(out, "logits", None)]
    if isinstance(out, Mapping):
        candidates.append(out.get("logits"))
    if isinstance(out, tuple | list):
        candidates += out[:1]
    for candidate in candidates:
        if isinstance(candidate, Tensor):
            return candidate
    raise InputError(
        f"the model returns a {type(out).__name__}; say where its logits are: DFA(..., output=lambda out: ...)"
    )


def with_logits(out: Any, logits: Tensor, delivered: Tensor) -> Any:
    """What the model returned, `delivered` in the place of `logits`; InputError if they are not found in it."""
    if out is logits:
        return delivered
    if isinstance(out, tuple | list):
        parts = [delivered if part is logits else part for part in out]
        if any(part is delivered for part in parts):
            return type(out)(*parts) if hasattr(out, "_fields") else type(out)(parts)
    elif isinstance(out, dict):
        names = [name for name, value in out.items() if value is logits]
        for name in names:
            out[name] = delivered
        if names:
            return out
    else:
        names = [name for name, value in getattr(out, "__dict__", {}).items() if value is logits]
        if names and dataclasses.is_dataclass(out) and not isinstance(out, type):
            return dataclasses.replace(out, **dict.fromkeys(names, delivered))
        for name in names:
            setattr(out, name, delivered)
        if names:
            return out
    raise InputError(
        f"the logits are not an item of the {type(out).__name__} that the model returns, so they cannot be exchanged: "
        "`output` must pick one, as it is; or name the module that makes them, DFA(..., logits=model.head)"
    )


def width_of(point: Tensor, logits: Tensor) -> int:
    """Signals that each row of the logits sends to a cut point: its features, or all that belongs to one sample."""
    n = prod(logits.shape[:-1])
    if prod(point.shape[:-1]) == n:
        return int(point.shape[-1])
    if point.shape[0] == n:
        return int(point.numel() // n)
    raise InputError(
        f"a cut of shape {tuple(point.shape)} has no row for each of the {n} rows of logits {tuple(logits.shape)}: cut where "
        "samples (or tokens) come first, as in the logits"
    )

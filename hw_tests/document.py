"""A verdict as JSON values, and back into what a later day is compared with."""

from __future__ import annotations

import io
import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from opu import __version__
from opu.errors import InputError

from .baseline import Baseline, Signature
from .session import Session
from .suite import Verdict

FORMAT = "openopu-hil-1"
DOCUMENT, SIGNATURE = "hil.json", "medium.npz"


def as_json(verdict: Verdict, session: Session) -> dict[str, Any]:
    """Everything but the pictures. JSON-safe: what is no number is null."""
    checks = []
    for one in verdict.judged:
        outcome = one.outcome
        checks.append(
            {
                "name": one.check.name,
                "law": one.check.law,
                "result": outcome.result,
                "cause": outcome.cause,
                "message": outcome.message,
                "figure": None if outcome.figure is None else outcome.figure.as_json(),
                "limit": None if outcome.limit is None else asdict(outcome.limit),
                "statistics": None if outcome.statistics is None else asdict(outcome.statistics),
                "data": outcome.data,
                "seconds": round(one.seconds, 4),
                "frames": one.frames,
            }
        )
    document = {
        "format": FORMAT,
        "version": __version__,
        "device": verdict.device,
        "level": verdict.level,
        "started_utc": verdict.started_utc,
        "seconds": round(verdict.seconds, 3),
        "fitness": verdict.fitness,
        "causes": [one.outcome.cause for one in verdict.failures],
        "checks": checks,
        "limits": session.limits.model_dump(),
        "spec": asdict(session.spec),
        "seed": session.seed,
    }
    return dict(_plain(document))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def signature_bytes(signature: Signature) -> bytes:
    """The readings of the medium as an .npz file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **{k: np.asarray(v) for k, v in asdict(signature).items()})  # type: ignore[arg-type]
    return buffer.getvalue()


def read_document(path: Path) -> dict[str, Any]:
    """A hil.json, or the one in that folder; InputError says what is wrong with it."""
    path = path / DOCUMENT if path.is_dir() else path
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no report {path}; `opu hil` writes {DOCUMENT}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read report {path}: {error}") from None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise InputError(f"{path} is no report of this version ({FORMAT}); run `opu hil` again")
    return document


def read_baseline(path: Path) -> Baseline:
    """An earlier report, with the readings of the medium beside it. Raises InputError."""
    document = read_document(path)
    folder = path if path.is_dir() else path.parent
    figures = {check["name"]: check["figure"] for check in document["checks"] if check["figure"] is not None}
    signature = None
    if (folder / SIGNATURE).is_file():
        try:
            with np.load(io.BytesIO((folder / SIGNATURE).read_bytes())) as kept:
                numbers = {k: kept[k].item() for k in kept.files if kept[k].ndim == 0}
                signature = Signature(**numbers, patterns=kept["patterns"], singles=kept["singles"])
        except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
            raise InputError(f"cannot read {folder / SIGNATURE}: {error}; take a new baseline") from None
    return Baseline(document["started_utc"], document["device"], document["spec"], figures, signature)


def moved(verdict: Verdict, baseline: Baseline) -> list[tuple[str, str, str, float]]:
    """(check, then, now, standard errors between) of every figure that both have, the farthest first."""
    rows = []
    for one in verdict.judged:
        then, now = baseline.figures.get(one.check.name), one.outcome.figure
        if then is None or now is None or then.get("value") is None or now.value is None:
            continue
        error = math.hypot(then.get("standard_error") or 0.0, now.standard_error or 0.0)
        change = now.value - float(then["value"])
        distance = abs(change) / error if error else (math.inf if change else 0.0)
        rows.append((one.check.name, f"{float(then['value']):.5g} {then.get('unit', '')}".rstrip(), str(now), distance))
    return sorted(rows, key=lambda row: -row[3])

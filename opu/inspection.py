"""`opu info`: a device's spec, status and calibration, for people or as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import typer

from opu.config import Config
from opu.factory import build_profile

UNITS = {"_s": "s", "_hz": "Hz", "_dn": "DN", "_c": "°C"}


def show(config: Config, *, calibrate: bool = False, as_json: bool = False) -> None:
    """Open the chosen device, print what it says of itself, close it."""
    with build_profile(config) as opu:
        calibration = opu.calibrate() if calibrate else opu.calibration
        spec, status = asdict(opu.spec), asdict(opu.status())
        uses = {"encoding": opu.encoding.kind, "retrieval": opu.retrieval.kind, "linear": opu.retrieval.exactly_linear}
    if as_json:
        document: dict[str, Any] = {"device": config.device, "spec": spec, "status": status, "opu": uses}
        document["calibration"] = None if calibration is None else calibration.summary()
        print(json.dumps(document))  # noqa: T201
        return
    for title, table in ((f"spec of {config.device}", spec), ("status while open", status), ("used as", uses)):
        typer.echo(title)
        for name, value in table.items():
            typer.echo(f"  {name:20} {_shown(name, value)}")
    typer.echo(
        calibration.report() if calibration else "not calibrated (--calibrate does it; it also happens at first use)"
    )


def _shown(name: str, value: Any) -> str:
    if value is None:
        return "-"
    unit = next((unit for suffix, unit in UNITS.items() if name.endswith(suffix)), "")
    return f"{value:.6g} {unit}".rstrip() if isinstance(value, float) else f"{value} {unit}".rstrip()

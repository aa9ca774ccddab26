"""Libraries of makers and of others, imported when a driver opens."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from opu.errors import DeviceError


def maker_library(module: str, kind: str, extra: str) -> Any:
    """The module, imported now; DeviceError with the command that installs it if it is not there."""
    try:
        return import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise DeviceError(
            f"a part of kind {kind} needs {name}, which does not import ({error}): pip install 'openopu[{extra}]'"
        ) from error

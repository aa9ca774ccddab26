"""The array library that a run trains with."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

from opu.errors import OPUError


def array_module(name: str) -> Any:
    """Return NumPy, or CuPy in its array API dress. Raises OPUError naming the extra where CuPy is not installed."""
    if name == "numpy":
        return np
    try:
        return import_module(f"array_api_compat.{name}")
    except ImportError as error:
        raise OPUError(
            f"arrays = '{name}' needs CuPy, which is not installed: pip install 'openopu[cuda12]' (or cuda13)"
        ) from error

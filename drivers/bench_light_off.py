"""What a watchdog calls when the process that drove a bench is gone: the laser alone is opened, turned off and released."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from opu.errors import OPUError

from .bench_settings import build_part

TRIES = 5
BETWEEN_S = 0.5


def light_off(profile: Mapping[str, Any]) -> None:
    """profile: the bench's table, of which `laser` is used. Tries again while the dead process still holds the port."""
    table = profile.get("laser")
    if table is None:
        return
    for left in reversed(range(TRIES)):
        laser = build_part("laser", table)
        try:
            laser.open()  # which darkens
            laser.off()
            laser.close()
            return
        except (OPUError, OSError):
            if not left:
                raise
            time.sleep(BETWEEN_S)

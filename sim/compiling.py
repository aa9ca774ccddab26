"""The kernels are compiled once per machine and cached beside the package; the first time it is said, not a mute pause."""

from __future__ import annotations

import logging
from pathlib import Path

from .camera_kernel import fast_readings
from .kernels import dense_photons

log = logging.getLogger("opu")

_announced: list[bool] = []


def announce_compilation() -> None:
    """Say once per process that kernels will be compiled, if no cache of them is found."""
    if _announced:
        return
    _announced.append(True)
    for kernel in (dense_photons, fast_readings):
        folder = getattr(getattr(kernel, "_cache", None), "cache_path", None)
        name = kernel.py_func.__name__
        if folder is None or not any(Path(folder).glob(f"*.{name}-*.nbi")):
            log.warning("openopu: compiling its kernels for this machine (some 10 s, once; cached in %s)", folder)
            return

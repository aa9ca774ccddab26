"""The kernels are compiled once per machine and cached beside the package; the first time it is said, not a mute pause."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

log = logging.getLogger("opu")

_announced: set[str] = set()


def announce_compilation(*kernels: Any) -> None:
    """Say, once per process and kernel, that these will be compiled, if no cache of them is found."""
    for kernel in kernels:
        name = kernel.py_func.__name__
        if name in _announced:
            continue
        _announced.add(name)
        folder = getattr(getattr(kernel, "_cache", None), "cache_path", None)
        if folder is None or not any(Path(folder).glob(f"*.{name}-*.nbi")):
            log.warning("openopu: compiling %s for this machine (some seconds, once; cached in %s)", name, folder)

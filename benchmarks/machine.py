"""What a measurement ran on, and threads pinned before NumPy is imported; imports nothing that starts threads."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = ("openopu", "numpy", "scipy", "numba", "scikit-learn", "torch")


def pin_threads(threads: int) -> None:
    """For every BLAS; call it before NumPy is imported."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[variable] = str(threads)


def description(threads: int) -> dict[str, Any]:
    """CPU, system, threads, versions, date."""
    allowed = getattr(os, "sched_getaffinity", None)
    return {
        "cpu": cpu_name(),
        "system": platform.platform(),
        "threads": threads,
        "cores_allowed": sorted(allowed(0)) if allowed else None,
        "memory_gib": memory_gib(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in LIBRARIES},
        "load_average": load_average(),
        "date": time.strftime("%Y-%m-%d"),
    }


def cpu_name() -> str:
    """The CPU's model."""
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text().splitlines() if line.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def memory_gib() -> float | None:
    """Physical memory, where the system tells."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    except (AttributeError, ValueError, OSError):  # Windows
        return None


def load_average() -> float | None:
    """Of the last minute, where the system tells: over the cores in use, neighbours disturbed what was measured."""
    try:
        return os.getloadavg()[0]
    except (AttributeError, OSError):
        return None


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None

"""The device of a profile, made sick: a fault put in front of it, or the settings of a simulator overridden."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from opu import OPU
from opu.config import Table, merged
from opu.errors import ConfigError

from .sick import Sickness
from .sick_device import Fault, SickDevice

ALIKE = 0.2
"""Spread of the entries of a medium that is not random, over their mean."""


def healthy_profile(sickness: Sickness, profile: Table, folder: Path) -> Table:
    """The profile of the healthy device that the sickness is to be told from. folder: for files it needs."""
    return merged(profile, _with_file(sickness.needs, profile, folder))


def sick_profile(sickness: Sickness, profile: Table, folder: Path) -> Table:
    """The profile with the sickness's settings. ConfigError where only a simulator has them, or needs others."""
    if not (sickness.needs or sickness.settings):
        return profile
    if profile.get("kind") != "sim":
        raise ConfigError(
            f"--sick {sickness.name}: made by overriding a simulator's settings, and the profile's kind is "
            f'{profile.get("kind")!r}; choose a profile of kind "sim", or another sickness'
        )
    if "matrix_file" in sickness.needs and profile.get("medium") != "matrix":
        raise ConfigError(
            f'--sick {sickness.name}: needs medium = "matrix" and a square matrix_file in the profile; '
            f"`opu hil matrix --only {sickness.name}` brings its own"
        )
    kept = {"medium": "matrix", "matrix_file": profile["matrix_file"]} if "matrix_file" in sickness.needs else {}
    healthy = merged(profile, kept or sickness.needs)
    own = _with_file(sickness.settings, healthy, folder)
    if "seed" in own:
        own["seed"] += healthy.get("seed", 0)
    return merged(healthy, own)


def sick_maker(sickness: Sickness, profile: Table, build: Callable[[Table], OPU], folder: Path) -> Callable[[], OPU]:
    """A function that makes the sick device, closed. build: an OPU from a profile. Raises as sick_profile() does."""
    changed = sick_profile(sickness, profile, folder)

    def make() -> OPU:
        opu = build(changed)
        fault = sickness.fault
        if sickness.disguised:
            healthy = build(profile).spec
            fault = Fault(spec=lambda spec: replace(spec, serial=healthy.serial, fingerprint=healthy.fingerprint))
        opu.device = SickDevice(opu.device, fault)
        return opu

    return make


def _with_file(settings: Table, profile: Table, folder: Path) -> Table:
    """The settings, the matrix that they name in a file."""
    if "matrix_file" not in settings:
        return dict(settings)
    own = {"medium": "matrix", **settings}
    content = own["matrix_file"]
    if content == "transposed":
        matrix = np.load(profile["matrix_file"]).T
        if matrix.shape[0] != matrix.shape[1]:
            raise ConfigError(f"matrix_file: {matrix.T.shape} is not square, and cannot be transposed")
    else:
        size = {**profile, **own}
        matrix = _matrix(content, (size["n_outputs"], size["n_inputs"]))
    path = folder / f"{content}-{matrix.shape[0]}-{matrix.shape[1]}.npy"
    np.save(path, np.ascontiguousarray(matrix, dtype=np.complex64))
    return {**own, "matrix_file": str(path)}


def _matrix(content: str, size: tuple[int, int]) -> np.ndarray[Any, np.dtype[np.complex128]]:
    rng = np.random.default_rng(3)
    matrix = (rng.standard_normal(size) + 1j * rng.standard_normal(size)) / np.sqrt(2)
    return np.asarray(1.0 + ALIKE * matrix if content == "not-random" else matrix)

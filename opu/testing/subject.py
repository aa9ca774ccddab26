"""What the laws are put to: a device that can be made again and again, and what is known about it beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device
from opu.exposure import auto_exposure, blanked


@dataclass(frozen=True)
class Subject:
    """A device under test.

    make: a new closed device, the same physical one each time. repeatable: its noise restarts at open(), so that equal
    sequences of frames must give equal readings (a seeded simulator). intensities: |A|^2 as float[n_outputs, n_inputs]
    up to one factor, where the medium is known. similarity: least correlation of two readings of the same frames.
    """

    make: Callable[[], Device]
    repeatable: bool = False
    intensities: NDArray[Any] | None = None
    similarity: float = 0.8


@contextmanager
def exposed(subject: Subject, frames: NDArray[np.bool_] | None = None) -> Iterator[Device]:
    """The device, open and exposed for half of its inputs on, its noise at the start where it is repeatable."""
    device = subject.make()
    chosen = _exposure(subject, random_frames(device, 8) if frames is None else frames)
    device.open()
    try:
        device.configure(chosen)
        yield device
    finally:
        device.close()


def _exposure(subject: Subject, frames: NDArray[np.bool_]) -> Acquisition:
    device = subject.make()
    device.open()
    try:
        spec = device.spec
        dark_dn = 0.0
        if spec.can_blank:
            device.configure(blanked(Acquisition(spec.exposure_min_s)))
            dark_dn = float(device.measure(frames).mean())
        return auto_exposure(device, frames, dark_dn)[0]
    finally:
        device.close()


def random_frames(device: Device, n: int, seed: int = 0) -> NDArray[np.bool_]:
    """n frames with about half of the inputs on, the anchor like any other."""
    return np.random.default_rng(seed).random((n, device.spec.n_inputs)) < 0.5


def similarity(first: NDArray[Any], second: NDArray[Any]) -> float:
    """Pearson correlation of two sets of readings."""
    return float(np.corrcoef(first.ravel().astype(np.float64), second.ravel().astype(np.float64))[0, 1])

"""Who is measured: the engine, stored matrices, and rivals, each as `set_up(n, seed)` and then work on binary frames.

All give one complex projection n -> n of each frame, or what costs the same: the pair of its real and imaginary parts. The
engine and the archived simulator give its intensity. Frames are converted to what a contender takes before it is timed.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

import opu
from opu.kinds import load_kind

Frames = NDArray[np.bool_]
Work = Callable[[], Any]
Ready = Callable[[Frames, int], Work]
"""ready(frames, outputs): work that projects the frames onto the first `outputs` outputs."""


@dataclass(frozen=True)
class Contender:
    """One way to project."""

    name: str
    set_up: Callable[[int, int], Ready]
    """set_up(n, seed): everything that must exist before a frame can come; a matrix, where one is stored."""
    bytes_per_entry: int = 0
    """Of the matrix stored; 0: none."""
    divides: Literal["outputs", "frames"] = "outputs"
    """What a part of the work is made of when the whole takes too long: each output, or each frame, stands alone."""
    package: str = "numpy"


def simulator(n_inputs: int, n_outputs: int, medium: str = "dense", **parameters: Any) -> Any:
    """An open device without anchor, exposed."""
    kind = load_kind("sim")
    panel = {"columns": 1024, "rows": -(-n_inputs // 1024), "contrast_ratio": None}
    settings = {
        "n_inputs": n_inputs,
        "n_outputs": n_outputs,
        "medium": medium,
        "anchor_share": 0.0,
        "dmd": panel,
        "seed": 7,
    }
    device = kind.build(kind.settings(**{"preset": "typical", "laser": {"profile": "flat"}, **settings, **parameters}))
    device.open()
    device.configure(opu.Acquisition(1e-4))
    return device


def light_only(device: Any, frames: Frames) -> Callable[[], None]:
    """The engine without the camera: what a stored matrix product does."""
    packed, anchored = np.packbits(frames, axis=1), np.zeros(len(frames), np.float32)
    return lambda: device._light.expose(packed, anchored, 50.0, lambda *_: None)


def archived_matrix(n: int, n_outputs: int, seed: int) -> NDArray[Any]:
    """The archived OPU simulator's stored matrix (lightonml 1.4.3, transcribed)."""
    rng, std = np.random.RandomState(seed), 1 / np.sqrt(n)
    real = rng.normal(0.0, std, (n, n_outputs)).astype(np.float32)
    matrix: NDArray[Any] = real + 1.0j * rng.normal(0.0, std, (n, n_outputs)).astype(np.float32)
    return matrix


def archived_transform(x: NDArray[Any], matrix: NDArray[Any]) -> NDArray[Any]:
    """The archived OPU simulator's projection (lightonml 1.4.3, transcribed)."""
    intensity: NDArray[Any] = np.abs(np.dot(x, matrix)) ** 2
    return intensity


def _dense(n: int, seed: int) -> Ready:
    whole = simulator(n, n, seed=seed)

    def ready(frames: Frames, outputs: int) -> Work:
        shard = whole if outputs == n else simulator(n, n, seed=seed, outputs=(0, outputs))
        return light_only(shard, frames)

    return ready


def _structured(n: int, seed: int) -> Ready:
    device = simulator(n, n, "structured", seed=seed)
    return lambda frames, _: light_only(device, frames)


def _pair(n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, n), dtype=np.float32), rng.standard_normal((n, n), dtype=np.float32)


def _float32(n: int, seed: int) -> Ready:
    real, imaginary = _pair(n, seed)

    def ready(frames: Frames, outputs: int) -> Work:
        x = frames.astype(np.float32)
        return lambda: (x @ real[:, :outputs], x @ imaginary[:, :outputs])

    return ready


def _complex64(n: int, seed: int) -> Ready:
    matrix = np.empty((n, n), np.complex64)
    rng = np.random.default_rng(seed)
    matrix.real = rng.standard_normal((n, n), dtype=np.float32)
    matrix.imag = rng.standard_normal((n, n), dtype=np.float32)

    def ready(frames: Frames, outputs: int) -> Work:
        x = frames.astype(np.complex64)
        return lambda: x @ matrix[:, :outputs]

    return ready


def _archived(n: int, seed: int) -> Ready:
    matrix = archived_matrix(n, n, seed)

    def ready(frames: Frames, outputs: int) -> Work:
        x = frames.astype(np.float32)
        return lambda: archived_transform(x, matrix[:, :outputs])

    return ready


def _sklearn(n: int, seed: int) -> Ready:
    from sklearn.random_projection import GaussianRandomProjection

    projection = GaussianRandomProjection(2 * n, random_state=seed)  # the real and the imaginary parts
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # more components than inputs
        projection.fit(np.zeros((1, n), np.float32))

    def ready(frames: Frames, outputs: int) -> Work:
        part, x = copy(projection), frames.astype(np.float32)
        part.components_ = projection.components_[: 2 * outputs]
        return lambda: part.transform(x)

    return ready


def _torch(n: int, seed: int) -> Ready:
    import torch

    torch.set_num_threads(opu.get_num_threads())
    generator = torch.Generator().manual_seed(seed)
    real, imaginary = (torch.randn((n, n), generator=generator) for _ in range(2))

    def ready(frames: Frames, outputs: int) -> Work:
        x = torch.from_numpy(frames.astype(np.float32))
        return lambda: (x @ real[:, :outputs], x @ imaginary[:, :outputs])

    return ready


BASELINE = "stored float32 pair"
DENSE, STRUCTURED = "openopu dense", "openopu structured"
CONTENDERS = (
    Contender(BASELINE, _float32, 8),
    Contender("stored complex64", _complex64, 8),
    Contender("archived OPU simulator", _archived, 8),
    Contender("scikit-learn Gaussian", _sklearn, 8, package="sklearn"),
    Contender("PyTorch float32 pair", _torch, 8, package="torch"),
    Contender(DENSE, _dense),
    Contender(STRUCTURED, _structured, divides="frames"),
)


def why_not(contender: Contender, n: int, limit_bytes: int) -> str | None:
    """The reason why a contender is left out at a size, or None."""
    if importlib.util.find_spec(contender.package) is None:
        return f"{contender.package} is not installed"
    needed = contender.bytes_per_entry * n * n
    if needed > limit_bytes:
        return f"its matrix of {needed / 2**30:g} GiB is over the limit of {limit_bytes / 2**30:.3g} GiB"
    return None

"""What every measurement stands on: an open device, the outputs that are analysed, and frames of random patterns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device, DeviceSpec
from opu.errors import CapabilityError
from opu.frames import pack

Bits = NDArray[np.bool_]
Floats = NDArray[np.float64]

MAX_OUTPUTS = 4096
MIN_OUTPUTS = 32
N_BLOCKS = 32
ASSUMED_GRAIN_PX = 2.0
BLOCK_BYTES = 2**25
FILL = 0.5


class Totals(NamedTuple):
    """Over all outputs of the device: mean reading in DN, and the fraction of readings that are saturated."""

    mean_dn: Floats
    saturated: Floats


@dataclass(frozen=True)
class Bench:
    """An open device under measurement.

    outputs: indices analysed (all of them up to about 4096, else a sample; whole rows of a camera region), bad ones left
    out. seed: of the random patterns. quick: fewer frames.
    """

    device: Device
    outputs: NDArray[np.intp]
    seed: int = 0
    quick: bool = False

    @property
    def spec(self) -> DeviceSpec:
        """The device's."""
        return self.device.spec

    @property
    def name(self) -> str:
        """How messages name the device."""
        return f"{self.spec.kind} device {self.spec.serial!r}"

    def without(self, bad: NDArray[np.intp]) -> Bench:
        """The same bench, bad outputs left out; CapabilityError if too few are left."""
        return replace(self, outputs=_enough(np.setdiff1d(self.outputs, bad), self.spec, "usable "))

    @cached_property
    def block_of_output(self) -> NDArray[np.intp]:
        """Which of up to 32 blocks of neighbouring outputs each analysed output belongs to: the jackknife's units."""
        n = len(self.outputs)
        if self.spec.output_shape is None:
            return np.arange(n) * min(N_BLOCKS, n // 2) // n
        return np.unique(self.tiles.ravel()[self.outputs - self.first_row * self.tiles.shape[1]], return_inverse=True)[
            1
        ]

    @cached_property
    def first_row(self) -> int:
        """Of the region's rows that are analysed, the first."""
        assert self.spec.output_shape is not None
        return int(self.outputs[0]) // self.spec.output_shape[1]

    @cached_property
    def tiles(self) -> NDArray[np.intp]:
        """Number of the square tile at every pixel of the analysed rows: up to 32 tiles, three grains wide or more."""
        assert self.spec.output_shape is not None
        columns = self.spec.output_shape[1]
        rows = int(self.outputs[-1]) // columns - self.first_row + 1
        grain = self.spec.grain_px or ASSUMED_GRAIN_PX
        side = max(np.ceil(3 * grain), np.ceil(np.sqrt(rows * columns / N_BLOCKS)))
        down, across = (max(2, round(length / side)) for length in (rows, columns))
        return np.asarray(np.add.outer(np.arange(rows) * down // rows * across, np.arange(columns) * across // columns))

    def per_block(self, values: NDArray[Any]) -> Floats:
        """Sums over the outputs (last axis) of each block: (..., n_outputs) -> (n_blocks, ...)."""
        order = np.argsort(self.block_of_output, kind="stable")
        starts = np.flatnonzero(np.diff(self.block_of_output[order], prepend=-1))
        sums = np.add.reduceat(values.astype(np.float64, copy=False)[..., order], starts, axis=-1)
        return np.moveaxis(sums, -1, 0)

    def rng(self, purpose: int) -> np.random.Generator:
        """Random numbers of one measurement's own."""
        return np.random.default_rng([self.seed, purpose])

    def patterns(self, n: int, purpose: int, fill: float = FILL) -> Bits:
        """n random frames of data inputs alone, each with round(fill * inputs) on, at least one."""
        rng, width = self.rng(purpose), self.spec.n_data_inputs
        on = np.arange(width) < max(1, round(fill * width))
        return np.stack([rng.permutation(on) for _ in range(n)])

    def frames(self, data: Bits, anchor: bool = False) -> Bits:
        """Data bits widened to device frames, the anchor (if any) on or off."""
        where = self.spec.anchor_input
        return data if where is None else np.insert(data, where, anchor, axis=-1)

    def everything(self, n: int, on: bool) -> Bits:
        """n frames with every input, the anchor too, on or off."""
        return np.full((n, self.spec.n_inputs), on)

    def show(self, frames: Bits, acquisition: Acquisition) -> NDArray[Any]:
        """Readings of the analysed outputs, (n_frames, n_outputs) DN."""
        return np.concatenate([readings[:, self.outputs] for readings in self._blocks(frames, acquisition)])

    def totals(self, frames: Bits, acquisition: Acquisition) -> Totals:
        """Means over frames at every output of the device."""
        mean, saturated = np.zeros(self.spec.n_outputs), np.zeros(self.spec.n_outputs)
        for readings in self._blocks(frames, acquisition):
            mean += readings.sum(axis=0, dtype=np.float64)
            saturated += (readings >= self.spec.saturation_dn).sum(axis=0)
        return Totals(mean / len(frames), saturated / len(frames))

    def exposure(self, exposure_s: float, light: bool = True) -> Acquisition:
        """An exposure, clipped to what the camera can do."""
        return Acquisition(float(np.clip(exposure_s, self.spec.exposure_min_s, self.spec.exposure_max_s)), light=light)

    def _blocks(self, frames: Bits, acquisition: Acquisition) -> Iterator[NDArray[Any]]:
        self.device.configure(acquisition)
        per_frame = self.spec.n_inputs + self.spec.n_outputs * self.spec.reading_dtype.itemsize
        step = max(1, BLOCK_BYTES // per_frame)
        for start in range(0, len(frames), step):
            some = frames[start : start + step]
            yield self.device.measure(pack(some) if self.spec.packed_input else some)


def choose_outputs(spec: DeviceSpec) -> NDArray[np.intp]:
    """Up to about 4096 outputs: evenly spaced ones, or whole neighbouring rows where they are pixels of a region."""
    n = spec.n_outputs
    if spec.output_shape is not None:
        rows, columns = spec.output_shape
        count = min(rows, max(8, MAX_OUTPUTS // columns))
        first = (rows - count) // 2
        return _enough(np.arange(first * columns, (first + count) * columns), spec)
    return _enough(np.arange(0, n, -(-n // MAX_OUTPUTS)), spec)


def _enough(outputs: NDArray[np.intp], spec: DeviceSpec, kind: str = "") -> NDArray[np.intp]:
    if len(outputs) < MIN_OUTPUTS:
        raise CapabilityError(
            f"{spec.kind} device {spec.serial!r} has {len(outputs)} {kind}outputs, and a characterization needs "
            f"{MIN_OUTPUTS} for its standard errors; read more camera outputs"
        )
    return outputs

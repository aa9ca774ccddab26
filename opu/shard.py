"""A shard: the part of a simulated device that one worker measures, and what the worker does with it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from threading import Lock
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from opu.device import Acquisition, Device, Frames, Readings
from opu.errors import ConfigError
from opu.kinds import load_kind
from opu.validation import validated

OUTPUTS_TOGETHER = 4
"""Shards begin at multiples of this many outputs: one word of the medium's hash makes four entries."""

OTHER_SHARDS_KEPT = 8
"""Shards of other devices that a worker keeps ready beside those of the device it works for."""


Expose: TypeAlias = Callable[[NDArray[np.uint8], int, float], Readings]
"""expose(packed frames, number of the first, time at which it is shown in s since open()) -> their readings."""


@runtime_checkable
class Seekable(Protocol):
    """A simulated device whose readings are a function of frames, their numbers and the time: what sharding needs."""

    def seek(self, frame: int, time_s: float | None = None) -> None:
        """The next frame shown is number `frame` (from 0, as after open()); what status() counts does not change.

        time_s: since open(), for what drifts; None: as if `frame` frames had been shown with the frame time in force.
        """
        ...

    def expose(self, packed_frames: NDArray[np.uint8], first_frame: int, time_s: float) -> Readings:
        """Readings under the acquisition in force, a function of these arguments; counters and time stay."""
        ...

    def measure_by(self, expose: Expose, frames: Frames) -> Readings:
        """measure(), with the readings that `expose` gives; counters and time go on when it has returned."""
        ...


@dataclass(frozen=True)
class Shard:
    """Outputs start to stop - 1 of one device, as plain picklable values from which any process rebuilds it.

    kind: name of an entry point in `opu.devices`. settings: of the whole device, checked by that kind's model, which has
    a field `outputs`. outputs: (start, stop), counted as the settings' own `outputs` are; None: settings as they stand.
    """

    kind: str
    settings: dict[str, Any] = field(hash=False)
    outputs: tuple[int, int] | None = None

    @property
    def range(self) -> tuple[int, int]:
        """First output and the one after the last."""
        if self.outputs is None and self.settings.get("outputs") is None and "n_outputs" not in self.settings:
            raise ConfigError(
                f"shard of device kind {self.kind!r}: settings without n_outputs; give the number to share out"
            )
        start, stop = self.outputs or self.settings.get("outputs") or (0, self.settings["n_outputs"])
        return int(start), int(stop)

    @property
    def most_shards(self) -> int:
        """How many pieces can begin at a multiple of 4 outputs (the first begins where this shard does)."""
        start, stop = self.range
        return -(-stop // OUTPUTS_TOGETHER) - start // OUTPUTS_TOGETHER

    def build(self) -> Device:
        """The closed device; ConfigError if its kind is not installed here or cannot be sharded."""
        kind = load_kind(self.kind)
        settings = self.settings if self.outputs is None else self.settings | {"outputs": self.outputs}
        device = kind.build(validated(kind.settings, settings, f"shard of device kind {self.kind!r}"))
        if not isinstance(device, Seekable):
            raise ConfigError(
                f"device kind {self.kind!r} cannot be sharded: its device lacks seek, expose or measure_by, so a worker could "
                "not take up its noise where another left off; open it without an executor (opu.PooledDevice pools several "
                "real devices)"
            )
        return device

    def split(self, n: int) -> list[Shard]:
        """n shards of near-equal size that begin at multiples of 4 outputs; ConfigError if there are not enough of those."""
        start, stop = self.range
        if not 1 <= n <= self.most_shards:
            raise ConfigError(
                f"shards = {n}: outputs {start} to {stop - 1} make 1 to {self.most_shards} shards, since each begins at a "
                f"multiple of {OUTPUTS_TOGETHER} outputs; choose a number in between"
            )
        first = start // OUTPUTS_TOGETHER
        cuts = [OUTPUTS_TOGETHER * (first + k * self.most_shards // n) for k in range(1, n)]
        return [replace(self, outputs=outputs) for outputs in pairwise([start, *cuts, stop])]


def measure_shard(
    shard: Shard, acquisition: Acquisition, packed_frames: NDArray[np.uint8], first_frame: int, time_s: float = 0.0
) -> Readings:
    """What a worker does: the shard's readings of frames number first_frame onwards from time_s on, DN, (n, stop - start).

    A function of its arguments alone; the device that this process keeps for the next task only saves rebuilding it.
    """
    held = _hold(shard)
    with held.lock:
        if held.device is None:
            held.device = shard.build()
        device = held.device
        if not device.status().is_open:
            device.open()
        if device.status().acquisition != acquisition:
            device.configure(acquisition)
        assert isinstance(device, Seekable)  # build() saw to it
        return device.expose(packed_frames, first_frame, time_s)


@dataclass
class _Held:
    lock: Lock = field(default_factory=Lock)
    device: Device | None = None


_held: dict[Shard, _Held] = {}
_held_lock = Lock()


def _fresh() -> None:
    _held.clear()
    _held_lock.release()


def _hold(shard: Shard) -> _Held:
    """This process's device for the shard. Those of other devices are forgotten, least recently used first."""
    with _held_lock:
        held = _held.pop(shard, None) or _Held()
        others = [other for other in _held if (other.kind, other.settings) != (shard.kind, shard.settings)]
        for other in others[:-OTHER_SHARDS_KEPT]:
            del _held[other]
        _held[shard] = held
        return held


# A process forked while a thread works here would inherit that thread's locks, and nobody to free them.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_held_lock.acquire, after_in_parent=_held_lock.release, after_in_child=_fresh)

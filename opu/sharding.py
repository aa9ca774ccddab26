"""Scale-out: one simulated device whose outputs are shared out over the workers of any `concurrent.futures.Executor`.

from concurrent.futures import ProcessPoolExecutor
with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
    with opu.open("sim", n_inputs=784, n_outputs=100_000, executor=pool) as o:
        y = o.transform(x)           # bit-equal to one process
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, BrokenExecutor, CancelledError, Executor, Future, wait
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from opu.arrays import NUMPY
from opu.device import Acquisition, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import ConfigError, DeviceClosed, DeviceError, DeviceLost
from opu.frames import checked_packed
from opu.kinds import DeviceKind
from opu.shard import Expose, Seekable, Shard, measure_shard


def sharded(
    kind: DeviceKind, settings: BaseModel, executor: Executor | None = None, shards: int | None = None
) -> ShardedDevice:
    """The device that `kind.build(settings)` would be, closed, its outputs shared out over `executor`.

    shards: how many; left out, one for each of the executor's workers where it tells (a pool of concurrent.futures does),
    else 2. ConfigError if there is no executor, if the kind's settings have no `outputs`, or if shards do not fit.
    """
    if executor is None:
        raise ConfigError(
            f"shards = {shards} needs an executor to work on them; pass executor=concurrent.futures.ProcessPoolExecutor(...)"
        )
    missing = [key for key in ("n_outputs", "outputs") if key not in kind.settings.model_fields]
    if missing:
        raise ConfigError(
            f"device kind {kind.name!r} cannot be sharded: its settings have no field `{missing[0]}`, so a worker could not "
            "read only its part of the outputs; open it without executor and shards (opu.PooledDevice pools several devices)"
        )
    whole = Shard(kind.name, settings.model_dump())
    if shards is None:
        shards = max(1, min(getattr(executor, "_max_workers", 2), whole.most_shards))
    return ShardedDevice(whole.split(shards), executor)


class ShardedDevice:
    """One device, bit-equal to its unsharded self: every worker reads its own outputs of every frame of a batch.

    shards: of one device, in order, without gaps. executor: any; it is the caller's, and close() leaves it running. Workers
    hold nothing that they cannot rebuild, so a task may be retried by another one: with Dask,
    `Client.get_executor(retries=3)` outlives killed workers. Make pools that spawn: a fork of a process with threads hangs.

    Sharding pays over machines, when a batch takes long. One process uses every core it may run on as it is; several on one
    machine are no faster, and each should have its share of the cores (OPU_NUM_THREADS). A call costs one round trip (on
    one machine about 1 ms with processes, 12 ms with Dask) and sends n_inputs / 8 bytes a frame to every shard: do not
    shard the training steps of a small network. While no worker is left, Dask waits for a new one.

    Errors raised by a worker's device arrive as themselves; DeviceLost where the executor broke, was shut down, or gave up
    on killed workers. A failed call measured nothing and may be repeated: the frames' numbers go on where they were.
    """

    def __init__(self, shards: Sequence[Shard], executor: Executor) -> None:
        self.shards = tuple(shards)
        self.executor = executor
        if not shards:
            raise ConfigError(
                "a sharded device needs at least one shard; Shard(kind, settings).split(n) makes n of them"
            )
        self._whole = replace(self.shards[0], outputs=None).build()
        self._spec = replace(self._whole.spec, frame_arrays=NUMPY)
        _check_cover(self.shards, self._spec.n_outputs)

    @property
    def spec(self) -> DeviceSpec:
        """Identity, shape and abilities: those of the unsharded device, so that its calibration fits."""
        return self._spec

    def open(self) -> None:
        """Take the device; counters, time and frame numbers start at 0. Workers open theirs at their first task."""
        self._whole.open()

    def close(self) -> None:
        """Release the device; idempotent. The executor stays as it is."""
        self._whole.close()

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set exposure and frame time for every shard; DeviceError outside the limits."""
        return self._whole.configure(acquisition)

    def seek(self, frame: int, time_s: float | None = None) -> None:
        """The next frame shown is number `frame`, from 0, at time_s since open(); counters stay."""
        self._seekable.seek(frame, time_s)

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, on every shard and read: DN, (n, n_outputs)."""
        return self.measure_by(self.expose, frames)

    def measure_by(self, expose: Expose, frames: Frames) -> Readings:
        """measure(), with the readings that `expose` gives; time and counters are those of one whole device."""
        status = self._whole.status()
        if not status.is_open:
            raise DeviceClosed(f"{self._name} is not open, so it cannot measure; use `with`, or call open() first")
        if status.acquisition is None:
            raise DeviceError(f"{self._name}: configure() an exposure before measure()")
        return self._seekable.measure_by(expose, checked_packed(frames, self._spec.n_inputs))

    def expose(self, packed_frames: NDArray[np.uint8], first_frame: int, time_s: float) -> Readings:
        """Readings under the acquisition in force, a function of these arguments; counters and time stay."""
        task = self._whole.status().acquisition, packed_frames, first_frame, time_s
        readings: Readings = np.concatenate(self._gather(self._name, task), axis=1)
        return readings

    def status(self) -> DeviceStatus:
        """State now; light and time are those of one device that shows the frames to all outputs."""
        return replace(self._whole.status(), message=f"{len(self.shards)} shards on {type(self.executor).__name__}")

    @property
    def _name(self) -> str:
        return f"{self._spec.kind} device {self._spec.serial!r} in {len(self.shards)} shards"

    @property
    def _seekable(self) -> Seekable:
        assert isinstance(self._whole, Seekable)  # build() saw to it
        return self._whole

    def _gather(self, name: str, task: tuple[Any, ...]) -> list[Any]:
        """The shards' readings in order; the first failure cancels what has not begun."""
        futures: list[Future[Readings]] = []
        try:
            for shard in self.shards:
                futures.append(self._submit(name, shard, task))  # noqa: PERF401
            done = wait(futures, return_when=FIRST_EXCEPTION).done
            return [future.result() for future in futures if future in done]
        except (BrokenExecutor, CancelledError) as error:
            raise _lost(name, error) from error
        except Exception as error:
            # Dask's own, known by name: the core does not import it.
            if type(error).__name__ in ("KilledWorker", "CommClosedError"):
                raise _lost(name, error) from error
            raise
        finally:
            for future in futures:
                future.cancel()

    def _submit(self, name: str, shard: Shard, task: tuple[Any, ...]) -> Future[Readings]:
        try:
            return self.executor.submit(measure_shard, shard, *task)
        except RuntimeError as error:  # BrokenExecutor, or shut down
            raise _lost(name, error) from error


def _check_cover(shards: Sequence[Shard], n_outputs: int) -> None:
    ranges = [shard.outputs for shard in shards]
    one = all(replace(shard, outputs=None) == replace(shards[0], outputs=None) for shard in shards)
    known = [outputs for outputs in ranges if outputs is not None]
    joined = all(before[1] == after[0] for before, after in pairwise(known))
    if not one or len(known) < len(ranges) or not joined or known[-1][1] - known[0][0] != n_outputs:
        raise ConfigError(
            f"shards with outputs {ranges} do not make up one device of {n_outputs} outputs, in order and without gaps; "
            "Shard(kind, settings).split(n) does"
        )


def _lost(name: str, error: BaseException) -> DeviceLost:
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return DeviceLost(
        f"{name} lost its workers ({what}); nothing was measured. A worker was killed (out of memory?) or the executor was "
        "shut down: open the device again on a new executor, with more shards or fewer workers if memory ran out; "
        "distributed's Client.get_executor(retries=3) replaces killed workers by itself"
    )

"""Several devices as one: the same frames on each, their outputs side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np

from opu.device import Acquisition, Device, DeviceSpec, DeviceStatus, Frames, Readings
from opu.errors import ConfigError, DeviceClosed, DeviceError, OPUError
from opu.frames import checked_frames

AGREED = ("n_inputs", "anchor_input", "bit_depth")


class PooledDevice:
    """Devices that see the same frames, each measured by one thread a batch; outputs concatenated in the order given.

    devices: closed, of different media, with equal n_inputs, anchor_input and bit_depth, and exposures that overlap;
    ConfigError names the two that disagree. executor: threads of this process that measure; left out, each device has
    one of its own until close(). open, configure and close run in the caller's thread.

    Nothing is retried. An error is raised with the device's name once every device has finished the batch, and closes
    none; after it, counters of the devices may differ.
    """

    def __init__(self, devices: Sequence[Device], executor: ThreadPoolExecutor | None = None) -> None:
        if executor is not None and not isinstance(executor, ThreadPoolExecutor):
            raise ConfigError(
                f"a pool's executor is a {type(executor).__name__}; devices live in this process, so it must be a "
                "ThreadPoolExecutor or None (opu.open(..., executor=...) shards a simulator over processes)"
            )
        self.devices = tuple(devices)
        self.executor = executor
        self._spec = _pooled(self.devices)
        self._threads: list[ThreadPoolExecutor] = []
        self._is_open = False
        self._in_force: Acquisition | None = None
        self._each_in_force: list[Acquisition] = []

    @property
    def spec(self) -> DeviceSpec:
        """Outputs summed, limits intersected, the slowest's frame rate; fingerprint and response of all together."""
        return self._spec

    def open(self) -> None:
        """Take every device, or none: if one does not open, those that did are closed again."""
        if self._is_open:
            raise DeviceError(f"pool {self._spec.serial!r} is already open; close() it first")
        try:
            for k, device in enumerate(self.devices):
                self._named(k, device.open)
        except BaseException:
            # Only those before k were opened by us; k itself may be open for someone else.
            for opened in self.devices[:k]:
                with suppress(Exception):
                    opened.close()
            raise
        self._is_open, self._in_force, self._each_in_force = True, None, []

    def close(self) -> None:
        """Close every device even if one fails, then raise the first failure; idempotent."""
        failures: list[BaseException] = []
        for k, device in enumerate(self.devices):
            try:
                self._named(k, device.close)
            except BaseException as error:
                failures.append(error)
        self._is_open, self._in_force, self._each_in_force = False, None, []
        for thread in self._threads:
            thread.shutdown(wait=False)
        self._threads = []
        _raise_first(failures)

    def configure(self, acquisition: Acquisition) -> Acquisition:
        """Set every device; returns the longest exposure and frame time that any of them set.

        DeviceError outside the limits that all share, before any device is touched. If a device refuses all the same, the
        others go back to what was in force before, or are blanked if nothing was.
        """
        self._check_open("configure")
        spec, exposure_s = self._spec, acquisition.exposure_s
        if not spec.exposure_min_s <= exposure_s <= spec.exposure_max_s:
            raise DeviceError(
                f"pool {spec.serial!r}: exposure_s = {exposure_s:g} s is outside {spec.exposure_min_s:g} to "
                f"{spec.exposure_max_s:g} s, the limits that all its devices share; choose one inside"
            )
        in_force = []
        try:
            for k, device in enumerate(self.devices):
                in_force.append(self._named(k, device.configure, acquisition))
        except BaseException:
            before = self._each_in_force or [replace(each, light=False) for each in in_force]
            for device, each in zip(self.devices[: len(in_force)], before, strict=False):
                with suppress(Exception):
                    device.configure(each)
            raise
        times = [each.frame_time_s for each in in_force if each.frame_time_s is not None]
        longest = max(each.exposure_s for each in in_force)
        self._each_in_force = in_force
        self._in_force = replace(acquisition, exposure_s=longest, frame_time_s=max(times, default=None))
        return self._in_force

    def measure(self, frames: Frames) -> Readings:
        """Show frames, bool[n, n_inputs] or packed, on every device and read: DN, (n, n_outputs)."""
        self._check_open("measure")
        if self._in_force is None:
            raise DeviceError(f"pool {self._spec.serial!r}: configure() an exposure before measure()")
        bits = checked_frames(frames, self._spec.n_inputs)
        if self.executor is None and not self._threads:
            # One pool of one thread each, not one pool of all: a driver may mind which thread calls it.
            self._threads = [
                ThreadPoolExecutor(1, thread_name_prefix=f"opu-pool-{k}") for k in range(len(self.devices))
            ]
        executors = [self.executor] * len(self.devices) if self.executor else self._threads
        futures: list[Future[Any]] = []
        try:
            for k, (device, executor) in enumerate(zip(self.devices, executors, strict=True)):
                futures.append(executor.submit(self._named, k, device.measure, bits))
            wait(futures)
        except BaseException:
            # No device may still be at work when the caller goes on, to close it for instance.
            for future in futures:
                future.cancel()
            wait(futures)
            raise
        _raise_first([error for future in futures if (error := future.exception()) is not None])
        readings: Readings = np.concatenate([future.result() for future in futures], axis=1)
        return readings

    def status(self) -> DeviceStatus:
        """State now: light on if any's is, most frames shown, drops summed, longest time, hottest temperature."""
        each = [device.status() for device in self.devices]
        lights, interlocks = [status.light_on for status in each], {status.interlock for status in each}
        temperatures = [status.temperature_c for status in each if status.temperature_c is not None]
        saturated = sum(
            status.saturated_fraction * device.spec.n_outputs for status, device in zip(each, self.devices, strict=True)
        )
        return DeviceStatus(
            is_open=self._is_open,
            light_on=True if True in lights else None if None in lights else False,
            interlock="open" if "open" in interlocks else "closed" if "closed" in interlocks else "none",
            temperature_c=max(temperatures, default=None),
            frames_shown=max(status.frames_shown for status in each),
            frames_dropped=sum(status.frames_dropped for status in each),
            saturated_fraction=saturated / self._spec.n_outputs,
            device_seconds=max(status.device_seconds for status in each),
            acquisition=self._in_force,
            message="; ".join(f"{self._name(k)}: {status.message}" for k, status in enumerate(each) if status.message),
        )

    def _check_open(self, action: str) -> None:
        if not self._is_open:
            raise DeviceClosed(
                f"pool {self._spec.serial!r} is not open, so it cannot {action}; use `with`, or call open() first"
            )

    def _name(self, k: int) -> str:
        return _name(k, self.devices[k].spec)

    def _named(self, k: int, action: Callable[..., Any], *arguments: Any) -> Any:
        """The action's result; its error says which device it came from and stays of its type."""
        try:
            return action(*arguments)
        except OPUError as error:
            error.args = (f"{self._name(k)}: {error}",)
            raise
        except BaseException as error:
            error.add_note(f"raised by {self._name(k)} of pool {self._spec.serial!r}")
            raise


def _name(k: int, spec: DeviceSpec) -> str:
    return f"device {k} ({spec.kind} {spec.serial!r})"


def _raise_first(errors: list[BaseException]) -> None:
    if not errors:
        return
    for other in errors[1:]:
        errors[0].add_note(f"also failed: {other}")
    raise errors[0]


def _pooled(devices: Sequence[Device]) -> DeviceSpec:
    """One spec for all; ConfigError names the first two devices that cannot stand side by side."""
    if not devices:
        raise ConfigError("a pool of no devices; give PooledDevice at least one")
    specs = [device.spec for device in devices]
    for (i, one), (k, two) in combinations(enumerate(specs), 2):
        pair = f"{_name(i, one)} and {_name(k, two)} cannot be pooled"
        for key in AGREED:
            mine, its = getattr(one, key), getattr(two, key)
            if mine != its:
                raise ConfigError(f"{pair}: {key} is {mine} and {its}; give them the same, or open them one by one")
        if max(one.exposure_min_s, two.exposure_min_s) > min(one.exposure_max_s, two.exposure_max_s):
            raise ConfigError(
                f"{pair}: exposures of {one.exposure_min_s:g} to {one.exposure_max_s:g} s and {two.exposure_min_s:g} to "
                f"{two.exposure_max_s:g} s have none in common; change the cameras' limits"
            )
        if devices[i] is devices[k] or (one.fingerprint and one.fingerprint == two.fingerprint):
            raise ConfigError(
                f"{pair}: both have the medium {one.fingerprint!r}, so the outputs of one would repeat the other's; "
                "give a simulator another seed, and each device only once"
            )
    arms = {spec.reference_arm for spec in specs}
    return DeviceSpec(
        kind="pool",
        model=" + ".join(spec.model for spec in specs),
        serial=" + ".join(spec.serial for spec in specs),
        n_inputs=specs[0].n_inputs,
        n_outputs=sum(spec.n_outputs for spec in specs),
        bit_depth=specs[0].bit_depth,
        saturation_dn=min(spec.saturation_dn for spec in specs),
        frame_rate_hz=min(spec.frame_rate_hz for spec in specs),
        exposure_min_s=max(spec.exposure_min_s for spec in specs),
        exposure_max_s=min(spec.exposure_max_s for spec in specs),
        fingerprint=_digest([spec.fingerprint for spec in specs]),
        response=_digest([spec.response for spec in specs]),
        anchor_input=specs[0].anchor_input,
        anchor_share=min(spec.anchor_share for spec in specs),
        reference_arm=arms.pop() if len(arms) == 1 else "none",
        can_blank=all(spec.can_blank for spec in specs),
        medium=" + ".join(sorted({spec.medium for spec in specs})),
    )


def _digest(parts: list[str]) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]

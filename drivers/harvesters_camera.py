"""Cameras of any maker through harvesters and that maker's GenTL producer (a .cti file).

Tested with harvesters 1.4.3, genicam 1.6.0 and the simulated producer in the latter's wheel, which has neither exposure nor
trigger: connecting, features and numbered frames ran, triggering did not. It has not met a real camera.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from pydantic import Field, field_validator

from opu.errors import DeviceError, DeviceLost
from opu.part_kinds import PartKind

from .genicam_camera import GenicamCamera
from .genicam_names import Value
from .genicam_port import Block, Limits
from .genicam_settings import GenicamSettings
from .maker_library import maker_library
from .pixel_formats import format_name

SEARCH_PATH = "GENICAM_GENTL64_PATH"
NOT_IMPLEMENTED, NOT_AVAILABLE, WRITE_ONLY, READ_ONLY, READ_WRITE = range(5)


class HarvestersSettings(GenicamSettings):
    """Settings of the camera kind `harvesters`; see GenicamSettings for the rest.

    producer: the .cti file of the camera's maker; left out, every one in the folders that GENICAM_GENTL64_PATH names.
    serial: serial number; left out, the only camera there is. buffers: frames that wait in memory at most.
    """

    producer: str | None = None
    serial: str | None = None
    buffers: int = Field(64, ge=2, le=4096)

    @field_validator("producer")
    @classmethod
    def _is_a_producer(cls, value: str | None) -> str | None:
        if value is not None and not value.endswith(".cti"):
            raise ValueError(f"producer = {value!r}: a GenTL producer's name ends in .cti")
        return value


class HarvestersPort:
    """One camera of harvesters. Damaged frames never come out of it: they show as a gap in the block ids."""

    def __init__(self, settings: HarvestersSettings) -> None:
        self._settings = settings
        self._harvester: Any = None
        self._acquirer: Any = None
        self._nodes: Any = None
        self._starts_at = 1

    @property
    def first_block(self) -> int:
        """1, and 0 in USB3 Vision."""
        return self._starts_at

    def open(self) -> str:
        """Load the producers, find the camera, connect."""
        self._harvester = _harvester(self._settings)
        try:
            return self._connect()
        except BaseException:
            self.close()
            raise

    def _connect(self) -> str:
        every = list(self._harvester.device_info_list)
        there = ", ".join(f"{info.vendor} {info.model} {info.serial_number}" for info in every) or "none at all"
        wanted = self._settings.serial
        meant = [info for info in every if wanted in (None, info.serial_number)]
        if len(meant) > 1:
            raise DeviceError(f"{len(meant)} cameras answer ({there}); say which by serial")
        if not meant:
            which = "" if wanted is None else f" with serial {wanted!r}"
            raise DeviceLost(f"no camera{which} answers; there is {there}: check power, cable and producer")
        who = f"camera {meant[0].model} {meant[0].serial_number}"
        try:
            self._acquirer = self._harvester.create(every.index(meant[0]))
        except Exception as error:
            raise DeviceError(f"{who}: {error}; if another program controls it, close that") from error
        self._acquirer.num_buffers = self._settings.buffers
        self._nodes = self._acquirer.remote_device.node_map
        self._starts_at = 0 if meant[0].tl_type in ("U3V", "USB3Vision") else 1
        return who

    def close(self) -> None:
        """Disconnect and unload."""
        acquirer, self._acquirer = self._acquirer, None
        harvester, self._harvester = self._harvester, None
        if acquirer is not None:
            acquirer.destroy()
        if harvester is not None:
            harvester.reset()

    def alive(self) -> bool:
        """Whether the width can be read past the cache."""
        if self._acquirer is None:
            return False
        try:
            self._nodes.get_node("Width").get_value(False, True)
        except Exception:
            return False
        return True

    def has(self, name: str) -> bool:
        """Implemented and available now."""
        return bool(self._nodes.has_node(name)) and self._access(name) in (WRITE_ONLY, READ_ONLY, READ_WRITE)

    def writable(self, name: str) -> bool:
        """Whether it can be set now."""
        return self._access(name) in (WRITE_ONLY, READ_WRITE)

    def get(self, name: str) -> Value:
        """Its value."""
        value: Value = self._nodes.get_node(name).value
        return value

    def set(self, name: str, value: Value) -> None:
        """Set it."""
        self._nodes.get_node(name).value = value

    def limits(self, name: str) -> Limits:
        """Of a number, now."""
        node = self._nodes.get_node(name)
        step = None
        with suppress(Exception):  # a float without one
            step = float(node.inc)
        return Limits(float(node.min), float(node.max), step)

    def entries(self, name: str) -> list[str]:
        """What an enumeration accepts."""
        return list(self._nodes.get_node(name).symbolics)

    def unit(self, name: str) -> str:
        """As the camera states it."""
        return str(getattr(self._nodes.get_node(name), "unit", ""))

    def execute(self, name: str) -> None:
        """A command."""
        self._nodes.get_node(name).execute()

    def start(self, *, drained: bool) -> None:  # noqa: ARG002 (its buffers wait by themselves)
        """Queue the buffers, start the acquisition."""
        self._acquirer.start()

    def grab(self, timeout_s: float) -> Block | None:
        """The next whole frame; the library gives up at once on a damaged one, which is no reason to."""
        deadline = monotonic() + timeout_s
        buffer = None
        while buffer is None and (left_s := deadline - monotonic()) > 0:
            buffer = self._acquirer.try_fetch(timeout=left_s, is_raw=True)
        if buffer is None:
            return None
        try:
            ticks = None
            with suppress(Exception):  # a producer that gives no times
                ticks = int(buffer.timestamp_ns) or None
            return Block(
                block_id=int(buffer.frame_id),
                payload=buffer.raw_buffer[buffer.image_offset :],
                pixel_format=format_name(int(buffer.pixel_format)),
                rows=int(buffer.height),
                columns=int(buffer.width),
                padding_x=int(buffer.padding_x),
                ticks=ticks,
            )
        finally:
            buffer.parent.queue_buffer(buffer)

    def stop(self) -> None:
        """Stop the acquisition; frames that wait are dropped."""
        if self._acquirer is not None and self._acquirer.is_acquiring():
            self._acquirer.stop()

    def _access(self, name: str) -> int:
        return int(self._nodes.get_node(name).get_access_mode())


def _harvester(settings: HarvestersSettings) -> Any:
    harvester = maker_library("harvesters.core", "harvesters", "harvesters").Harvester()
    folders = [Path(folder) for folder in os.environ.get(SEARCH_PATH, "").split(os.pathsep) if folder]
    producers = sorted(str(file) for folder in folders for file in folder.glob("*.cti"))
    if settings.producer is not None:
        producers = [settings.producer]
    missing = [file for file in producers if not Path(file).is_file()]
    if missing or not producers:
        raise DeviceError(
            f"no GenTL producer {', '.join(missing) or f'in {SEARCH_PATH}'}; install the camera maker's software, and set "
            "producer to its .cti file"
        )
    try:
        for file in producers:
            harvester.add_file(file)
        harvester.update()
    except BaseException:
        harvester.reset()
        raise
    return harvester


def build(settings: HarvestersSettings) -> GenicamCamera:
    """A closed camera."""
    return GenicamCamera(settings, lambda: HarvestersPort(settings))


HARVESTERS = PartKind(
    name="harvesters",
    role="camera",
    summary="any camera with a GenTL producer (.cti), through harvesters",
    settings=HarvestersSettings,
    build=build,
    starter="""\
kind = "harvesters"
producer = "/opt/maker/lib/producer.cti"   # left out: those in GENICAM_GENTL64_PATH
# serial = "40012345"        # left out: the only camera there is
# pixel_format = "Mono8"
# trigger_line = "Line1"     # where pulses arrive
""",
)

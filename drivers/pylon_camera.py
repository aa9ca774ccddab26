"""Basler cameras through pypylon, Basler's own software.

Tested with pypylon 26.9 and its camera emulator (PYLON_CAMEMU=1), hardware triggers excepted. It has not met a real camera.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pydantic import Field

from opu.errors import DeviceError, DeviceLost
from opu.part_kinds import PartKind

from .genicam_camera import GenicamCamera
from .genicam_names import TRIGGER_SOFTWARE, Value
from .genicam_port import Block, Limits
from .genicam_settings import GenicamSettings
from .maker_library import maker_library
from .pixel_formats import format_name

READY_MS = 1000


class PylonSettings(GenicamSettings):
    """Settings of the camera kind `pylon`; see GenicamSettings for the rest.

    serial: serial number; left out, the only camera there is. buffers: frames that wait in memory at most.
    """

    serial: str | None = None
    buffers: int = Field(64, ge=2, le=4096)


class PylonPort:
    """One camera of pypylon. A software trigger waits until the camera can take it: one sent too early is lost."""

    def __init__(self, settings: PylonSettings) -> None:
        self._settings = settings
        self._camera: Any = None
        self._nodes: Any = None
        self._starts_at = 1

    @property
    def first_block(self) -> int:
        """1 over GigE, 0 over USB and in the emulator."""
        return self._starts_at

    def open(self) -> str:
        """Find the camera and take control of it."""
        pylon = _library()
        factory = pylon.TlFactory.GetInstance()
        every = list(factory.EnumerateDevices())
        there = ", ".join(f"{info.GetModelName()} {info.GetSerialNumber()}" for info in every) or "none at all"
        wanted = self._settings.serial
        meant = [info for info in every if wanted in (None, info.GetSerialNumber())]
        if len(meant) > 1:
            raise DeviceError(f"{len(meant)} cameras answer ({there}); say which by serial")
        if not meant:
            which = "" if wanted is None else f" with serial {wanted!r}"
            raise DeviceLost(f"no camera{which} answers; there is {there}: check power, cable and network settings")
        who = f"camera {meant[0].GetModelName()} {meant[0].GetSerialNumber()}"
        self._starts_at = 1 if meant[0].GetDeviceClass() == "BaslerGigE" else 0
        try:
            self._camera = pylon.InstantCamera(factory.CreateDevice(meant[0]))
            self._camera.Open()
        except pylon.GenericException as error:
            raise DeviceError(f"{who}: {error}; if another program controls it, close that") from error
        self._camera.MaxNumBuffer.SetValue(self._settings.buffers)
        self._nodes = self._camera.GetNodeMap()
        return who

    def close(self) -> None:
        """Give control back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.Close()
            camera.DestroyDevice()

    def alive(self) -> bool:
        """Whether it is there and the width can be read past the cache."""
        if self._camera is None or self._camera.IsCameraDeviceRemoved():
            return False
        try:
            self._nodes.GetNode("Width").GetValue(False, True)
        except Exception:
            return False
        return True

    def has(self, name: str) -> bool:
        """Implemented and available now."""
        node = self._nodes.GetNode(name)
        return node is not None and bool(_genicam().IsReadable(node) or _genicam().IsWritable(node))

    def writable(self, name: str) -> bool:
        """Whether it can be set now."""
        return bool(_genicam().IsWritable(self._nodes.GetNode(name)))

    def get(self, name: str) -> Value:
        """Its value."""
        value: Value = self._nodes.GetNode(name).GetValue()
        return value

    def set(self, name: str, value: Value) -> None:
        """Set it."""
        self._nodes.GetNode(name).SetValue(value)

    def limits(self, name: str) -> Limits:
        """Of a number, now."""
        node, step = self._nodes.GetNode(name), None
        with suppress(Exception):  # a float without one
            step = float(node.GetInc())
        return Limits(float(node.GetMin()), float(node.GetMax()), step)

    def entries(self, name: str) -> list[str]:
        """What an enumeration accepts."""
        return list(self._nodes.GetNode(name).Symbolics)

    def unit(self, name: str) -> str:
        """As the camera states it."""
        return str(self._nodes.GetNode(name).GetUnit())

    def execute(self, name: str) -> None:
        """A command."""
        if name == TRIGGER_SOFTWARE and self._camera.CanWaitForFrameTriggerReady():
            self._camera.WaitForFrameTriggerReady(READY_MS, _library().TimeoutHandling_ThrowException)
        self._nodes.GetNode(name).Execute()

    def start(self, *, drained: bool) -> None:  # noqa: ARG002 (its buffers wait by themselves)
        """Every frame, in order."""
        self._camera.StartGrabbing(_library().GrabStrategy_OneByOne)

    def grab(self, timeout_s: float) -> Block | None:
        """The next frame, damaged or not."""
        result = self._camera.RetrieveResult(max(1, round(timeout_s * 1e3)), _library().TimeoutHandling_Return)
        if not result.IsValid():
            return None
        try:
            whole = bool(result.GrabSucceeded())
            return Block(
                block_id=int(result.GetBlockID()),
                payload=bytes(result.GetBuffer()) if whole else b"",
                pixel_format=format_name(int(result.GetPixelType())) if whole else "",
                rows=int(result.GetHeight()) if whole else 0,
                columns=int(result.GetWidth()) if whole else 0,
                padding_x=int(result.GetPaddingX()) if whole else 0,
                complete=whole,
                ticks=int(result.GetTimeStamp()) or None if whole else None,
            )
        finally:
            result.Release()

    def stop(self) -> None:
        """Stop the acquisition; frames that wait are dropped."""
        if self._camera is not None and self._camera.IsGrabbing():
            self._camera.StopGrabbing()


def _library() -> Any:
    return maker_library("pypylon.pylon", "pylon", "pylon")


def _genicam() -> Any:
    return maker_library("pypylon.genicam", "pylon", "pylon")


def build(settings: PylonSettings) -> GenicamCamera:
    """A closed camera."""
    return GenicamCamera(settings, lambda: PylonPort(settings))


PYLON = PartKind(
    name="pylon",
    role="camera",
    summary="Basler camera through pypylon, Basler's own software",
    settings=PylonSettings,
    build=build,
    starter="""\
kind = "pylon"
# serial = "40012345"        # left out: the only camera there is
# pixel_format = "Mono8"
# trigger_line = "Line1"     # where pulses arrive
""",
)

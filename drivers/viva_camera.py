"""GigE Vision and USB3 Vision cameras through viva-genicam (MIT), without any vendor's software.

Tested with viva-genicam 0.10.0 against its own fake cameras (lost packets, late acknowledgements) and Aravis 0.8's fake
GigE Vision camera. It has not met a real camera.
"""

from __future__ import annotations

from contextlib import suppress
from time import monotonic
from typing import Any

from pydantic import Field

from opu.errors import DeviceError, DeviceLost
from opu.part_kinds import PartKind

from .genicam_camera import GenicamCamera
from .genicam_names import SERIAL, Value
from .genicam_port import Block, Limits
from .genicam_settings import GenicamSettings
from .maker_library import maker_library
from .viva_stream import Drain, next_frame

SEARCH_SLICE_S = 0.05
"""A search takes all its time however fast a camera answers, so one that was named is looked for in slices."""
VERSION_REGISTER = 0x0000
"""Bootstrap register 0 of GigE Vision and of GenCP: every camera answers to it."""


class VivaSettings(GenicamSettings):
    """Settings of the camera kind `viva`; see GenicamSettings for the rest.

    address: IP or MAC address of a GigE camera. serial: serial number, of either transport. Left out both: the only camera
    there is. interface: host interface towards the camera, by address or name. discovery_s: how long cameras have to
    answer a search. packet_bytes: GigE Vision packet size; left out, the camera's own.
    packet_delay_s: pause between packets, for a switch that cannot keep up. resend: ask for lost packets again.
    """

    address: str | None = None
    serial: str | None = None
    interface: str | None = None
    discovery_s: float = Field(0.5, gt=0, le=60)
    packet_bytes: int | None = Field(None, ge=576, le=16384)
    packet_delay_s: float | None = Field(None, ge=0, le=1e-3)
    resend: bool = True


class VivaPort:
    """One camera of viva-genicam.

    Traps: its stream keeps four frames, the newest, so a burst needs a thread that drains it; it answers reads from a
    cache long after the camera is gone, so alive() reads a register; a GigE camera's serial number is known only after
    connecting, so looking for one opens every camera for reading.
    """

    def __init__(self, settings: VivaSettings) -> None:
        self._settings = settings
        self._camera: Any = None
        self._stream: Any = None
        self._drain: Drain | None = None

    @property
    def first_block(self) -> int:
        """1 in GigE Vision, 0 in USB3 Vision."""
        return 1 if self._camera.transport == "gige" else 0

    def open(self) -> str:
        """Find the camera and take control of it."""
        viva = _library()
        found = _find(viva, self._settings)
        who = f"camera {found.model or ''} {_address(found)}".replace("  ", " ")
        try:
            self._camera = (
                viva.connect_gige(found, self._settings.interface)
                if found.transport == "gige"
                else viva.connect_u3v(found)
            )
        except viva.GenicamError as error:
            raise DeviceError(f"{who}: {error}; if another program controls it, close that") from error
        return who

    def close(self) -> None:
        """Give control back."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def alive(self) -> bool:
        """Whether a register can be read and control is ours."""
        if self._camera is None or (self._camera.transport == "gige" and self._camera.control_state != "Held"):
            return False
        try:
            self._camera.read_register(VERSION_REGISTER, 4)
        except Exception:
            return False
        return True

    def has(self, name: str) -> bool:
        """Implemented and available now."""
        try:
            state = self._camera.feature_state(name)
        except _library().GenApiError:
            return False
        return bool(state.is_implemented and state.is_available)

    def writable(self, name: str) -> bool:
        """Whether it can be set now."""
        return "W" in (self._camera.feature_state(name).access or "")

    def get(self, name: str) -> Value:
        """Its value."""
        value: Value = self._camera.feature_state(name).value
        return value

    def set(self, name: str, value: Value) -> None:
        """Set it, by the kind of the feature rather than of the value."""
        state = self._camera.feature_state(name)
        if isinstance(state.value, bool):
            self._camera.set_bool(name, bool(value))
        elif isinstance(state.value, float):
            self._camera.set_float(name, float(value))
        elif isinstance(state.value, int):
            self._camera.set_integer(name, int(value))
        else:
            self._camera.set(name, str(value))

    def limits(self, name: str) -> Limits:
        """Of a number, now."""
        found = self._camera.feature_state(name).range
        if found is None:
            raise DeviceError(f"the camera states no limits of {name}; it is of no use here")
        return Limits(found.min, found.max, found.inc)

    def entries(self, name: str) -> list[str]:
        """What an enumeration accepts now."""
        return list(self._camera.available_enum_entries(name))

    def unit(self, name: str) -> str:
        """As the camera states it."""
        return self._camera.feature_state(name).unit or ""

    def execute(self, name: str) -> None:
        """A command; the camera acts on the write itself."""
        self._camera.execute(name, wait=False)

    def start(self, *, drained: bool) -> None:
        """Open the stream, then start the acquisition."""
        wanted = self._settings
        delay_s = wanted.packet_delay_s
        self._stream = self._camera.stream(
            iface=wanted.interface,
            packet_size=wanted.packet_bytes,
            packet_delay_ns=None if delay_s is None else round(delay_s * 1e9),
            resend=wanted.resend,
            deliver_incomplete=True,
        )
        self._stream.__enter__()
        if drained:
            self._drain = Drain(self._stream, _library().TransportError)

    def grab(self, timeout_s: float) -> Block | None:
        """The next frame, with packets missing or not."""
        frame = (
            next_frame(self._stream, timeout_s, _library().TransportError)
            if self._drain is None
            else self._drain.get(timeout_s)
        )
        if frame is None:
            return None
        return Block(
            block_id=frame.block_id,
            payload=frame.payload(),
            pixel_format=frame.pixel_format,
            rows=frame.height,
            columns=frame.width,
            padding_x=frame.padding_x,
            complete=frame.is_complete,
            ticks=frame.ts_dev,
        )

    def stop(self) -> None:
        """Stop the acquisition, close the stream."""
        stream, self._stream = self._stream, None
        drain, self._drain = self._drain, None
        if drain is not None:
            drain.stop()
        if stream is not None:
            stream.__exit__(None, None, None)


def _library() -> Any:
    return maker_library("viva_genicam", "viva", "viva")


def _address(info: Any) -> str:
    return str(info.ip) if info.transport == "gige" else f"USB {info.bus}-{info.address}"


def _find(viva: Any, settings: VivaSettings) -> Any:
    """The one camera meant; DeviceLost if it does not answer, DeviceError if it is not clear which is meant."""
    named = settings.address is not None or settings.serial is not None
    deadline = monotonic() + settings.discovery_s
    while True:
        left_s = deadline - monotonic()
        slice_s = max(0.01, min(SEARCH_SLICE_S, left_s)) if named else settings.discovery_s
        every = list(viva.discover(timeout_ms=round(slice_s * 1e3), iface=settings.interface, all=True))
        with suppress(Exception):  # a machine without USB
            every += viva.discover_u3v()
        meant = [info for info in every if _meant(viva, info, settings)]
        if meant or not named or monotonic() >= deadline:
            break
    if len(meant) == 1:
        return meant[0]
    there = ", ".join(f"{info.manufacturer} {info.model} at {_address(info)}" for info in every) or "none at all"
    wanted = " and ".join(f"{key} {value!r}" for key in ("address", "serial") if (value := getattr(settings, key)))
    if meant:
        raise DeviceError(f"{len(meant)} cameras answer ({there}); say which by address or serial")
    raise DeviceLost(
        f"no camera{' with ' + wanted if wanted else ''} answers within {settings.discovery_s:g} s; there is {there}: check "
        "power, cable, interface and firewall (UDP port 3956)"
    )


def _meant(viva: Any, info: Any, settings: VivaSettings) -> bool:
    gige = info.transport == "gige"
    if settings.address is not None and not (gige and settings.address.lower() in (info.ip, info.mac.lower())):
        return False
    if settings.serial is None:
        return True
    if not gige:
        return bool(info.serial == settings.serial)
    try:
        with viva.connect_gige(info, settings.interface, monitor=True) as camera:
            for name in SERIAL:
                with suppress(viva.GenicamError):
                    return bool(camera.get(name) == settings.serial)
    except viva.GenicamError:
        return False
    return False


def build(settings: VivaSettings) -> GenicamCamera:
    """A closed camera."""
    return GenicamCamera(settings, lambda: VivaPort(settings))


VIVA = PartKind(
    name="viva",
    role="camera",
    summary="GigE Vision or USB3 Vision camera through viva-genicam, no vendor software",
    settings=VivaSettings,
    build=build,
    starter="""\
kind = "viva"
# address = "192.168.1.10"   # IP or MAC of a GigE camera; or:
# serial = "40012345"        # left out both: the only camera there is
# pixel_format = "Mono8"     # Mono10, Mono12, Mono12p ... as the camera has them
# trigger_line = "Line1"     # where pulses arrive
# packet_bytes = 8192        # jumbo frames; left out: the camera's own
""",
)

"""`opu serve`: any device as an instrument on the network, until it is told to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event, current_thread, main_thread
from types import FrameType, TracebackType
from typing import Any, Self

import typer

from opu.config import Config
from opu.device import Device
from opu.errors import ConfigError
from opu.factory import build_profile

from .access import Gate, check_exposure, read_token, server_tls
from .hislip import serve_hislip
from .instrument import Instrument
from .limits import Limits
from .listener import Listener
from .service import Service
from .socket_server import serve_socket
from .watchdog import Watchdog

STOPPING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGBREAK") if hasattr(signal, name))


@dataclass(frozen=True)
class Access:
    """Where to listen and who may come. bind, hislip_bind: "address:port", port 0 for any free one; None: not served."""

    bind: str | None = "127.0.0.1:5025"
    hislip_bind: str | None = None
    token_file: str | Path | None = None
    token_env: str | None = None
    allow: tuple[str, ...] = ()
    tls_cert: str | Path | None = None
    tls_key: str | Path | None = None


class Appliance:
    """A device being served, from construction to stop(). Its light is off at both ends."""

    def __init__(
        self,
        device: Device,
        access: Access | None = None,
        limits: Limits | None = None,
        *,
        light_off: str | None = None,
        profile: Mapping[str, Any] | None = None,
    ) -> None:
        access = access or Access()
        token = read_token(access.token_env, access.token_file)
        places = [_place(bind, what) for bind, what in ((access.bind, "bind"), (access.hislip_bind, "hislip-bind"))]
        if not any(places):
            raise ConfigError("nothing to serve: give --bind ADDRESS:PORT or --hislip-bind ADDRESS:PORT")
        for place in places:
            if place is not None:
                check_exposure(place[0], access.allow, token, "opu serve")
        tls = server_tls(access.tls_cert, access.tls_key)
        if tls is not None and places[1] is not None and not _local(places[1][0]):
            raise ConfigError("HiSLIP is not encrypted here: with TLS, bind it to 127.0.0.1 or leave it out")
        device.close()
        self.device = device
        self.watchdog = None if light_off is None else Watchdog(light_off, profile or {})
        self.instrument = Instrument(device, limits)
        self.service = service = Service(self.instrument, Gate(access.allow, token))
        self.listeners: list[Listener] = []
        self.resources: list[str] = []
        """VISA addresses of what is served."""
        try:
            if places[0] is not None:
                listener = serve_socket(service, *places[0], tls)
                self.listeners.append(listener)
                self.resources.append(f"TCPIP::{listener.host}::{listener.port}::SOCKET")
            if places[1] is not None:
                listener = serve_hislip(service, *places[1])
                self.listeners.append(listener)
                self.resources.append(f"TCPIP::{listener.host}::hislip0,{listener.port}::INSTR")
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Light off first, then everything else; idempotent."""
        try:
            self.instrument.shutdown()
        finally:
            for listener in self.listeners:
                listener.stop()
        if (
            self.watchdog is not None
        ):  # reached only when the device has closed: otherwise its end of the pipe calls the hook
            self.watchdog.farewell()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def run(
    config: Config,
    *,
    bind: str | None = "127.0.0.1:5025",
    hislip_bind: str | None = None,
    token_file: str | Path | None = None,
    token_env: str | None = None,
    allow: Iterable[str] = (),
    tls_cert: str | Path | None = None,
    tls_key: str | Path | None = None,
    dead_man_s: float = 1.5,
    idle_s: float = 600.0,
    block_bytes: int = 16 << 20,
    links: int = 16,
    messages_per_s: int = 50_000,
    light_off: str | None = None,
    echo: Callable[[str], None] = typer.echo,
) -> None:
    """Serve the chosen profile's device until SIGTERM, SIGINT or SIGHUP; ConfigError before anything listens.

    dead_man_s: after so long without a word from the controller the light goes off and another may take over. light_off:
    `module:function`, called by a watchdog process should the server die; left out, the profile's own key of that name.
    """
    for name, value, low, high in (
        ("dead-man", dead_man_s, 0.2, 3600),
        ("idle", idle_s, 1, 1e7),
        ("links", links, 1, 4096),
    ):
        if not low <= value <= high:
            raise ConfigError(f"opu serve: --{name} {value:g}: choose {low:g} to {high:g}")
    if block_bytes < 65536 or messages_per_s < 1:
        raise ConfigError("opu serve: block-bytes must be at least 65536 and messages-per-s at least 1")
    profile = config.profile()
    limits = Limits(
        block_bytes=block_bytes,
        reply_bytes=block_bytes,
        keep_bytes=4 * block_bytes,
        dead_man_s=dead_man_s,
        idle_s=idle_s,
        links=links,
        messages_per_s=messages_per_s,
    )
    access = Access(bind, hislip_bind, token_file, token_env, tuple(allow), tls_cert, tls_key)
    hook = light_off or profile.get("light_off")
    device = build_profile(config).device
    stopping = Event()
    with (
        _handled(stopping),
        Appliance(device, access, limits, light_off=hook, profile=profile) as appliance,
    ):
        spec = device.spec
        echo(f"serving {spec.kind} device {spec.serial!r}: {spec.n_inputs} inputs, {spec.n_outputs} outputs")
        for resource in appliance.resources:
            echo(f"  {resource}")
        echo("stop with Ctrl-C")
        stopping.wait()
    echo("light off, stopped")


class _handled:
    """Signals that end a process set the event instead, inside."""

    def __init__(self, stopping: Event) -> None:
        self._stopping = stopping
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if current_thread() is main_thread():
            self._before = {number: signal.signal(number, self._stop) for number in STOPPING}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping.set()


def _place(bind: str | None, what: str) -> tuple[str, int] | None:
    if bind is None:
        return None
    host, _, port = bind.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise ConfigError(f"--{what} {bind}: write ADDRESS:PORT, such as 127.0.0.1:5025 (port 0: any free one)")
    return host.strip("[]"), int(port)


def _local(host: str) -> bool:
    return Gate().admits(host)

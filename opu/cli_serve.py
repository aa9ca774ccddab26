"""The command that puts a device on the network. `opu.drivers` is imported by it."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from opu.cli_options import ConfigOption, DeviceOption, SetOption, chosen


def serve(
    config: ConfigOption = None,
    device: DeviceOption = None,
    overrides: SetOption = None,
    bind: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="Where the raw socket listens.")] = "127.0.0.1:5025",
    hislip_bind: Annotated[
        str | None,
        typer.Option("--hislip", metavar="ADDRESS:PORT", help="Listen for HiSLIP there as well (port 4880)."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="Who may connect from elsewhere: an address or network. May be repeated."),
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="File with the token that clients from elsewhere must know.")
    ] = None,
    token_env: Annotated[str | None, typer.Option(metavar="NAME", help="Environment variable with that token.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="FILE", help="Certificate: TLS on the raw socket.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="FILE", help="Its key.")] = None,
    dead_man_s: Annotated[
        float,
        typer.Option("--dead-man", metavar="SECONDS", help="Silence of the controller after which the light goes off."),
    ] = 1.5,
    light_off: Annotated[
        str | None,
        typer.Option(metavar="MODULE:FUNCTION", help="What a watchdog calls to put the light off if the server dies."),
    ] = None,
) -> None:
    """Serve a device as a SCPI instrument, for `kind = "visa"` and anything else that speaks VISA.

    Only this machine may connect, unless --bind, --allow and a token say otherwise. Ctrl-C stops it, light off.
    """
    import_module("opu.drivers.serve").run(
        chosen(config, device, overrides),
        bind=bind,
        hislip_bind=hislip_bind,
        allow=allow or (),
        token_file=token_file,
        token_env=token_env,
        tls_cert=tls_cert,
        tls_key=tls_key,
        dead_man_s=dead_man_s,
        light_off=light_off,
    )

"""`opu serve`. `opu.drivers` is imported by the command that needs it."""

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
    bind: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Raw SOCKET; port 0: any; '' for none.")
    ] = "127.0.0.1:5025",
    hislip_bind: Annotated[str, typer.Option(metavar="ADDRESS:PORT", help="HiSLIP.  [default: not served]")] = "",
    allow: Annotated[
        list[str] | None, typer.Option(metavar="NETWORK", help="Who may connect, 192.0.2.0/24. May be repeated.")
    ] = None,
    token_file: Annotated[Path | None, typer.Option(metavar="FILE", help="The token that clients must prove.")] = None,
    token_env: Annotated[str | None, typer.Option(metavar="NAME", help="Environment variable with the token.")] = None,
    tls_cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Certificate: SOCKET is encrypted.")] = None,
    tls_key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its key.")] = None,
    dead_man_s: Annotated[
        float, typer.Option("--dead-man", metavar="S", help="Silence before the light goes off.")
    ] = 1.5,
    light_off: Annotated[
        str | None, typer.Option(metavar="MODULE:FUNCTION", help="What a watchdog process calls if the server dies.")
    ] = None,
) -> None:
    """Put a device on the network: SCPI over SOCKET and HiSLIP, for device kind `visa` and any VISA client."""
    import_module("opu.drivers.serve").run(
        chosen(config, device, overrides),
        bind=bind or None,
        hislip_bind=hislip_bind or None,
        allow=allow or (),
        token_file=token_file,
        token_env=token_env,
        tls_cert=tls_cert,
        tls_key=tls_key,
        dead_man_s=dead_man_s,
        light_off=light_off,
    )

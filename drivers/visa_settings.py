"""Where an appliance is and how patient its client should be."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from .checked import Settings

Seconds = Annotated[float, Field(gt=0, le=86400)]


class VisaSettings(Settings):
    """Settings of the device kind `visa`.

    resource: VISA address, `TCPIP::host::port::SOCKET` or `TCPIP::host::hislip0,port::INSTR`. token_env, token_file: where
    the token is that the server asks for beyond loopback; it is never sent, only a keyed hash of the server's challenge.
    tls_ca: PEM file of the certificate to believe (SOCKET); the host's name or address must stand in it. timeout_s: an
    answer that takes longer is a lost link. reconnect_s: how long a lost link is tried again before DeviceLost.
    heartbeat_s: left out, a third of the server's dead-man time. block_bytes: size of the blocks in which frames and
    readings travel, within the server's limit. library: pyvisa's word for the VISA library, "@py" for pyvisa-py.
    """

    resource: str = Field(min_length=1)
    token_env: str | None = None
    token_file: str | None = None
    tls_ca: str | None = None
    timeout_s: Seconds = 5.0
    reconnect_s: Annotated[float, Field(ge=0, le=86400)] = 30.0
    heartbeat_s: Seconds | None = None
    block_bytes: int = Field(default=4 << 20, ge=4096, le=1 << 30)
    library: str = "@py"

    @model_validator(mode="after")
    def _one_token(self) -> Self:
        if self.token_env is not None and self.token_file is not None:
            raise ValueError("token_env and token_file are both set; leave one out")
        if self.tls_ca is not None and "SOCKET" not in self.resource.upper():
            raise ValueError("tls_ca needs a SOCKET resource, TCPIP::host::port::SOCKET; HiSLIP is not encrypted here")
        return self

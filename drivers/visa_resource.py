"""A VISA resource opened: every way in which that can fail, told apart."""

from __future__ import annotations

import socket
from typing import Any

from opu.errors import ConfigError

from .transport import LinkError, close_abandoned

PACKAGES = {"ASRL": "pyserial", "USB": "pyusb"}
"""What pyvisa-py needs for these links, and says with a ValueError that it lacks."""


def open_resource(address: str, library: str, timeout_s: float, forms: str) -> Any:
    """pyvisa's resource, its timeout set.

    library: pyvisa's word for the VISA library, "@py" for pyvisa-py. forms: addresses to write instead of a wrong one.
    LinkError: nothing answers there; ConfigError: it cannot be opened from here at all.
    """
    try:
        import pyvisa
    except ImportError:
        raise ConfigError(f"{address}: needs pyvisa: pip install 'openopu[visa]'") from None
    try:
        manager = pyvisa.ResourceManager(library)
    except (ValueError, OSError) as error:
        raise ConfigError(f"library = {library!r}: {error}; leave it out for pyvisa-py") from None
    try:
        resource: Any = manager.open_resource(address, open_timeout=round(1000 * timeout_s))
    except pyvisa.errors.VisaIOError as error:
        if error.error_code == pyvisa.constants.StatusCode.error_invalid_resource_name:
            raise ConfigError(f"resource = {address!r} is no VISA address; write {forms}") from None
        close_abandoned(error)
        raise LinkError(f"cannot connect: {error.__context__ or error.description}") from None
    except Exception as error:  # pyvisa-py and pyserial raise OSError, RuntimeError, AssertionError and Exception here
        close_abandoned(error)
        for start, package in PACKAGES.items():
            if isinstance(error, ValueError) and address.upper().startswith(start):
                raise ConfigError(f"{address}: {error}; pip install {package}") from None
        raise LinkError(f"cannot connect: {error}") from None
    resource.timeout = round(1000 * timeout_s)
    return resource


def socket_of(resource: Any) -> socket.socket | None:
    """The socket under a SOCKET resource of pyvisa-py; None for other resources and libraries."""
    inner: Any = getattr(resource.visalib, "sessions", {}).get(resource.session)
    found = getattr(inner, "interface", None)
    return found if isinstance(found, socket.socket) else None

import socket

import pytest
from opu.drivers.transport import LinkError
from opu.drivers.visa_resource import open_resource, socket_of

from opu.errors import ConfigError


def test_the_socket_under_a_resource_is_found():
    with socket.create_server(("127.0.0.1", 0)) as server:
        resource = open_resource(f"TCPIP::127.0.0.1::{server.getsockname()[1]}::SOCKET", "@py", 2.0, "")
        try:
            found = socket_of(resource)
            assert found is not None
            assert found.getpeername() == server.getsockname()
            assert resource.timeout == 2000
        finally:
            resource.close()


def test_nobody_there_is_a_lost_link():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkError, match="cannot connect"):
        open_resource(f"TCPIP::127.0.0.1::hislip0,{port}::INSTR", "@py", 0.5, "")


def test_what_cannot_be_opened_from_here_says_what_to_write():
    with pytest.raises(ConfigError, match="'the red one' is no VISA address; write TCPIP"):
        open_resource("the red one", "@py", 0.5, "TCPIP::host::port::SOCKET")
    with pytest.raises(ConfigError, match=r"library = '@none'.*leave it out for pyvisa-py"):
        open_resource("TCPIP::127.0.0.1::1::SOCKET", "@none", 0.5, "")

"""`opu serve` as a process of its own: what is killed, by which signal, and when the light is off."""

import os
import signal
import sys
from pathlib import Path

import pytest
from opu.drivers.serve import run

from opu.config import Config
from opu.device import Acquisition
from opu.errors import ConfigError

from .conftest import until

SERVER = """
from opu.config import Config
from opu.drivers.serve import run
config = Config("test", "lamp", {{"lamp": {{"kind": "lamp", "lamp": {lamp!r}{more}}}}})
run(config, bind="127.0.0.1:0", hislip_bind="127.0.0.1:0")
"""

CLIENT = """
import time
from opu.drivers.visa_device import VisaDevice
from opu.drivers.visa_settings import VisaSettings
from opu.device import Acquisition
device = VisaDevice(VisaSettings(resource={resource!r}))
device.open()
device.configure(Acquisition(1e-3))
print("lit")
time.sleep(60)
"""

HOOK = ', "light_off": "lamp:light_off"'

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")


@pytest.fixture
def lamp(tmp_path):
    return tmp_path / "lamp"


def started(process):
    """The resources that a server prints."""
    resources = []
    for line in process.stdout:
        if line.strip().startswith("TCPIP"):
            resources.append(line.strip())
        if line.startswith("stop with"):
            break
    assert len(resources) == 2
    return resources


def lit_server(spawn, connect, lamp, more=""):
    server = spawn(SERVER.format(lamp=str(lamp), more=more))
    device = connect(started(server)[0], reconnect_s=0.0)
    device.open()
    assert lamp.read_text() == "off"
    device.configure(Acquisition(1e-3))
    assert lamp.read_text() == "on"
    return server, device


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_server_told_to_stop_is_dark_at_once_and_bids_its_watchdog_farewell(number, spawn, connect, lamp):
    server, device = lit_server(spawn, connect, lamp, HOOK)
    server.send_signal(number)
    until(lambda: lamp.read_text() == "off", 2.0)  # 0.2 s is the target, which the benchmark measures
    assert server.wait(5) == 0
    assert server.stdout.read().strip() == "light off, stopped"
    assert lamp.read_text() == "off"
    device.close()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda number: number.name)
def test_a_server_that_dies_or_hangs_leaves_the_light_to_its_watchdog(number, spawn, connect, lamp):
    server, device = lit_server(spawn, connect, lamp, HOOK)
    server.send_signal(number)
    until(lambda: lamp.read_text() == "off by watchdog", 4.0)
    server.kill()
    device.close()


@pytest.mark.parametrize(
    ("number", "transport"),
    [(signal.SIGKILL, 0), (signal.SIGKILL, 1), (signal.SIGSTOP, 0)],
    ids=["KILL", "KILL HiSLIP", "STOP"],
)
def test_a_client_that_dies_or_hangs_takes_the_light_with_it(number, transport, spawn, serve, lamp):
    from .lamp import Lamp

    appliance = serve(Lamp(lamp=str(lamp)))
    client = spawn(CLIENT.format(resource=appliance.resources[transport]))
    assert client.stdout.readline() == "lit\n"
    assert lamp.read_text() == "on"
    client.send_signal(number)
    until(lambda: lamp.read_text() == "off", 4.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"bind": None}, "nothing to serve"),
        ({"bind": "5025"}, "ADDRESS:PORT"),
        ({"bind": "127.0.0.1:99999"}, "ADDRESS:PORT"),
        ({"bind": "lab:5025"}, "IP address"),
        ({"bind": "0.0.0.0:0"}, "allow-list and a token"),
        ({"dead_man_s": 0.0}, "dead-man 0"),
        ({"links": 0}, "links 0"),
        ({"block_bytes": 10}, "block-bytes"),
        ({"light_off": "os:nothing"}, "light_off"),
        ({"token_file": "/nowhere"}, "cannot be read"),
        ({"tls_key": "key.pem"}, "both"),
    ],
)
def test_what_cannot_be_served_is_refused_at_the_start(options, message):
    config = Config("test", "sim", {"sim": {"kind": "sim", "n_inputs": 4, "n_outputs": 8}})
    with pytest.raises(ConfigError, match=message):
        run(config, **{"bind": "127.0.0.1:0"} | options)


def test_a_port_in_use_is_told(serve):
    port = serve().listeners[0].port
    with pytest.raises(ConfigError, match=f"{port}.*choose another port"):
        run(Config("test", "sim", {"sim": {"kind": "sim", "n_inputs": 4, "n_outputs": 8}}), bind=f"127.0.0.1:{port}")


def test_no_descriptor_is_left_behind(serve, connect):
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        pytest.skip("needs /proc")
    appliance = serve()
    device = connect(appliance.resources[0])

    def use():
        device.open()
        device.configure(Acquisition(1e-3))
        device.close()
        until(lambda: not appliance.listeners[0].connections)
        return len(os.listdir(folder))

    first = use()
    assert [use() for _ in range(5)] == [first] * 5

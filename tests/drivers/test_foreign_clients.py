"""Clients nobody here wrote drive the appliance: lxi-tools, pyvisa alone, pyvisa-rs, scpipy. They run docs/clients.md."""

import asyncio
import ctypes
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import pyvisa
from typer.main import get_command

from opu.cli import app
from opu.device import Acquisition
from opu.kinds import load_kind
from opu.testing import ReferenceDevice

PAGE = (Path(__file__).parents[2] / "docs" / "clients.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)
(SHELL,), (SCRIPT,) = ([text for kind, text in BLOCKS if kind == wanted] for wanted in ("sh", "lua"))
RECIPE, VISA, SOCKET = (text for kind, text in BLOCKS if kind == "python")
NEEDS_RS = "needs pyvisa-rs: pip install pyvisa-rs"
PATIENT = {"dead_man_s": 60.0}
SEED = 11
N_INPUTS = 50
"""With the anchor."""


def simulator(bit_depth=10):
    kind = load_kind("sim")
    return kind.build(kind.settings(n_inputs=N_INPUTS - 1, n_outputs=64, seed=SEED, camera={"bit_depth": bit_depth}))


def in_process(frames, device=None):
    """What the same device reads without a network."""
    device = device or simulator()
    device.open()
    try:
        device.configure(Acquisition(1e-3))
        return device.measure(frames)
    finally:
        device.close()


def recipe():
    names = {}
    exec(compile(RECIPE, "docs/clients.md", "exec"), names)
    return names


def run(text, port, library="@py", resource=None):
    """A block of the page, after the recipe, at this port and with this library."""
    text = text.replace('"@py"', repr(library)).replace("5025", str(port))
    if resource is not None:
        text = re.sub(r'"TCPIP::[^"]*"', repr(resource), text)
    names = recipe()
    exec(compile(text, "docs/clients.md", "exec"), names)
    return names


@contextmanager
def plain(resource, library="@py"):
    """A session of pyvisa alone."""
    manager = pyvisa.ResourceManager(library)
    opened = manager.open_resource(resource, read_termination="\n", write_termination="\n", timeout=10_000)
    try:
        yield opened
    finally:
        opened.close()
        manager.close()


@pytest.fixture(params=["@py", "@rs"])
def library(request):
    if request.param == "@rs":
        pytest.importorskip("pyvisa_rs", reason=NEEDS_RS)
    return request.param


@pytest.fixture
def lxi():
    """lxi(*arguments) -> its output."""
    if shutil.which("lxi") is None:
        pytest.skip("needs lxi-tools: apt-get install lxi-tools")

    def call(*arguments):
        done = subprocess.run(["lxi", *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    return call


@pytest.fixture
def liblxi():
    """liblxi(port) -> write, read: the library of lxi-tools, from C."""
    try:
        library = ctypes.CDLL("liblxi.so.1")
    except OSError:
        pytest.skip("needs liblxi: apt-get install lxi-tools")
    library.lxi_init()
    opened = []

    def connect(port):
        device = library.lxi_connect(b"127.0.0.1", port, None, 10_000, 1)  # 1: raw TCP
        assert device >= 0
        opened.append(device)

        def write(message):
            assert library.lxi_send(device, message, len(message), 10_000) == len(message)

        def read(n):
            content = b""
            while len(content) < n:
                buffer = ctypes.create_string_buffer(n - len(content))
                count = library.lxi_receive(device, buffer, len(buffer), 10_000)
                assert count > 0
                content += buffer.raw[:count]
            return content

        return write, read

    yield connect
    for device in opened:
        library.lxi_disconnect(device)


def test_the_command_of_the_page_exists():
    (line,) = re.findall(r"^    uv run opu (.*)$", PAGE, re.M)
    name, *arguments = line.split()
    known = {option for parameter in get_command(app).commands[name].params for option in parameter.opts}
    assert {word for word in arguments if word.startswith("--")} <= known


# lxi-tools


def test_lxi_asks_and_is_answered(serve, lxi):
    port = serve(simulator(), **PATIENT).listeners[0].port
    answers = []
    for text in SHELL.splitlines():
        tool, *arguments = re.findall(r'"[^"]*"|\S+', text.replace("5025", str(port)))
        assert tool == "lxi"
        answers.append(lxi(*(word.strip('"') for word in arguments)))
    identity, layout, status, laser = answers
    assert identity.startswith("openopu,sim")
    assert layout == "50;64\n"
    assert re.fullmatch(r'#3\d{3}\{"is_open": false, "light_on": false.*\}\n', status)
    assert laser == '0;0,"No error"\n'


def test_lxi_holds_the_lease_in_a_script(serve, lxi, tmp_path):
    port = serve(simulator(), **PATIENT).listeners[0].port
    (tmp_path / "control.lua").write_text(SCRIPT.replace("5025", str(port)))
    taken, configured, refused, released, *rest = lxi("run", str(tmp_path / "control.lua")).splitlines()
    assert (taken, released) == ("NEW", "FREE,0")
    assert re.fullmatch(r'0\.001,0\.\d+,1;1;0,"No error"', configured)
    assert refused.startswith('2,"Device error;')
    assert "10 ms" in refused or "0.01 s" in refused
    assert not any(rest)


def test_lxi_measures_the_request_rate(serve, lxi):
    port = serve(simulator()).listeners[0].port
    assert "requests/second" in lxi("benchmark", "-r", "-a", "127.0.0.1", "-p", str(port), "-c", "50")


def test_the_library_of_lxi_carries_frames(serve, liblxi):
    write, read = liblxi(serve(simulator(), **PATIENT).listeners[0].port)
    names = recipe()
    write(b"LEAS:TAKE? bench;:ACQ:CONF? 1 ms,DEF,ON;:SYST:ERR?\n")
    assert names["line"](read).endswith(';0,"No error"')
    frames = np.random.default_rng(SEED).random((100, N_INPUTS)) < 0.5
    packed = np.packbits(frames, axis=1)
    parts = [names["measure"](write, read, k + 1, packed[start : start + 40]) for k, start in enumerate((0, 40, 80))]
    assert np.array_equal(np.concatenate(parts), in_process(frames))


# VISA without our wrapper


@pytest.mark.parametrize("protocol", ["SOCKET", "HiSLIP"])
def test_pyvisa_reads_what_the_device_reads_in_process(protocol, serve):
    check_visa(serve, protocol, "@py")


def test_pyvisa_rs_reads_what_the_device_reads_in_process(serve):  # 0.1.8 has no HiSLIP
    pytest.importorskip("pyvisa_rs", reason=NEEDS_RS)
    check_visa(serve, "SOCKET", "@rs")


def check_visa(serve, protocol, library):
    appliance = serve(simulator(), **PATIENT)
    names = run(VISA, appliance.listeners[0].port, library, appliance.resources[protocol == "HiSLIP"])
    assert names["readings"].dtype == np.uint16
    assert np.array_equal(names["readings"], in_process(names["frames"]))
    assert (float(names["exposure_s"]), names["light"]) == (1e-3, "1")


def test_a_bare_socket_reads_what_the_device_reads_in_process(serve):
    appliance = serve(simulator(), **PATIENT)
    names = run(SOCKET, appliance.listeners[0].port)
    assert np.array_equal(names["readings"], in_process(names["frames"]))
    assert appliance.device.status().is_open is False


def test_eight_bits_are_bytes(serve):
    frames = np.random.default_rng(SEED).random((9, N_INPUTS)) < 0.5
    appliance = serve(simulator(bit_depth=8), **PATIENT)
    with plain(appliance.resources[0]) as o:
        o.query("LEAS:TAKE? bench;:ACQ:CONF? 1 ms,DEF,ON")
        got = recipe()["measure"](o.write_raw, o.read_bytes, 1, np.packbits(frames, axis=1), "u1")
    assert np.array_equal(got, in_process(frames, simulator(bit_depth=8)))


def test_a_mebibyte_of_readings_arrives_whole(serve, connect, library):
    device = ReferenceDevice(np.random.default_rng(SEED).standard_normal((2048, 16)) + 0j, brightness=3e5)
    frames = np.random.default_rng(SEED).random((256, 16)) < 0.5
    expected = in_process(frames, device)
    appliance = serve(device, **PATIENT)
    for resource in appliance.resources[: 1 if library == "@rs" else 2]:
        with plain(resource, library) as o:
            o.query("LEAS:TAKE? bench;:ACQ:CONF? 1 ms,DEF,ON")
            got = recipe()["measure"](o.write_raw, o.read_bytes, 1, np.packbits(frames, axis=1))
            assert o.query("LEAS:REL bench;:LEAS?") == "FREE,0"
        assert np.array_equal(got, expected)
        ours = connect(resource, library=library)
        ours.open()
        ours.configure(Acquisition(1e-3))
        assert np.array_equal(ours.measure(frames), expected)
        ours.close()


def test_errors_are_told_and_the_link_goes_on(serve, library):
    frames = np.random.default_rng(SEED).random((4, N_INPUTS)) < 0.5
    packed = np.packbits(frames, axis=1)
    measure, appliance = recipe()["measure"], serve(simulator(), **PATIENT)
    with plain(appliance.resources[0], library) as o:
        o.write("FOO")
        assert o.query("*STB?;:SYST:ERR?").startswith('4;-113,"Undefined header;')
        with pytest.raises(RuntimeError, match=r'^10,"No lease'):
            measure(o.write_raw, o.read_bytes, 1, packed)
        o.query("LEAS:TAKE? bench;:ACQ:CONF? 1 ms,DEF,ON")
        with pytest.raises(RuntimeError, match=r'^6,"Sequence gap'):
            measure(o.write_raw, o.read_bytes, 3, packed)
        damaged = bytearray(recipe()["block"](1, packed))
        damaged[-1] ^= 0x40
        o.write_raw(b"*CLS;FRAM " + bytes(damaged) + b";:SYST:ERR?\n")
        assert o.read().startswith('11,"Checksum mismatch')
        first = measure(o.write_raw, o.read_bytes, 1, packed)
        again = measure(o.write_raw, o.read_bytes, 1, packed)
    assert np.array_equal(first, in_process(frames))
    assert np.array_equal(first, again)
    assert appliance.device.status().frames_shown in (0, 4)  # closed with its link, or still open: never 8


def test_a_second_client_may_look_but_not_touch(serve, library):
    appliance = serve(simulator(), **PATIENT)
    with plain(appliance.resources[0]) as one, plain(appliance.resources[0], library) as other:
        assert one.query("LEAS:TAKE? bench") == "NEW"
        assert other.query("LEAS?").startswith("OTHER,")
        other.write("ACQ:CONF? 1 ms,DEF,ON")
        assert other.query("SYST:ERR?").startswith('10,"No lease')
        other.write("LEAS:TAKE? thief")
        assert other.query("SYST:ERR?").startswith('9,"Lease held by another')
        assert other.query("LAS:OFF;:LAS?") == "0"


def test_our_driver_takes_another_library(serve, connect, library):
    frames = np.random.default_rng(SEED).random((300, N_INPUTS)) < 0.5
    device = connect(serve(simulator()).resources[0], library=library, block_bytes=4096)
    device.open()
    device.configure(Acquisition(1e-3))
    assert np.array_equal(device.measure(frames), in_process(frames))


def test_scpipy_asks_and_is_answered(serve):
    client = pytest.importorskip("scpipy.client.client", reason="needs scpipy: pip install scpipy")
    resource = serve(simulator()).resources[0]

    async def talk():
        async with client.Client(resource, backend="@py") as o:
            await o.write("FOO")
            return await o.query("*IDN?"), await o.query("SYST:ERR?"), await o.query("LAY:INP?;OUTP?")

    identity, error, layout = asyncio.run(talk())
    assert identity.startswith("openopu,sim")
    assert error.startswith('-113,"Undefined header')
    assert layout == "50;64"

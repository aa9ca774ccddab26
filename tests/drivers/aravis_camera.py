"""A real GigE Vision camera in a process of its own: Aravis's fake one, through ctypes, its pixels drawn by a scene of ours.

Run as `python -m tests.drivers.aravis_camera [module:scene] [argument]` it serves until its input ends, and obeys commands
on it, one a line: `lose RATIO` of the packets, `repeat N` the last block N times more, `freeze 0|1` the image. Drawing
happens in the camera's thread, at the moment of the exposure. UDP port 3956 is one per host: see gige_port().
"""

import ctypes
import fcntl
import importlib
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from ctypes.util import find_library
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.0.1"
GVCP_PORT = 3956
DISCOVERY = bytes([0x42, 1, 0, 2, 0, 0, 0, 1])
SENSOR = 2048
TRIGGER_HZ = 10_000.0
WIDTH, HEIGHT, OFFSET_X, OFFSET_Y = 0x100, 0x104, 0x130, 0x134
TRIGGER_SOFTWARE = 0x30C
MONO16 = 0x01100007
INSTALL = "needs Aravis: apt-get install aravis-tools"

Pointer = ctypes.c_void_p
Fill = ctypes.CFUNCTYPE(None, Pointer, Pointer, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32)


@dataclass(frozen=True)
class Exposure:
    """What the camera was set to when it exposed its frame number `frame` (from 0, since it was switched on)."""

    frame: int
    exposure_s: float
    gain_raw: int
    row: int
    column: int
    rows: int
    columns: int
    bits: int


Scene = Callable[[Exposure], NDArray[Any]]


def counting(_: str) -> Scene:
    """Pixel (r, c) of frame k is r + 3 c + 7 k + 11 (exposure in us) modulo 251: any mix-up shows."""
    return count


def count(e: Exposure) -> NDArray[Any]:
    rows, columns = np.ogrid[e.row : e.row + e.rows, e.column : e.column + e.columns]
    return (rows + 3 * columns + 7 * e.frame + 11 * round(e.exposure_s * 1e6)) % 251 * (1 if e.bits == 8 else 257)


def library() -> str | None:
    """Aravis 0.8, None where it is not installed."""
    return find_library("aravis-0.8")


class ServedCamera:
    """The camera's side: Aravis's fake camera and a scene. Faults are switched by attributes."""

    def __init__(self, scene: Scene, serial: str = "OPU01", description: str | None = None) -> None:
        self._library = _declared(ctypes.CDLL(library()))
        self._scene, self._frame = scene, 0
        self.repeats, self.frozen = 0, False
        self.clock_ns: int | None = None
        """What the camera's clock says at the next exposure; None: Aravis's own."""
        self._last: tuple[int, NDArray[Any]] | None = None
        self._fill = Fill(self._draw)  # kept: Aravis holds no reference
        self._camera = self._library.arv_gv_fake_camera_new_full(
            ADDRESS.encode(), serial.encode(), description and description.encode()
        )
        if not self._library.arv_gv_fake_camera_is_running(self._camera):
            raise RuntimeError("UDP port 3956 is taken")
        self._fake = self._library.arv_gv_fake_camera_get_fake_camera(self._camera)
        self._library.arv_fake_camera_set_trigger_frequency(self._fake, TRIGGER_HZ)
        self._library.arv_fake_camera_set_fill_pattern(self._fake, self._fill, None)

    def lose(self, ratio: float) -> None:
        """This share of packets from now on."""
        value = (ctypes.c_uint64 * 3)()
        self._library.g_value_init(value, 15 << 2)  # G_TYPE_DOUBLE
        self._library.g_value_set_double(value, ratio)
        self._library.g_object_set_property(self._camera, b"gvsp-lost-ratio", value)

    def pulse(self) -> None:
        """An edge on the line whose trigger source has the value 1.

        The camera's thread polls its socket, at times for 0.1 s although a trigger is due: any packet wakes it.
        """
        self._library.arv_fake_camera_write_register(self._fake, TRIGGER_SOFTWARE, 1)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(DISCOVERY, (ADDRESS, GVCP_PORT))

    def _draw(self, buffer: Any, _: Any, exposure_us: int, gain: int, pixel_format: int) -> None:
        try:
            self._drawn(buffer, exposure_us, gain, 16 if pixel_format == MONO16 else 8)
        except BaseException as error:  # ctypes would only print it
            print(f"error {error!r}", flush=True)

    def _drawn(self, buffer: Any, exposure_us: int, gain: int, bits: int) -> None:
        if self.clock_ns is not None:
            self._library.arv_buffer_set_timestamp(buffer, self.clock_ns)
        size = self._library.arv_fake_camera_get_payload(self._fake)
        memory = np.ctypeslib.as_array(
            (ctypes.c_uint8 * size).from_address(self._library.arv_buffer_get_data(buffer, None))
        )
        if self.repeats and self._last is not None:
            self.repeats -= 1
            block, pixels = self._last
            self._library.arv_buffer_set_frame_id(buffer, block)
        else:
            exposed = Exposure(
                self._frame, exposure_us / 1e6, gain, *map(self._register, (OFFSET_Y, OFFSET_X, HEIGHT, WIDTH)), bits
            )
            self._frame += 1
            if not (self.frozen and self._last is not None):
                drawn = np.ascontiguousarray(self._scene(exposed), f"<u{bits // 8}")
                self._last = (self._library.arv_buffer_get_frame_id(buffer), drawn)
            pixels = self._last[1]
        memory[:] = pixels.reshape(-1).view(np.uint8)

    def _register(self, address: int) -> int:
        value = ctypes.c_uint32()
        self._library.arv_fake_camera_read_register(self._fake, address, value)
        return value.value


def _declared(lib: Any) -> Any:
    real, text, number = ctypes.c_double, ctypes.c_char_p, ctypes.c_uint32
    for name, result, arguments in (
        ("arv_gv_fake_camera_new_full", Pointer, [text, text, text]),
        ("arv_gv_fake_camera_is_running", ctypes.c_int, [Pointer]),
        ("arv_gv_fake_camera_get_fake_camera", Pointer, [Pointer]),
        ("arv_fake_camera_new", Pointer, [text]),
        ("arv_fake_camera_get_genicam_xml", Pointer, [Pointer, ctypes.POINTER(ctypes.c_size_t)]),
        ("arv_fake_camera_set_trigger_frequency", None, [Pointer, real]),
        ("arv_fake_camera_set_fill_pattern", None, [Pointer, Fill, Pointer]),
        ("arv_fake_camera_get_payload", ctypes.c_size_t, [Pointer]),
        ("arv_fake_camera_read_register", ctypes.c_int, [Pointer, number, ctypes.POINTER(number)]),
        ("arv_fake_camera_write_register", ctypes.c_int, [Pointer, number, number]),
        ("arv_buffer_get_data", Pointer, [Pointer, Pointer]),
        ("arv_buffer_get_frame_id", ctypes.c_uint64, [Pointer]),
        ("arv_buffer_set_frame_id", None, [Pointer, ctypes.c_uint64]),
        ("arv_buffer_set_timestamp", None, [Pointer, ctypes.c_uint64]),
        ("g_value_init", Pointer, [Pointer, ctypes.c_size_t]),
        ("g_value_set_double", None, [Pointer, real]),
        ("g_object_set_property", None, [Pointer, text, Pointer]),
    ):
        function = getattr(lib, name)
        function.restype, function.argtypes = result, arguments
    return lib


def write_description(path: Path, *replacements: tuple[str, str]) -> Path:
    """Aravis's description of its camera (XML) with some text replaced: another maker's names for the same registers."""
    lib, size = _declared(ctypes.CDLL(library())), ctypes.c_size_t()
    start = lib.arv_fake_camera_get_genicam_xml(lib.arv_fake_camera_new(b"X"), size)
    text = ctypes.string_at(start, size.value).decode()
    for old, new in replacements:
        assert old in text, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


@contextmanager
def gige_port() -> Iterator[None]:
    """UDP port 3956 of this host to ourselves, among all test processes."""
    with (Path(tempfile.gettempdir()) / "opu-tests-gige-port.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class AravisCamera:
    """The test's side: the process, its commands, its death."""

    def __init__(
        self, scene: str = f"{__name__.rpartition('.')[2]}:counting", argument: str = "", description: str = ""
    ) -> None:
        command = [sys.executable, "-m", "tests.drivers.aravis_camera", scene, argument, description]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        assert self.process.stdout is not None
        said = self.process.stdout.readline().strip()
        assert said == "ready", said

    def tell(self, command: str) -> str:
        """Send a command; the answer, once it is obeyed."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        """As if its cable were pulled."""
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            with suppress(OSError):
                stream.close()
        self.process.kill()
        self.process.wait()


@contextmanager
def aravis_camera(
    scene: str = "aravis_camera:counting", argument: str = "", description: str = ""
) -> Iterator[AravisCamera]:
    """A camera on the port; skips the test where Aravis is missing."""
    import pytest

    if library() is None:
        pytest.skip(INSTALL)
    with gige_port():
        camera = AravisCamera(scene, argument, description)
        try:
            yield camera
        finally:
            camera.close()


def main() -> None:
    scene, argument, description = (*sys.argv[1:], "", "", "")[:3]
    module, _, name = scene.partition(":")
    make = getattr(importlib.import_module(f"tests.drivers.{module}"), name)
    made = make(argument)
    camera = ServedCamera(made, description=description or None)
    attached = getattr(made, "attach", None)
    if attached is not None:
        threading.Thread(target=attached, args=(camera,), daemon=True).start()
    print("ready", flush=True)
    for line in sys.stdin:
        word, *rest = line.split()
        if word == "lose":
            camera.lose(float(rest[0]))
        elif word == "repeat":
            camera.repeats = int(rest[0])
        elif word == "freeze":
            camera.frozen = rest[0] == "1"
        elif word == "pulse":
            camera.pulse()
        else:
            made.command(word, *rest)  # type: ignore[attr-defined]
        print("ok", flush=True)


if __name__ == "__main__":
    main()

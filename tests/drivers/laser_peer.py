"""A laser controller on TCP that speaks as the CLD1015's manual says, and a file in which the optics see its light."""

import socketserver
import threading
from pathlib import Path

import numpy as np

LIMIT_A = 0.1
INTERLOCK = "INTL"


class LightFile:
    """One number in a file: the light's power as a share of full, 0 dark. Written by the laser, read by the optics."""

    def __init__(self, path: Path, *, create: bool = False) -> None:
        if create:
            path.write_bytes(bytes(8))
        self._share = np.memmap(path, np.float64, "r+", shape=(1,))

    @property
    def share(self) -> float:
        return float(self._share[0])

    @share.setter
    def share(self, value: float) -> None:
        self._share[0] = value


class LaserPeer:
    """The controller. `tripped`: protections that are; open_interlock() turns the output off, as its hardware does."""

    def __init__(self, path: Path) -> None:
        self.light = LightFile(path, create=True)
        self.current_a, self.is_on = 0.0, False
        self.tripped: set[str] = set()
        self.lines: list[str] = []
        self._errors: list[str] = []
        self._lock = threading.Lock()
        peer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                for line in self.rfile:
                    answer = peer.answer(line.decode().strip())
                    if answer is not None:
                        self.wfile.write(answer.encode() + b"\n")

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.resource = f"TCPIP::127.0.0.1::{self._server.server_address[1]}::SOCKET"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def open_interlock(self) -> None:
        with self._lock:
            self.tripped.add(INTERLOCK)
            self._set(False)

    def close_interlock(self) -> None:
        with self._lock:
            self.tripped.discard(INTERLOCK)

    def answer(self, line: str) -> str | None:
        with self._lock:
            self.lines.append(line)
            command, _, argument = line.partition(" ")
            if command.endswith(":TRIP?"):
                return str(int(command.split(":")[2] in self.tripped))
            if command in self._ANSWERS:
                return str(self._ANSWERS[command](self))
            if command == "OUTP:STAT":
                self._set(argument == "ON" and not self.tripped)
            elif command == "SOUR:CURR:LEV:IMM:AMPL":
                self.current_a = float(argument)
                self._set(self.is_on)
            elif line != "SOUR:FUNC:MODE CURR":
                self._errors.append(f'-113,"Undefined header {line}"')
            return None

    def _set(self, on: bool) -> None:
        self.is_on = on
        self.light.share = self.current_a / LIMIT_A if on else 0.0

    _ANSWERS = {  # noqa: RUF012
        "*IDN?": lambda self: "THORLABS,CLD1015,M00270123,1.1.0",
        "OUTP:STAT?": lambda self: int(self.is_on),
        "OUTP2:STAT?": lambda self: 1,
        "SYST:ERR?": lambda self: self._errors.pop(0) if self._errors else '+0,"No error"',
        "SOUR:CURR:LIM:AMPL?": lambda self: f"{LIMIT_A:E}",
        "SOUR:CURR:LEV:IMM:AMPL?": lambda self: f"{self.current_a:E}",
        "SENS3:CURR:DATA?": lambda self: f"{self.current_a * self.is_on:E}",
        "SENS2:TEMP:DATA?": lambda self: "25.0",
    }

"""The appliance over loopback, its server in a process of its own: queries, readings of 4 MiB, small projections.

python benchmarks/appliance.py [--repeats N]
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from statistics import median, quantiles
from time import perf_counter

import numpy as np
import pyvisa

from opu.device import Acquisition
from opu.kinds import load_kind
from opu.testing import ReferenceDevice

MIB = 1 << 20
N_INPUTS = 1024
READINGS_BYTES = 4 * MIB


@dataclass(frozen=True)
class Instant:
    """Readings without any work behind them, so that only the way is timed."""

    n_outputs: int

    def build(self) -> ReferenceDevice:
        """The device."""
        device = ReferenceDevice(np.ones((self.n_outputs, N_INPUTS), np.complex64))
        readings = np.random.default_rng(0).integers(0, 255, (64, self.n_outputs)).astype(device.spec.reading_dtype)
        device.measure = lambda frames: (
            readings[np.arange(len(frames)) % 64] if len(frames) > 64 else readings[: len(frames)]
        )  # type: ignore[method-assign]
        return device


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=50)
    repeats = parser.parse_args().repeats
    n_outputs = READINGS_BYTES // 64 // np.dtype(np.uint16).itemsize
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(Instant(n_outputs), its), daemon=True)
    process.start()
    for resource in ours.recv():
        _measure(resource, repeats)
    ours.send("stop")
    process.join(5)


def _measure(resource: str, repeats: int) -> None:
    kind = load_kind("visa")
    device = kind.build(kind.settings(resource=resource, block_bytes=5 * MIB))
    print(resource)
    device.open()
    try:
        acquisition = device.configure(Acquisition(device.spec.exposure_min_s))
        frames = np.random.default_rng(1).random((64, N_INPUTS)) < 0.5
        plain = pyvisa.ResourceManager("@py").open_resource(resource, read_termination="\n", write_termination="\n")
        if resource.endswith("SOCKET"):
            plain.visalib.sessions[plain.session].interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _report("*IDN?, pyvisa alone", _times(lambda: plain.query("*IDN?"), 20 * repeats))
        plain.close()
        _report(
            "*IDN?, ours, guarded", _times(lambda: device._ask(lambda: device._session.ask("identity")), 20 * repeats)
        )
        _report("status()", _times(device.status, 20 * repeats))
        _report("configure(), the same again", _times(lambda: device.configure(acquisition), 20 * repeats))
        _report("1 frame, 64 KiB of readings", _times(lambda: device.measure(frames[:1]), 4 * repeats), MIB // 16)
        _report("64 frames, 4 MiB of readings", _times(lambda: device.measure(frames), repeats), READINGS_BYTES)
        many = np.tile(frames, (8, 1))
        _report("512 frames, 32 MiB, pipelined", _times(lambda: device.measure(many), repeats // 5), 8 * READINGS_BYTES)
    finally:
        device.close()


def _times(action: Callable[[], object], n: int) -> list[float]:
    for _ in range(3):
        action()
    times = []
    for _ in range(max(n, 2)):
        start = perf_counter()
        action()
        times.append(perf_counter() - start)
    return times


def _report(what: str, times: list[float], n_bytes: int = 0) -> None:
    least, middle, late = 1e6 * min(times), 1e6 * median(times), 1e6 * quantiles(times, n=100)[-1]
    rate = f"  {n_bytes / middle:5.0f} MB/s, at best {n_bytes / least:5.0f}" if n_bytes else ""
    print(f"  {what:32} least {least:7.0f}  median {middle:7.0f}  p99 {late:7.0f} us{rate}")


def _serve(instant: Instant, pipe: Connection) -> None:
    from importlib import import_module

    serve = import_module("opu.drivers.serve")
    access = serve.Access("127.0.0.1:0", "127.0.0.1:0")
    with serve.Appliance(instant.build(), access) as appliance:
        pipe.send(appliance.resources)
        pipe.recv()


if __name__ == "__main__":
    main()

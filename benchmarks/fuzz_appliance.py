"""Random and mutated messages against the appliance's parser and table: no crash, no hang, memory flat.

    python benchmarks/fuzz_appliance.py [--inputs 1000000] [--seed 0]

Each input goes to the end-of-message search and through Service.execute on a stored-matrix device. Needs nothing installed;
benchmarks/fuzz_atheris.py searches more of the code, guided by what it reaches.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable
from importlib import import_module

import numpy as np

from opu.testing import ReferenceDevice

WORDS = [
    b" ",
    b";",
    b":",
    b",",
    b"\n",
    b"\r",
    b"?",
    b"*",
    b"#",
    b'"',
    b"'",
    b"1",
    b"-1",
    b"1e-3",
    b"1e999",
    b"DEF",
    b"ON",
    b"ms",
]
WORDS += [
    b"#0",
    b"#15hello",
    b"#212abcdefghijkl",
    b"#9999999999",
    b"\x00",
    b"\xff",
    b"s",
    b"NAN",
    b"A" * 300,
    b"1" * 300,
]


def main() -> None:
    """Run and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    target, headers = _target()
    rng = random.Random(arguments.seed)
    start, before, slowest_s = time.perf_counter(), 0, 0.0
    for k in range(arguments.inputs):
        if k == arguments.inputs // 10:
            before = _resident_kib()
        data = _input(rng, headers)
        at = time.perf_counter()
        target(data)
        slowest_s = max(slowest_s, time.perf_counter() - at)
    rate = arguments.inputs / (time.perf_counter() - start)
    grown = _resident_kib() - before
    print(f"{arguments.inputs:,} inputs, {rate:,.0f} a second, slowest {1e3 * slowest_s:.1f} ms, no crash")
    print(f"resident memory since the first tenth: {grown:+,} KiB, now {_resident_kib():,} KiB")


def _input(rng: random.Random, headers: list[bytes]) -> bytes:
    """Noise, words in any order, or units of headers and arguments; some bytes of some of them changed."""
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randint(0, 60))
    if kind < 0.4:
        data = b"".join(rng.choices(WORDS + headers[:9], k=rng.randint(1, 10)))
    else:
        units = [
            b":" * rng.randint(0, 1) + rng.choice(headers) + b" " + b",".join(rng.choices(WORDS, k=rng.randint(0, 3)))
            for _ in range(rng.randint(1, 4))
        ]
        data = b";".join(units)
    if rng.random() < 0.3:
        mutated = bytearray(data)
        for _ in range(rng.randint(1, 4)):
            mutated[rng.randrange(len(mutated))] = rng.randrange(256)
        data = bytes(mutated)
    return data


def _target() -> tuple[Callable[[bytes], None], list[bytes]]:
    drivers = "opu.drivers."
    names = ("access", "instrument", "limits", "parsing", "scpi", "scpi_errors", "service")
    access, instrument, limits, parsing, scpi, errors, service = (import_module(drivers + name) for name in names)
    service.REFUSAL_DELAY_S = 0.0
    device = ReferenceDevice(np.ones((16, 20), complex))
    served = service.Service(
        instrument.Instrument(device, limits.Limits(dead_man_s=3600.0, keep_bytes=1 << 20)), access.Gate()
    )
    link = served.connect("fuzz")

    def target(data: bytes) -> None:
        try:
            length, missing = parsing.MessageEnd(1 << 16).find(bytearray(data))
            assert (length > 0) != (missing > 0), data
        except errors.ScpiError as error:
            if error.code not in (-223, -363):
                raise
        reply = b"".join(served.execute(link, data))
        assert not reply or reply.endswith(b"\n"), data
        assert len(link.registers.errors) <= 32, data

    return target, [header.encode() for header in scpi.HEADERS]


def _resident_kib() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


if __name__ == "__main__":
    main()

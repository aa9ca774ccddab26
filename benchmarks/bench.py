"""What the bench's own code costs a frame, against parts that take no time: expanding, uploading, matching, selecting.

    uv run python benchmarks/bench.py [--threads 1] [--frames 512] [--json FILE]

A camera of 1024 x 1024 pixels of 8 bits and a panel of 1024 x 768 mirrors, whose drivers hand over buffers at once. Times are
CPU time of this thread (of the process with more threads), in ms a frame, and the fraction of the frame time of cameras that
exist: 115 Hz fills gigabit Ethernet at that size, 200 Hz a USB 3 camera's usual sensor, 340 Hz is about USB 3's limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from machine import cpu_name, pin_threads

CHOICE = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
CHOICE.add_argument("--threads", type=int, default=1)
CHOICE.add_argument("--frames", type=int, default=512, help="of one measure() call")
CHOICE.add_argument("--repeats", type=int, default=5)
CHOICE.add_argument("--json", type=Path)
ARGUMENTS = CHOICE.parse_args() if __name__ == "__main__" else CHOICE.parse_args([])
pin_threads(ARGUMENTS.threads)

from pydantic import BaseModel  # noqa: E402

from opu.device import Acquisition  # noqa: E402
from opu.errors import DeviceError  # noqa: E402
from opu.kinds import load_kind  # noqa: E402
from opu.part_kinds import PartKind  # noqa: E402
from opu.parts import CameraFrame, CameraSpec, ModulatorSpec, PartStatus  # noqa: E402

RATES_HZ = {"gigabit Ethernet": 115.0, "USB 3, usual": 200.0, "USB 3, limit": 340.0}


def nothing(*_: Any) -> None:
    """In no time."""


class NoSettings(BaseModel):
    """None."""


class InstantPanel:
    """Takes patterns and shows nothing; a driver's own copy is not ours to count."""

    spec = ModulatorSpec("instant panel", "1", 768, 1024, 50e-6, 4096, triggered=True)
    open = close = show = stop = wait = nothing

    def __init__(self, _: NoSettings) -> None:
        self.loaded = 0

    def load(self, patterns: Any) -> None:
        """So many."""
        self.loaded = len(patterns)

    def start(self, *_: Any) -> None:
        """All at once."""
        CAMERAS[-1].waiting = self.loaded

    def status(self) -> PartStatus:
        """All shown."""
        return PartStatus(True, self.loaded)


class InstantCamera:
    """Hands over one of a few images, in turn: speckle at an eighth of the range, of which 0.03 % is clipped."""

    spec = CameraSpec("instant camera", "1", 1024, 1024, 8, 1e-5, 1.0, 1000.0)
    open = close = nothing

    def __init__(self, _: NoSettings) -> None:
        self.images = np.random.default_rng(0).exponential(32, (4, 1024, 1024)).clip(0, 255).astype(np.uint8)
        self.waiting = self.number = 0
        CAMERAS.append(self)

    def configure(self, settings: Any) -> Any:
        """As asked."""
        return settings

    def start(self) -> None:
        """From 0."""
        self.number = self.waiting = 0

    stop = start

    def trigger(self) -> None:
        """One more."""
        self.waiting += 1

    def grab(self, _: float) -> CameraFrame:
        """The next."""
        if not self.waiting:
            raise DeviceError("no frame")
        self.waiting -= 1
        self.number += 1
        return CameraFrame(self.number - 1, self.images[self.number % 4])

    def status(self) -> PartStatus:
        """Open."""
        return PartStatus(True)


CAMERAS: list[InstantCamera] = []
KINDS = {
    "modulator": PartKind("instant", "modulator", "", NoSettings, InstantPanel),
    "camera": PartKind("instant", "camera", "", NoSettings, InstantCamera),
}


def overhead_ms(n_inputs: int, n: int, repeats: int, **settings: Any) -> float:
    """CPU time of measure(), a frame."""
    table = {"modulator": {"kind": "instant"}, "camera": {"kind": "instant"}, "n_inputs": n_inputs, **settings}
    bench = load_kind("bench")
    device = bench.build(bench.settings.model_validate(table))
    device.open()
    device.configure(Acquisition(1e-3))
    frames = np.random.default_rng(1).integers(0, 256, (n, -(-device.spec.n_inputs // 8)), np.uint8)
    if device.spec.n_inputs % 8:
        frames[:, -1] &= 0xFF << (8 - device.spec.n_inputs % 8) & 0xFF
    clock = time.thread_time if ARGUMENTS.threads == 1 else time.process_time
    times = []
    for _ in range(repeats + 1):
        start = clock()
        device.measure(frames)
        times.append(clock() - start)
    device.close()
    return float(np.median(times[1:])) / n * 1e3


def main() -> None:
    """Print the table."""
    import_module("opu.drivers.bench_settings").load_part_kind = lambda role, _: KINDS[role]
    n = ARGUMENTS.frames
    rows = []
    cases: list[tuple[str, dict[str, Any]]] = [
        ("every pixel", {"n": 32}),
        ("every 4th pixel", {"outputs": {"step": 4}}),
        ("sums of 4 x 4", {"outputs": {"block": 4}}),
        ("means of 2 x 2", {"outputs": {"block": 2, "reduce": "mean"}, "n": 128}),
        ("4096 pixels spread", {"n_outputs": 4096}),
        ("every 4th pixel, blocks", {"outputs": {"step": 4}, "layout": "blocks"}),
    ]
    print(f"{cpu_name()}, {ARGUMENTS.threads} thread(s), numpy {np.__version__}, Python {sys.version.split()[0]}")
    print(
        f"{'outputs':26} {'trigger':10} {'ms/frame':>9}  "
        + "  ".join(f"of {rate:.0f} Hz" for rate in RATES_HZ.values())
    )
    for name, case in cases:
        settings = dict(case)
        frames = settings.pop("n", n)
        for trigger in ("software", "modulator"):
            ms = overhead_ms(1024, frames, ARGUMENTS.repeats, trigger=trigger, **settings)
            shares = {place: ms * 1e-3 * rate for place, rate in RATES_HZ.items()}
            rows.append({"outputs": name, "trigger": trigger, "ms_per_frame": ms, "share_of_frame_time": shares})
            print(f"{name:26} {trigger:10} {ms:9.3f}  " + "  ".join(f"{share:9.1%}" for share in shares.values()))
    if ARGUMENTS.json:
        ARGUMENTS.json.write_text(json.dumps({"cpu": cpu_name(), "threads": ARGUMENTS.threads, "rows": rows}, indent=1))


if __name__ == "__main__":
    main()

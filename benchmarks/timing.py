"""Medians within a budget: as much of a point as fits is measured, and how much is said; set-up and peak memory too."""

from __future__ import annotations

import contextlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from contenders import CONTENDERS, Contender, Frames, Ready, Work

import opu

ON = 0.5
"""Share of inputs on, in frames."""
TILE = 128
"""Outputs of one tile of the dense kernels: no smaller part is measured."""
LEAST_REPEATS, MOST_REPEATS = 3, 51


@dataclass(frozen=True)
class Timing:
    """A median; `measured` of `whole` outputs or frames were timed, the time is theirs."""

    seconds: float
    repeats: int
    measured: int
    whole: int

    def ms_per_vector(self, batch: int) -> float:
        """Of the whole: parts stand alone, so the time is that of the part, scaled."""
        return self.seconds * 1e3 / batch * self.whole / self.measured


def now() -> float:
    """Seconds: of CPU time on one thread, so that a neighbour on the machine takes little from us; else of wall time."""
    return time.process_time() if opu.get_num_threads() == 1 else time.perf_counter()


def seconds_of(work: Work) -> float:
    """One timing."""
    started = now()
    work()
    return now() - started


def median_s(work: Work, repeats: int = 5) -> float:
    """Median seconds after one warm-up."""
    work()
    return float(np.median([seconds_of(work) for _ in range(repeats)]))


def within(budget_s: float, part: Callable[[int], Work], whole: int, least: int) -> Timing:
    """Median of part(whole), or of the largest part whose warm-up and repeats fit the budget, in multiples of `least`."""
    least = min(least, whole)
    pilot = part(least)
    pilot()
    expected = seconds_of(pilot) * whole / least
    measured = whole
    if expected * (1 + LEAST_REPEATS) > budget_s:
        measured = max(least, int(whole * budget_s / (expected * (1 + LEAST_REPEATS))) // least * least)
        expected *= measured / whole
    # Short work is repeated for a second, long work as the budget allows.
    repeats = int(min(budget_s, max(1.0, 6 * expected)) / expected) - 1
    repeats = min(MOST_REPEATS, max(LEAST_REPEATS, repeats))
    return Timing(median_s(part(measured), repeats), repeats, measured, whole)


def time_point(contender: Contender, ready: Ready, n: int, batch: int, budget_s: float) -> Timing:
    """One contender, size and batch, half of the inputs on."""
    frames = np.random.default_rng(0).integers(0, 2, (batch, n), dtype=bool)  # ON of them are
    if contender.divides == "frames":
        return within(budget_s, lambda part: ready(frames[:part], n), batch, 1)
    return within(budget_s, lambda part: ready(frames, part), n, TILE)


def few_on(n: int) -> Frames:
    """One frame with every 1024th input on: the dense engine works for inputs that are on, and this is not about work."""
    frame: Frames = (np.arange(n) % 1024 == 0)[None]
    return frame


def set_up_s(contender: Contender, n: int) -> tuple[float, Ready]:
    """Seconds that the first result of a new seed takes longer than the second; cheap set-ups: median of five seeds."""
    contender.set_up(64, 0)(few_on(64), 64)()  # kernels and libraries loaded
    times: list[float] = []
    frame = few_on(n)
    while True:
        started = now()
        ready = contender.set_up(n, 1 + len(times))
        work = ready(frame, n)
        work()
        first = now() - started
        times.append(max(0.0, first - seconds_of(work)))
        if len(times) == 5 or sum(times) > 1:
            return float(np.median(times)), ready


def peak_mib(contender: Contender, n: int) -> float:
    """Memory that set-up and one projection of one frame add at their peak, for this process alone."""
    contender.set_up(64, 0)(few_on(64), 64)()  # kernels and libraries loaded
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    before = _peak_bytes()
    contender.set_up(n, 0)(few_on(n), n)()
    return (_peak_bytes() - before) / 2**20


def peak_mib_elsewhere(contender: Contender, n: int, threads: int) -> float:
    """peak_mib in a process of its own."""
    code = "import sys; sys.path.insert(0, sys.argv[1]); "
    code += (
        "import opu, timing; opu.set_num_threads(int(sys.argv[4])); timing.print_peak(sys.argv[2], int(sys.argv[3]))"
    )
    arguments = [str(Path(__file__).parent), contender.name, str(n), str(threads)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"memory of {contender.name} at n = {n}: {done.stderr[-2000:]}")
    peak: float = json.loads(done.stdout.splitlines()[-1])
    return peak


def print_peak(name: str, n: int) -> None:
    """What peak_mib_elsewhere reads."""
    print(json.dumps(peak_mib(next(c for c in CONTENDERS if c.name == name), n)))


def _peak_bytes() -> int:
    status = Path("/proc/self/status")  # ru_maxrss would count the parent's memory too
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

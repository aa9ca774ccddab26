"""The engine over sizes and batches against stored matrices and its rivals, beside what this core could do at best.

    uv run python benchmarks/sweep.py [--sizes 12,14,16,18,20] [--batches 1,16,128,1024] [--threads 1] [--budget-s 8]
                                      [--json FILE] [--plot FILE]        (`make bench-sweep` writes both; ten minutes)

Square media n -> n, n = 2^size, binary inputs, half of them on, no camera. Contenders (`contenders.py`): the dense and the
structured engine, entries made anew every time; a stored matrix as two float32 products (the baseline) or one complex64
product; the archived OPU simulator (lightonml 1.4.3, its two lines of arithmetic transcribed); scikit-learn's Gaussian
projection onto 2n reals; PyTorch where it is installed. Medians of at least three in one process, threads pinned; one
thread is timed by CPU time, which neighbours disturb least; pin the core too: `taskset -c 1`.

Nothing is extrapolated: a matrix that does not fit is left out by name. Where a point would take longer than the budget a
part of it is measured, as a shard would be (outputs stand alone, and so do the structured engine's frames), scaled, and
marked *. Set-up: how much longer the first result of a new seed takes than the second, kernels compiled. Memory: what
set-up and one frame add at their peak, in a process of their own. The floor: `roofline.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from machine import description, load_average, memory_gib, pin_threads


@dataclass(frozen=True)
class Choice:
    """What to measure, and how long it may take."""

    sizes: tuple[int, ...]
    batches: tuple[int, ...]
    threads: int
    budget_s: float
    limit_bytes: int
    read_mib: int
    json: Path | None
    plot: Path | None


def main() -> None:
    """Measure; print every table; write JSON and the plot where asked."""
    choice = _choice()
    if choice.plot:
        from chart import plot
    pin_threads(choice.threads)
    started = time.perf_counter()
    import opu

    opu.set_num_threads(choice.threads)
    machine = description(choice.threads)
    machine["clock"] = "CPU time" if choice.threads == 1 else "wall time"
    machine |= {"budget_s": choice.budget_s, "matrix_limit_gib": choice.limit_bytes / 2**30}
    print(f"{machine['cpu']}, {choice.threads} thread(s), core(s) {machine['cores_allowed']}; {machine['clock']}")
    print(", ".join(f"{name} {number or 'not installed'}" for name, number in machine["versions"].items()))
    result = {"machine": machine} | _measured(choice)
    machine |= {"seconds": time.perf_counter() - started, "load_average_after": load_average()}
    print(
        f"\nall of it: {machine['seconds']:.0f} s; load {machine['load_average']} before, {machine['load_average_after']} after"
    )
    if choice.json:
        choice.json.write_text(json.dumps(result, indent=1) + "\n")
    if choice.plot:
        plot(result, choice.plot)


def _measured(choice: Choice) -> dict[str, Any]:
    from report import print_memory, print_roofline, print_size
    from roofline import measure

    memory = _memory(choice)
    result: dict[str, Any] = {"memory": memory, "roofline": {}, "points": [], "set_up": [], "left_out": []}
    roofline = measure(choice.read_mib)
    for size in choice.sizes:
        _measure_size(choice, 2**size, result)
        roofline = roofline.best(measure(choice.read_mib))  # a neighbour on this machine must not raise the floor
    _add_floors(result, roofline, choice.batches)
    print_memory(memory)
    print_roofline(result["roofline"])
    for size in choice.sizes:
        print_size(result, 2**size, choice.batches)
    return result


def _add_floors(result: dict[str, Any], roofline: Any, batches: tuple[int, ...]) -> None:
    from contenders import BASELINE, DENSE
    from timing import ON

    floors = {str(batch): roofline.parts(batch, ON) for batch in batches}
    result["roofline"] = asdict(roofline) | {"floor_ns_per_entry": floors}
    for row in result["points"]:
        floor = None
        if row["contender"] == DENSE:
            floor = roofline.dense_ms(row["n"], row["batch"], ON)
        elif row["contender"] == BASELINE and row["batch"] == 1:
            floor = roofline.stored_ms(row["n"])
        row |= {"floor_ms": floor, "floor_share": floor / row["ms_per_vector"] if floor else None}


def _memory(choice: Choice) -> list[dict[str, Any]]:
    """Every contender at the largest size that it can do, and at the largest that all can."""
    from contenders import CONTENDERS, why_not
    from timing import peak_mib_elsewhere

    fits = {c: [s for s in choice.sizes if why_not(c, 2**s, choice.limit_bytes) is None] for c in CONTENDERS}
    most = [max(sizes) for sizes in fits.values() if sizes]
    return [
        {
            "contender": contender.name,
            "n": 2**size,
            "peak_mib": peak_mib_elsewhere(contender, 2**size, choice.threads),
            "matrix_mib": contender.bytes_per_entry * 4**size / 2**20,
        }
        for contender, sizes in fits.items()
        for size in sorted({size for size in (min(most), max(sizes, default=-1)) if size in sizes})
    ]


def _measure_size(choice: Choice, n: int, result: dict[str, Any]) -> None:
    from contenders import BASELINE, CONTENDERS, why_not
    from timing import set_up_s, time_point

    baseline: dict[int, float] = {}
    for contender in CONTENDERS:
        reason = why_not(contender, n, choice.limit_bytes)
        if reason:
            result["left_out"].append({"contender": contender.name, "n": n, "reason": reason})
            continue
        print(f"n = {n}: {contender.name}", file=sys.stderr, flush=True)
        seconds, ready = set_up_s(contender, n)
        result["set_up"].append({"contender": contender.name, "n": n, "seconds": seconds})
        for batch in choice.batches:
            timing = time_point(contender, ready, n, batch, choice.budget_s)
            ms = timing.ms_per_vector(batch)
            if contender.name == BASELINE:
                baseline[batch] = ms
            row = {"contender": contender.name, "n": n, "batch": batch, "ms_per_vector": ms}
            row |= {"over_baseline": ms / baseline[batch] if baseline else None, "repeats": timing.repeats}
            row |= {"measured": timing.measured, "whole": timing.whole, "of": contender.divides}
            result["points"].append(row)
        del ready  # its matrix


def _choice() -> Choice:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in text.split(","))

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=numbers, default=(12, 14, 16, 18, 20), help="base-2 logarithms of n")
    parser.add_argument("--batches", type=numbers, default=(1, 16, 128, 1024))
    parser.add_argument("--threads", type=int, default=1, help="threads of ours and of every peer")
    parser.add_argument("--budget-s", type=float, default=8, help="longest time at one point, repeats included")
    parser.add_argument("--limit-gib", type=float, help="largest matrix (8, or a third of this machine's memory)")
    parser.add_argument("--read-mib", type=int, default=1024, help="array streamed for the memory bandwidth")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    options = vars(parser.parse_args())
    limit = options.pop("limit_gib") or min(8.0, (memory_gib() or 24) / 3)
    return Choice(limit_bytes=int(limit * 2**30), **options)


if __name__ == "__main__":
    main()

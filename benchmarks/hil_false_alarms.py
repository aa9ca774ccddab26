"""How often `opu hil` calls a healthy device unfit, or cannot judge it: simulated devices by the hundred, all healthy.

    python benchmarks/hil_false_alarms.py [--seeds 100] [--appliance-seeds 20] [--bench-seeds 20] [--loop-seeds 5] \\
        [--train-every 10]

A seed is a device of its own: medium, noise, pixels and patterns shown. Every n-th also trains a network. The file is
written after every device, and what it holds is not done again unless the suite has changed since. The closed loop (ALP
library, GigE Vision and SCPI around simulated light: tests/drivers/closed_loop.py) takes two minutes a device, needs
aravis-tools and gcc, and is left out with --loop-seeds 0.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from machine import description, pin_threads

pin_threads(1)

from scipy.stats import beta  # noqa: E402

from opu import OPU  # noqa: E402
from opu.config import Config  # noqa: E402
from opu.factory import build_profile  # noqa: E402
from opu.files import write_atomic  # noqa: E402
from opu.threads import set_num_threads  # noqa: E402

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "hil-false-alarms.json"
PRESETS = ("ideal", "typical", "harsh")
N_INPUTS, N_OUTPUTS = 100, 512
CONFIDENCE = 0.95
ORDER = [
    *((route, preset) for route in ("simulator", "appliance") for preset in (*PRESETS, "all")),
    ("bench", "fake parts"),
    *(("closed loop", preset) for preset in (*PRESETS, "all")),
    ("all", "all"),
]
MARKS = "<!-- alarms -->", "<!-- end -->"
UNTIMED = {"frame_rate": 0.01, "jitter": 1000.0}
"""The time that this process takes to make a bench's images is no fault of the bench."""
LOOP_LIMITS = {"frame_rate": 0.1}
"""Aravis's fake camera lets 0.1 s pass between a start and its first frame, as long as 64 frames take."""


def main() -> int:
    """Judge every device that is not in the file yet, print the rates."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=100, help="devices of each preset, on the simulator")
    parser.add_argument("--appliance-seeds", type=int, default=20, help="as many of these again through an appliance")
    parser.add_argument("--bench-seeds", type=int, default=20, help="benches of parts in memory, from the tests")
    parser.add_argument("--loop-seeds", type=int, default=5, help="devices of each preset, over the closed loop")
    parser.add_argument("--train-every", type=int, default=10, help="every n-th device also trains; 0: none")
    parser.add_argument("--json", type=Path, default=RESULTS)
    parser.add_argument("--docs", type=Path, help="put the table into this page, between its marks: docs/hil.md")
    wanted = parser.parse_args()
    set_num_threads(1)
    suite, runs = digest(), {}
    if wanted.json.is_file():
        kept = json.loads(wanted.json.read_text(encoding="utf-8"))
        if kept["suite"] == suite:
            runs = kept["runs"]
        else:
            print("the suite has changed since: all over again", file=sys.stderr)
    for route, preset, seed in asked(wanted.seeds, wanted.appliance_seeds, wanted.bench_seeds, wanted.loop_seeds):
        trains = route in ("simulator", "appliance") and bool(wanted.train_every) and seed % wanted.train_every == 0
        name = f"{route}/{preset}/{seed}" + ("/training" if trains else "")
        if name in runs:
            continue
        runs[name] = judged(route, preset, seed, trains)
        for alarm in runs[name]["alarms"]:
            print(f"{name}: {alarm}", file=sys.stderr, flush=True)
        document = {
            "machine": description(1),
            "n_inputs": N_INPUTS,
            "n_outputs": N_OUTPUTS,
            "suite": suite,
            "rates": rates(runs),
            "runs": runs,
        }
        write_atomic(wanted.json, json.dumps(document, indent=1) + "\n")
    print(table(rates(runs)))
    if wanted.docs is not None:
        before, rest = wanted.docs.read_text(encoding="utf-8").split(MARKS[0])
        _, after = rest.split(MARKS[1], 1)
        write_atomic(wanted.docs, f"{before}{MARKS[0]}\n{table(rates(runs))}\n{MARKS[1]}{after}")
    return 0


def asked(seeds: int, appliance_seeds: int, bench_seeds: int, loop_seeds: int) -> Iterator[tuple[str, str, int]]:
    """(route, preset, seed), the presets in turn."""
    yield from (("bench", "fake parts", seed) for seed in range(bench_seeds))
    for route, n in (("simulator", seeds), ("appliance", appliance_seeds), ("closed loop", loop_seeds)):
        for seed in range(n):
            for preset in PRESETS:
                yield route, preset, seed


def judged(route: str, preset: str, seed: int, trains: bool) -> dict[str, Any]:
    """What the quick level says of one healthy device, the training left out unless asked for."""
    hil = "opu.hw_tests"
    command, suite = import_module(f"{hil}.command"), import_module(f"{hil}.suite")
    wanted = command.Asked(allow_laser=True, seed=seed)
    start, start_cpu_s = time.perf_counter(), time.process_time()
    with bench(seed) if route == "bench" else profile(route, preset, seed) as table:
        if route == "bench":
            session = import_module(f"{hil}.session").Session(
                "bench", table, import_module(f"{hil}.limits").Limits(**UNTIMED)
            )
        else:
            session = command.session_of(Config("benchmark", "healthy", {"healthy": table}), wanted)
        checks = command.checks_of(wanted)
        session.n_tests = len(checks)
        verdict = suite.run(session, [check for check in checks if trains or check.name != "training.learns"])
    troubles = [one for one in verdict.judged if one.outcome.result in ("failed", "unjudged")]
    return {
        "fitness": verdict.fitness,
        "alarms": [
            f"{one.check.name} {one.outcome.result}: {one.outcome.cause or '-'}: {one.outcome.message}"
            for one in troubles
        ],
        "cpu_s": round(time.process_time() - start_cpu_s, 2),
        "wall_s": round(time.perf_counter() - start, 2),
    }


@contextmanager
def profile(route: str, preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A config's table of the device: the simulator's own, or that of an appliance or a closed loop around it."""
    if route == "closed loop":
        with closed_loop(preset, seed) as table:
            yield table
        return
    simulated = {"kind": "sim", "preset": preset, "n_inputs": N_INPUTS, "n_outputs": N_OUTPUTS, "seed": seed}
    if route == "simulator":
        yield simulated
        return
    served = build_profile(Config("benchmark", "served", {"served": simulated})).device
    serve = import_module("opu.drivers.serve")
    with serve.Appliance(served, serve.Access("127.0.0.1:0")) as appliance:
        yield {"kind": "visa", "resource": appliance.resources[0]}


@contextmanager
def closed_loop(preset: str, seed: int) -> Iterator[dict[str, Any]]:
    """A bench's table of the device whose panel, camera and laser are real protocols around simulated light."""
    sys.path.insert(0, str(ROOT))
    loops = import_module("tests.drivers.closed_loop")
    try:
        # With the anchor's usual 0.8 some inputs would be five mirrors in a corner, where the harsh beam is dark.
        sizes = loops.Sizes(n_inputs=40, anchor_share=0.5, region=(16, 20), preset=preset, seed=seed)
        with TemporaryDirectory() as folder, loops.closed_loop(Path(folder), sizes=sizes) as loop:
            yield {"kind": "bench", **loop.table, "hil": LOOP_LIMITS}
    finally:
        sys.path.remove(str(ROOT))


@contextmanager
def bench(seed: int) -> Iterator[Callable[[], OPU]]:
    """Makes a bench over a table in memory, with photon noise."""
    sys.path.insert(0, str(ROOT))
    parts = import_module("tests.hw_tests.bench_table")
    device = import_module("opu.drivers.bench_device")
    patch = import_module("pytest").MonkeyPatch()
    parts.fake_parts.fake_kinds(patch)
    table = parts.Table(name=f"healthy {seed}", sensor=(16, 20), panel=(20, 24), seed=seed)
    try:
        yield lambda: OPU(device.BenchDevice(table.settings(n_inputs=40), table.clock, table.sleep))
    finally:
        patch.undo()
        sys.path.remove(str(ROOT))


def rates(runs: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """By route and preset: devices, alarms, and the rate's upper bound (Clopper and Pearson, one-sided)."""
    groups: dict[tuple[str, str], list[str]] = {}
    for name, run in runs.items():
        route, preset, *_ = name.split("/")
        for key in {(route, preset), (route, "fake parts" if route == "bench" else "all"), ("all", "all")}:
            groups.setdefault(key, []).append(run["fitness"])
    return [
        {
            "route": route,
            "preset": preset,
            "devices": len(found),
            "trained": sum(name.startswith(prefix(route, preset)) and "training" in name for name in runs),
            "alarms": (alarms := sum(each != "fit" for each in found)),
            "rate": alarms / len(found),
            "rate_at_most": float(beta.ppf(CONFIDENCE, alarms + 1, len(found) - alarms))
            if alarms < len(found)
            else 1.0,
        }
        for (route, preset), found in sorted(groups.items(), key=lambda group: ORDER.index(group[0]))
    ]


def prefix(route: str, preset: str) -> str:
    """With which the names of a group's runs begin."""
    return "" if route == "all" else f"{route}/" + ("" if preset == "all" else f"{preset}/")


def table(rows: list[dict[str, Any]]) -> str:
    """In Markdown."""
    lines = [
        "| healthy devices | preset | judged | of these trained | false alarms | rate, 95 % sure |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['route']} | {row['preset']} | {row['devices']} | {row['trained']} | {row['alarms']} | at most "
        f"{row['rate_at_most']:.1%} |"
        for row in rows
    ]
    return "\n".join(lines)


def digest() -> str:
    """Of what judges: the suite and the measurements under it."""
    files = sorted([*(ROOT / "hw_tests").glob("*.py"), *(ROOT / "opu" / "characterization").glob("*.py")])
    judges = [file for file in files if file.name.startswith(("check_", "judging", "limits", "measured", "session"))]
    judges += [file for file in files if file.parent.name == "characterization"]
    return sha256(b"".join(file.read_bytes() for file in judges)).hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())

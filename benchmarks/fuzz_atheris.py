"""Coverage-guided fuzzing of the appliance: parser, blocks, instrument, both servers, and the client against any server.

    uv run --with atheris python benchmarks/fuzz_atheris.py [--inputs 1200000] [--jobs 2] [--json benchmarks/results/fuzz.json]

Each target (benchmarks/fuzz_targets.py) runs in a process of its own, since libFuzzer ends the one it runs in. A crash, an
input of more than 20 s, or more than 2 GiB of memory ends the run with that input in build/fuzz. atheris is no dependency of
this project: it has wheels for Linux only, and not for every Python.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path

TARGETS = ("parser", "blocks", "instrument", "socket", "hislip", "client")
HANG_S, MOST_MIB = 20, 2048
FOUND = Path("build/fuzz")
FLAT_KIB = 64 << 10
"""libFuzzer keeps the inputs that reached something new, so its own memory grows a little."""


def main() -> int:
    """Run every target and report; 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_200_000, help="in all, shared among the targets")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=TARGETS)
    parser.add_argument("--jobs", type=int, default=2, help="targets at once")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    names = [arguments.only] if arguments.only else list(TARGETS)
    each = -(-arguments.inputs // len(names))
    if arguments.child is not None:
        _fuzz(arguments.only, each, arguments.seed, Path(arguments.child))
        return 0
    try:
        import_module("atheris")
    except ImportError:
        print("needs atheris: pip install atheris (Linux), or uv run --with atheris ...")
        return 2
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = dict(zip(names, pool.map(lambda name: _run(name, each, arguments.seed), names), strict=True))
    total = sum(int(result["inputs"]) for result in results.values())
    bad = [name for name, result in results.items() if not result["passed"]]
    print(f"{total:,} inputs in all; {'failed: ' + ', '.join(bad) if bad else 'no crash, no hang, memory flat'}")
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps({"inputs": total, "seed": arguments.seed, "targets": results}, indent=2) + "\n"
        )
    return int(bool(bad))


def _run(name: str, inputs: int, seed: int) -> dict[str, float | bool]:
    FOUND.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable,
            __file__,
            "--only",
            name,
            "--inputs",
            str(inputs),
            "--seed",
            str(seed),
            "--child",
            folder,
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        memory = Path(folder) / "memory"
        lines = memory.read_text().splitlines() if memory.exists() else []
    samples = [tuple(map(int, line.split())) for line in lines]
    stats = {key: int(value) for key, value in re.findall(r"stat::(\w+):\s+(\d+)", done.stderr)}
    coverage = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", done.stderr)
    grown_kib = samples[-1][1] - samples[0][1] if len(samples) > 1 else 0
    result: dict[str, float | bool] = {
        "inputs": stats.get("number_of_executed_units", 0),
        "seconds": round(time.perf_counter() - start, 1),
        "slowest_input_s": stats.get("slowest_unit_time_sec", -1),
        "edges": int(coverage[-1][0]) if coverage else 0,
        "kept_inputs": int(coverage[-1][2]) if coverage else 0,
        "grown_kib_since_first_tenth": grown_kib,
        "peak_mib": stats.get("peak_rss_mb", 0),
        "passed": done.returncode == 0 and grown_kib < FLAT_KIB,
    }
    print(f"{name:10} " + "  ".join(f"{key} {value:,}" for key, value in result.items()), flush=True)
    if done.returncode:
        print("\n".join(done.stderr.splitlines()[-40:]))
    return result


def _fuzz(name: str, inputs: int, seed: int, folder: Path) -> None:
    """libFuzzer in this process, which it ends."""
    atheris = import_module("atheris")
    with atheris.instrument_imports(include=["opu.drivers"]):
        made = import_module("fuzz_targets")
        target = made.targets()[name]
    (folder / "seeds").mkdir()
    for k, data in enumerate(made.seeds()):
        (folder / "seeds" / str(k)).write_bytes(data)
    words = ["".join(f"\\x{byte:02x}" for byte in word) for word in made.dictionary()]
    (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
    memory = (folder / "memory").open("w")
    count, step = 0, max(1, inputs // 10)

    def counted(data: bytes) -> None:
        nonlocal count
        target(data)
        count += 1
        if count % step == 0:
            memory.write(f"{count} {_resident_kib()}\n")
            memory.flush()

    options = [
        f"-runs={inputs}",
        f"-seed={seed}",
        "-max_len=600",
        "-len_control=0",
        f"-timeout={HANG_S}",
        f"-rss_limit_mb={MOST_MIB}",
        f"-dict={folder / 'words'}",
        f"-artifact_prefix={FOUND}/{name}-",
        "-print_final_stats=1",
        "-close_fd_mask=0",
    ]
    atheris.Setup([sys.argv[0], *options, str(folder / "seeds")], counted)
    atheris.Fuzz()


def _resident_kib() -> int:
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


if __name__ == "__main__":
    sys.exit(main())

"""A tiny sweep runs from end to end; what it measures is not tested."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

# The memory of each contender takes a process of its own: here that of one stands for all.
SWEEP = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2] / "benchmarks")!r})
import sweep, timing
peak = timing.peak_mib_elsewhere
timing.peak_mib_elsewhere = lambda c, n, threads: peak(c, n, threads) if (c.name, n) == ("openopu dense", 64) else 1.0
sweep.main()
"""
TINY = ("--sizes", "6,7", "--batches", "1,5", "--budget-s", "0.05", "--limit-gib", "0.0001", "--read-mib", "1")


@pytest.mark.slow
def test_a_tiny_sweep_writes_all_it_promises(tmp_path):
    json_path, plot_path = tmp_path / "sweep.json", tmp_path / "sweep.png"
    command = [sys.executable, "-c", SWEEP, *TINY, "--json", str(json_path), "--plot", str(plot_path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(json_path.read_text())
    assert set(result) == {"machine", "memory", "roofline", "points", "set_up", "left_out"}
    assert {"cpu", "threads", "cores_allowed", "versions", "date", "seconds"} <= set(result["machine"])
    assert {"hash_ns_per_word", "rows_ns", "read_gb_per_s", "floor_ns_per_entry"} <= set(result["roofline"])
    points = {(row["contender"], row["n"], row["batch"]): row for row in result["points"]}
    for row in points.values():
        assert row["ms_per_vector"] > 0
        assert 0 < row["measured"] <= row["whole"]
        assert row["repeats"] >= 3
    assert {row["contender"] for row in result["memory"]} >= {"openopu dense", "stored float32 pair"}
    assert all(row["peak_mib"] > 0 for row in result["memory"])
    for name in ("openopu dense", "openopu structured"):
        assert {key[1:] for key in points if key[0] == name} == {(64, 1), (64, 5), (128, 1), (128, 5)}
    assert points["stored float32 pair", 64, 1]["over_baseline"] == 1
    assert points["openopu dense", 64, 5]["over_baseline"] > 0
    # 0.0001 GiB hold the matrix of 64 x 64, not that of 128 x 128: said by name, never extrapolated.
    left_out = {(row["contender"], row["n"]): row["reason"] for row in result["left_out"]}
    assert "over the limit" in left_out["stored float32 pair", 128]
    assert ("stored float32 pair", 128, 1) not in points
    assert "left out: stored float32 pair: its matrix" in done.stdout
    assert plot_path.read_bytes().startswith(b"\x89PNG")

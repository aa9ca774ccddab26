"""The sweep's result as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def print_memory(rows: list[dict[str, Any]]) -> None:
    """Peak memory."""
    print("\npeak memory of set-up and one frame, MiB (matrix stored)")
    for row in rows:
        print(f"  {row['contender']:<23} n = {row['n']:>8} {row['peak_mib']:>10.1f} ({row['matrix_mib']:.0f})")


def print_roofline(rates: dict[str, Any]) -> None:
    """Rates, and the floor they make."""
    print(
        f"\nthis core: hash {rates['hash_ns_per_word']:.3f} ns/word = {rates['hash_ns_per_word'] / 4:.4f} ns/entry if hashing "
        f"were all ({1 / rates['hash_ns_per_word']:.2f} G words/s); bytes to Gaussians {rates['map_ns_per_entry']:.4f} "
        f"ns/entry;\nadds, G/s: int8 to int16 {1 / rates['widen_ns']:.0f}, tables {1 / rates['build_ns']:.0f}, table rows "
        f"{1 / rates['rows_ns']:.0f} (as the kernel's lie in the caches {1 / rates['rows_placed_ns']:.0f}); memory read "
        f"{rates['read_gb_per_s']:.1f} GB/s = {8 / rates['read_gb_per_s']:.3f} ns per stored entry"
    )
    for batch, parts in rates["floor_ns_per_entry"].items():
        print(
            f"  floor of the dense engine, B = {batch:>4}: {sum(parts.values()):.4f} ns per entry and vector "
            f"(hash {parts['hash']:.4f}, adds {parts['adds']:.4f})"
        )


def print_size(result: dict[str, Any], n: int, batches: Sequence[int]) -> None:
    """Everything at one size: ms per vector, times the baseline, share of the floor reached."""
    set_up = {row["contender"]: row["seconds"] for row in result["set_up"] if row["n"] == n}
    points = {(row["contender"], row["batch"]): row for row in result["points"] if row["n"] == n}
    print(f"\nn = {n}: ms per vector, times the stored float32 pair, per cent of the floor; * part measured, scaled")
    print(f"{'':<23}" + "".join(f"{f'B = {batch}':>26}" for batch in batches) + f"{'set-up s':>11}")
    for name, seconds in set_up.items():
        cells = [_cell(points[name, batch]) for batch in batches]
        print(f"{name:<23}" + "".join(f"{cell:>26}" for cell in cells) + f"{seconds:>11.4f}", flush=True)
    for row in result["left_out"]:
        if row["n"] == n:
            print(f"  left out: {row['contender']}: {row['reason']}")
    for row in points.values():
        if row["measured"] < row["whole"]:
            parts = f"{row['measured']} of {row['whole']} {row['of']}"
            print(f"  * {row['contender']}, B = {row['batch']}: measured on {parts}, scaled", flush=True)


def _cell(row: dict[str, Any]) -> str:
    ratio = "" if row["over_baseline"] is None else f" {row['over_baseline']:.2f}x"
    share = "" if row["floor_share"] is None else f" {100 * row['floor_share']:.0f}%"
    return f"{row['ms_per_vector']:.4g}{'*' * (row['measured'] < row['whole'])}{ratio}{share}"

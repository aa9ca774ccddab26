"""Finished trainings in one JSON file: a command that was killed goes on where it was, and nothing is trained twice."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal

from opu.errors import InputError
from opu.files import write_atomic

Hyper = dict[str, Any]
Result = dict[str, Any]
Part = Literal["test", "validation"]
"""What a score was measured on: the test set, once, or data held back from training to tune on."""


@dataclass(frozen=True)
class Job:
    """One training: an arm by name, every hyper-parameter as JSON values, and a seed."""

    arm: str
    hyper: Hyper
    seed: int

    def __post_init__(self) -> None:
        """Tuples become lists, as they will be in the file."""
        object.__setattr__(self, "hyper", json.loads(json.dumps(self.hyper)))


@dataclass
class Ledger:
    """The file of one table: {"table", "machine", "test": [runs], "validation": [runs]}; a run is its job and its result.

    A run counts for a job only if arm, seed and every hyper-parameter are the same; others stay in the file beside it. Each
    run is written as soon as it is finished. One process a file: a second would be overwritten if both finish at once.
    """

    path: Path
    table: str
    machine: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """InputError if the file is another table's or cannot be read."""
        self._read()

    def find(self, part: Part, job: Job) -> Result | None:
        """The result of that job, None if it is still to do."""
        return next((run for run in self._read()[part] if _of(run) == job), None)

    def add(self, part: Part, job: Job, result: Result) -> Result:
        """Keep a finished run and return it with its job; result: JSON values, 'score' among them."""
        document = self._read()
        run = {"arm": job.arm, "seed": job.seed, "hyper": job.hyper, **result}
        document[part] = [old for old in document[part] if _of(old) != job] + [run]
        document["machine"] = dict(self.machine)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, _text(document))
        return run

    def _read(self) -> dict[str, Any]:
        empty: dict[str, Any] = {"table": self.table, "machine": {}, "test": [], "validation": []}
        if not self.path.exists():
            return empty
        try:
            document: dict[str, Any] = json.loads(self.path.read_text())
            found = document["table"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{self.path} holds no results of this kind ({error}): name another file by --out"
            ) from error
        if found != self.table:
            raise InputError(f"{self.path} holds the table '{found}', not '{self.table}': name another file by --out")
        return empty | document


def _text(document: Mapping[str, Any]) -> str:
    """JSON with a line for each run."""

    def value(v: Any) -> str:
        lines = [json.dumps(item, allow_nan=False) for item in v] if isinstance(v, list) else []
        return "[\n  " + ",\n  ".join(lines) + "\n ]" if lines else json.dumps(v, allow_nan=False)

    return "{\n " + ",\n ".join(f"{json.dumps(key)}: {value(v)}" for key, v in document.items()) + "\n}\n"


def _of(run: Mapping[str, Any]) -> Job:
    return Job(run["arm"], run["hyper"], run["seed"])


def complete(ledger: Ledger, part: Part, jobs: Sequence[Job], train: Callable[[Job], Result]) -> list[Result]:
    """The results of all jobs in their order: from the ledger where they are there, else trained now and kept."""
    results = []
    for number, job in enumerate(jobs, start=1):
        result = ledger.find(part, job)
        kept = result is not None
        if result is None:
            result = ledger.add(part, job, train(job))
        _tell(f"[{number}/{len(jobs)}] {part}: {job.arm}, seed {job.seed}: {result['score']:.4g}{' (kept)' * kept}")
        results.append(result)
    return results


def tune(
    ledger: Ledger,
    arm: str,
    hyper: Hyper,
    grid: Mapping[str, Sequence[Any]],
    seeds: Sequence[int],
    train: Callable[[Job], Result],
    best: Callable[..., Any] = max,
) -> Hyper:
    """`hyper` with those values of the grid whose mean validation score over the seeds is best; the first of equals.

    best: max for accuracies, min for losses. train must not see the test set: its score is of data held back.
    """
    points = [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]
    means = []
    for point in points:
        scores = complete(ledger, "validation", [Job(arm, hyper | point, seed) for seed in seeds], train)
        means.append(sum(run["score"] for run in scores) / len(seeds))
        _tell(f"  {arm}: {point}: {means[-1]:.4g} on validation")
    chosen = points[means.index(best(means))]
    _tell(f"  {arm}: chosen {chosen}")
    return hyper | chosen


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)

"""Accuracy against a physical parameter: what a bench of given camera, mirrors and laser would learn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from opu.config import Config, merged
from opu.errors import ConfigError, OPUError
from opu.factory import build_profile, check_profile, open_parameters
from opu.files import write_atomic
from opu.kinds import load_kind
from opu.validation import validated

from .alignment import mean_or_none
from .arms import Arm, arm_named
from .budget_axes import AXES, Sweep
from .budget_bench import Bench, Overrides
from .budget_cliff import Cliff, find_cliffs
from .budget_points import PointResult, Task, finished, measured_snr, open_source, point_key, run_points
from .feedback import OpticalFeedback
from .session import opener
from .settings import ResolvedSettings

FORMAT = "openopu-budget-1"
CONTROLS = ("backprop", "last-layer")
POINTS = "points"


@dataclass(frozen=True)
class BudgetRow:
    """One value (or control) over all seeds: accuracies as fractions, costs as means per run, std with n - 1."""

    value: Any
    overrides: Overrides
    results: tuple[PointResult, ...]

    @property
    def accuracies(self) -> tuple[float, ...]:
        """Of the seeds that trained."""
        return tuple(r.accuracy for r in self.results if r.accuracy is not None)

    @property
    def mean(self) -> float | None:
        """Mean accuracy; None where no seed trained."""
        return mean_or_none(self.accuracies)

    @property
    def std(self) -> float | None:
        """Sample standard deviation; None for fewer than two seeds."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else None

    @property
    def failure(self) -> str | None:
        """Why a seed did not train, the first of them."""
        return next((r.error for r in self.results if r.error is not None), None)

    def mean_of(self, name: str) -> float | None:
        """Mean of a result's field over the seeds that trained."""
        return mean_or_none([getattr(r, name) for r in self.results if r.accuracy is not None])

    def as_json(self) -> dict[str, Any]:
        """Return the row as JSON-safe values."""
        costs = (
            "snr",
            "sample_angle_deg",
            "batch_angle_deg",
            "frames",
            "device_seconds",
            "device_joules",
            "train_seconds",
        )
        return {
            "value": self.value,
            "set": self.overrides,
            "mean": self.mean,
            "std": self.std,
            **{name: self.mean_of(name) for name in costs},
            "error": self.failure,
            "warnings": sorted({w for r in self.results for w in r.warnings}),
            "accuracies": [r.accuracy for r in self.results],
        }


@dataclass(frozen=True)
class SweepResult:
    """One sweep: its rows in the order given, and its cliffs."""

    sweep: Sweep
    rows: tuple[BudgetRow, ...]
    cliffs: tuple[Cliff, ...]


@dataclass(frozen=True)
class Budget:
    """All sweeps, the controls, and what accuracy is worth nothing: the last layer's, where it was trained, else chance."""

    dataset: str
    n_seeds: int
    sweeps: tuple[SweepResult, ...]
    controls: tuple[tuple[Arm, BudgetRow], ...]
    floor: float
    floor_name: str
    folder: Path

    def as_json(self) -> dict[str, Any]:
        """Return the budget as JSON-safe values."""
        return {
            "format": FORMAT,
            "dataset": self.dataset,
            "seeds": self.n_seeds,
            "floor": self.floor,
            "floor_name": self.floor_name,
            "controls": {arm.name: row.as_json() for arm, row in self.controls},
            "sweeps": [
                {
                    "name": s.sweep.name,
                    "label": s.sweep.label,
                    "rows": [row.as_json() for row in s.rows],
                    "cliffs": [asdict(cliff) for cliff in s.cliffs],
                }
                for s in self.sweeps
            ],
        }


def budget(
    config: Config,
    settings: ResolvedSettings,
    sweeps: Sequence[Sweep],
    n_seeds: int,
    folder: Path,
    *,
    workers: int = 1,
    train_size: int | None = None,
    controls: bool = False,
    executor: Executor | None = None,
    on_plan: Callable[[int, int], None] | None = None,
    on_point: Callable[[PointResult], None] | None = None,
) -> Budget:
    """Train optical DFA at every value of every sweep with seeds 0..n_seeds - 1, and write points and budget.json.

    config: the device; each value is set in its table. settings: of the training; method, feedback and seed are replaced.
    folder: exists; points already in it with the same settings are not trained again. controls: also train backprop and
    the last layer alone. on_plan(points, finished) follows the check of every value and precedes all training,
    on_point(result) each point. workers, executor: see run_points. Raises ConfigError, and OPUError when no point at all
    could be trained.
    """
    if len({sweep.name for sweep in sweeps}) < len(sweeps) or not sweeps or n_seeds < 1:
        raise ConfigError("a budget needs one or more --sweep, each key once, and one or more --seeds")
    dataset = open_source(settings, train_size)
    width = sum(settings.hidden)
    dfa = settings.model_copy(update={"method": "dfa", "feedback": "optical"})
    plan = _plan(config, dfa, sweeps, dataset.n_classes, width)

    (folder / POINTS).mkdir(exist_ok=True)
    base = config.profile()
    tasks: list[Task] = []
    for sweep in sweeps:
        for index, value in enumerate(sweep.values):
            chosen = replace(config, devices={**config.devices, config.device: _set(base, plan[sweep.name][index])})
            # What an axis measures may come out otherwise next time; what it works out belongs to the point.
            known = base if sweep.measured else chosen.profile()
            tasks += [
                _task(sweep.name, "dfa-optical", value, dfa, seed, train_size, chosen, known) for seed in range(n_seeds)
            ]
    arms = [arm_named(name) for name in CONTROLS] if controls else []
    for arm in arms:
        plain = settings.model_copy(update={"method": arm.method, "pipeline": 0})
        tasks += [
            _task("control", arm.name, arm.name, plain, seed, train_size, config, None) for seed in range(n_seeds)
        ]
    if on_plan is not None:
        on_plan(len(tasks), sum(finished(folder / POINTS, task) is not None for task in tasks))
    results = run_points(tasks, folder / POINTS, workers, on_point, executor)

    def row(name: str, value: Any, overrides: Overrides) -> BudgetRow:
        mine = [results[t.key] for t in tasks if (t.name, repr(t.value)) == (name, repr(value))]
        return BudgetRow(value, overrides, tuple(mine))

    control_rows = tuple((arm, row("control", arm.name, {})) for arm in arms)
    last_layer = next((r.mean for arm, r in control_rows if arm.name == "last-layer"), None)
    floor = 1 / dataset.n_classes if last_layer is None else last_layer
    done = []
    for sweep in sweeps:
        rows = tuple(row(sweep.name, v, o) for v, o in zip(sweep.values, plan[sweep.name], strict=True))
        done.append(SweepResult(sweep, rows, find_cliffs(sweep, [r.mean for r in rows], floor)))
    budget_ = Budget(
        settings.dataset,
        n_seeds,
        tuple(done),
        control_rows,
        floor,
        "chance" if last_layer is None else "last layer only",
        folder,
    )
    rows_all = [r for s in done for r in s.rows]
    write_atomic(folder / "budget.json", json.dumps(budget_.as_json(), indent=1, allow_nan=False) + "\n")
    if all(r.mean is None for r in rows_all):
        raise OPUError(f"no point of the budget could be trained; the first: {rows_all[0].failure}")
    return budget_


def _plan(
    config: Config, settings: ResolvedSettings, sweeps: Sequence[Sweep], n_inputs: int, width: int
) -> dict[str, list[Overrides]]:
    """Keys for every value, each set checked by building a closed device; only then is one lit, if an axis measures."""
    assumed = {"n_inputs": n_inputs, "n_outputs": width}
    check_profile(config, assumed, hints={})
    base = config.profile()
    kind = load_kind(str(base.get("kind", "")))
    own = {key: value for key, value in base.items() if key in kind.settings.model_fields}
    bench = Bench(validated(kind.settings, {**own, **open_parameters(config, assumed)}, config.where))

    @cache
    def measured() -> Bench:
        with opener(config)(settings, n_inputs, width) as opu:
            snr = measured_snr(OpticalFeedback(opu, n_inputs, width))
            calibration = opu.calibration
        return replace(
            bench,
            calibration=calibration,
            snr=snr,
            n_inputs=opu.n_inputs,
            retrieval=opu.retrieval,
            frames_per_step=settings.batch_size * opu.encoding.n_planes * opu.retrieval.frames_per_plane,
        )

    plan: dict[str, list[Overrides]] = {}
    # Axes that must light the device come last: whatever is wrong with the others is found without it.
    for sweep in sorted(sweeps, key=lambda s: s.measured):
        plan[sweep.name] = []
        for value in sweep.values:
            overrides = sweep.overrides(value, measured() if sweep.measured else bench)
            chosen = replace(config, devices={**config.devices, config.device: _set(base, overrides)})
            try:
                check_profile(chosen, assumed, hints={})
                build_profile(chosen, open_parameters(chosen, assumed), settings.encoding, settings.retrieval)
            except ConfigError as error:
                named = "" if "." in sweep.name or sweep.axis is not None else f"\nnamed axes: {', '.join(AXES)}"
                raise ConfigError(f"--sweep {sweep.name}, value {value!r}: {error}{named}") from None
            plan[sweep.name].append(overrides)
    return plan


def _task(
    name: str,
    arm: str,
    value: Any,
    settings: ResolvedSettings,
    seed: int,
    train_size: int | None,
    config: Config,
    base: Mapping[str, Any] | None,
) -> Task:
    """base: what of the device's table a point is known by; None: no device in it."""
    seeded = settings.model_copy(update={"seed": seed})
    plain = seeded.model_dump(mode="json", exclude={"out", "data"})
    return Task(point_key(name, arm, value, plain, train_size, base), name, arm, value, seeded, train_size, config)


def _set(table: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """The table with dotted keys set."""
    for key, value in overrides.items():
        nested: Any = value
        for part in reversed(key.split(".")):
            nested = {part.strip(): nested}
        table = merged(table, nested)
    return dict(table)

"""The edge of a budget: what `opu budget` does between its options and a table on the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from opu.config import Config
from opu.errors import ConfigError, InputError
from opu.files import write_atomic
from opu.result_folder import make_dated_folder
from opu.threads import get_num_threads

from .budget import FORMAT, budget
from .budget_axes import AXES, parse_sweep
from .budget_points import PointResult
from .budget_report import budget_table, save_budget
from .display import results
from .folder import write_config
from .session import settings_from
from .units import seconds_text

PLAN = "plan.json"
DEFAULT_SEEDS = 3

SWEEP_HELP = "KEY=V1,V2,... with a key of the device's table (camera.bit_depth=8,4,2,1), or a named axis: " + "; ".join(
    f"{axis.name} ({axis.help})" for axis in AXES.values()
)


def run(
    config: Config,
    options: Mapping[str, Any] | None = None,
    *,
    sweep: Sequence[str] = (),
    seeds: int | None = None,
    workers: int | None = None,
    train_size: int | None = None,
    controls: bool | None = None,
    out: Path | None = None,
    resume: Path | None = None,
    as_json: bool = False,
) -> dict[str, Any]:
    """One budget: progress on standard error, the table on standard output; returns it as JSON values.

    options: of the training, given on the command line, over the file's [train]. What is left open is taken from
    `resume`, a budget's folder, whose finished points are kept, and else is 3 seeds and no controls. workers: processes;
    by default as many as there are cores for a simulator and one for anything else. as_json: print that JSON, too.
    """
    stored = {} if resume is None else _stored(resume)
    texts = list(sweep) or stored.get("sweeps", [])
    if not texts:
        raise ConfigError("--sweep is missing: give KEY=V1,V2,..., such as --sweep camera.bit_depth=8,4,2,1")
    sweeps = [parse_sweep(text) for text in texts]
    n_seeds = seeds if seeds is not None else stored.get("seeds", DEFAULT_SEEDS)
    size = train_size if train_size is not None else stored.get("train_size")
    with_controls = controls if controls is not None else stored.get("controls", False)
    if workers is None:
        workers = get_num_threads() if config.profile().get("kind") == "sim" else 1
    given = {**(options or {}), **({} if out is None else {"out": out})}
    settings = settings_from(config, given).resolved()
    folder = make_dated_folder(settings.out, f"budget-{settings.dataset}") if resume is None else resume
    try:
        with _Progress(folder) as shown:

            def begin(points: int, kept: int) -> None:
                _write_plan(folder, config, settings, texts, n_seeds, size, with_controls)
                shown.plan(points, kept)

            done = budget(
                config,
                settings,
                sweeps,
                n_seeds,
                folder,
                workers=workers,
                train_size=size,
                controls=with_controls,
                on_plan=begin,
                on_point=shown.point,
            )
    except (ConfigError, InputError):
        if resume is None and not any(folder.iterdir()):
            folder.rmdir()
        raise
    save_budget(done, folder / "budget.png")
    results.print(budget_table(done))
    results.print(f"plot: {folder / 'budget.png'}", soft_wrap=True)
    document = {"folder": str(folder), **done.as_json()}
    if as_json:
        print(json.dumps(document))  # noqa: T201
    return document


def _write_plan(
    folder: Path, config: Config, settings: Any, sweeps: list[str], seeds: int, train_size: int | None, controls: bool
) -> None:
    write_config(folder, settings, config.device, config.profile())
    plan = {"format": FORMAT, "sweeps": sweeps, "seeds": seeds, "train_size": train_size, "controls": controls}
    write_atomic(folder / PLAN, json.dumps(plan, indent=1) + "\n")


def _stored(folder: Path) -> dict[str, Any]:
    try:
        plan = json.loads((folder / PLAN).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"--resume {folder}: no budget can be continued there ({error}); name a budget's folder"
        ) from None
    if not isinstance(plan, dict) or plan.get("format") != FORMAT:
        raise InputError(f"--resume {folder}: {PLAN} is not of this version ({FORMAT}); start a new budget")
    return plan


class _Progress:
    """A bar where there is a terminal, a line per point in any case."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._console = Console(stderr=True, soft_wrap=True, highlight=False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        if kind is KeyboardInterrupt:
            self._console.print(
                f"interrupted; finished points are kept: opu budget --resume {self._folder}", markup=False
            )

    def plan(self, total: int, kept: int) -> None:
        """All points, and those already there."""
        self._task = self._bar.add_task("points", total=total, completed=kept)
        self._console.print(f"{total} points to train, {kept} of them done before; {self._folder}", markup=False)

    def point(self, result: PointResult) -> None:
        """One point is done."""
        if self._task is not None:
            self._bar.advance(self._task)
        what = result.arm if result.name == "control" else f"{result.name} = {result.value}"
        outcome = result.error or f"{100 * (result.accuracy or 0):6.2f} %  {seconds_text(result.train_seconds)}"
        self._bar.console.print(f"{what}, seed {result.seed}: {outcome}", markup=False)

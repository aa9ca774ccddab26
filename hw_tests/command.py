"""`opu hil`: from a configuration to a verdict, its report and its place in the device's history."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from opu import OPU
from opu.characterization.plots import need_matplotlib
from opu.config import Config, Table
from opu.errors import ConfigError, OPUError
from opu.factory import build_profile, open_parameters
from opu.files import write_atomic
from opu.kinds import load_kind
from opu.result_folder import make_result_folder
from opu.validation import validated

from . import history
from .catalogue import CHECKS
from .check import Check, Level, asked
from .document import DOCUMENT, SIGNATURE, as_json, moved, read_baseline, signature_bytes
from .junit import junit
from .limits import Limits
from .medium_signature import measure_signature
from .report import html
from .screen import show
from .session import Session
from .sick import sickness_of
from .sick_profile import sick_maker
from .suite import EXIT_STATUS, Judged, Verdict, run, too_few_bits

DEFAULT_SIZE = {"n_inputs": 100, "n_outputs": 512}
REPORT, JUNIT, JOURNAL = "report.html", "junit.xml", "soak.jsonl"


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    level: Level = "quick"
    only: Sequence[str] = ()
    baseline: Path | None = None
    allow_laser: bool = False
    hours: float = 2.0
    seed: int = 0
    out: Path | None = None
    resume: Path | None = None
    sick: str | None = None


def session_of(config: Config, wanted: Asked, scratch: Path | None = None) -> Session:
    """The session of the chosen profile, nothing opened yet. ConfigError for the profile, its limits or the baseline.

    scratch: a folder for files that a sickness needs.
    """
    profile = config.profile()
    own = profile.pop("hil", {})
    limits = validated(Limits, {**config.hil, **own}, f"{config.source}: hil")
    kind = load_kind(str(profile.get("kind", "")))
    # A real device has the size it has; only a simulator's may be assumed.
    profile = {**({} if kind.emits_light else open_parameters(config, DEFAULT_SIZE)), **profile}

    def build(table: Table) -> OPU:
        return build_profile(replace(config, devices={**config.devices, config.device: table}, hil={}))

    make: Callable[[], OPU] = partial(build, profile)
    if wanted.sick is not None:
        sickness = sickness_of(wanted.sick, "--sick")
        if sickness.baseline and wanted.baseline is None:
            raise ConfigError(
                f"--sick {sickness.name}: only an earlier report shows it; judge the healthy device, then add --baseline RUN"
            )
        make = sick_maker(sickness, profile, build, scratch or Path(tempfile.mkdtemp()))
    is_file = Path(config.source).is_file()
    return Session(
        name=config.device if wanted.sick is None else f"{config.device} ({wanted.sick})",
        make=make,
        limits=limits,
        level=wanted.level,
        seed=wanted.seed,
        emits_light=kind.emits_light,
        allow_laser=wanted.allow_laser,
        baseline=None if wanted.baseline is None else read_baseline(wanted.baseline),
        source=(config.source, config.device) if is_file else None,
        kind=kind.name,
        hours=wanted.hours,
    )


def checks_of(wanted: Asked) -> list[Check]:
    """The checks of the level whose names fit a pattern; ConfigError where a pattern fits none."""
    chosen = [check for check in CHECKS if asked(check, wanted.level)]
    for pattern in wanted.only:
        if not any(_fits(check, pattern) for check in chosen):
            names = ", ".join(sorted({check.group for check in chosen}))
            raise ConfigError(f"--only {pattern}: no check of level {wanted.level} is called so; groups: {names}")
    return [check for check in chosen if not wanted.only or any(_fits(check, pattern) for pattern in wanted.only)]


def _fits(check: Check, pattern: str) -> bool:
    return fnmatch(check.name, pattern) or check.group == pattern


def judge_profile(config: Config, wanted: Asked, *, as_json_line: bool = False, verbose: bool = False) -> int:
    """Judge the chosen device, write the folder, print the verdict; returns the exit status 0 fit, 1 unfit, 2 unjudged."""
    need_matplotlib()
    with tempfile.TemporaryDirectory() as scratch:
        return _judge_profile(config, wanted, Path(scratch), as_json_line, verbose)


def _judge_profile(config: Config, wanted: Asked, scratch: Path, as_json_line: bool, verbose: bool) -> int:
    session = session_of(config, wanted, scratch)
    chosen = checks_of(wanted)
    session.n_tests = len(chosen)
    try:
        spec = session.spec
    except ConfigError:
        raise
    except OPUError as error:  # nothing to judge, and nothing to report on
        return _unreachable(session, error, as_json_line)
    folder = _folder(wanted, config.device)
    session.journal = folder / JOURNAL
    console = Console(stderr=True)
    try:
        with _progress(console) as bar:
            task = bar.add_task("opening", total=len(chosen))
            session.say = lambda what: bar.update(task, description=what)

            def on_judged(one: Judged) -> None:
                bar.advance(task)
                if one.outcome.result == "failed":
                    bar.console.print(
                        f"failed {one.check.name}: {one.outcome.cause}", markup=False, highlight=False, soft_wrap=True
                    )

            verdict, signature = _judged(session, chosen, on_judged)
    except BaseException:
        with suppress(OSError):
            folder.rmdir()  # only if nothing is in it
        if session.journal.is_file():
            console.print(f"interrupted; go on with: opu hil --resume {folder} …", markup=False, soft_wrap=True)
        raise
    document = as_json(verdict, session)
    changes = [] if session.baseline is None else moved(verdict, session.baseline)
    if changes:
        document["moved"] = [
            dict(zip(("check", "then", "now", "standard_errors"), row, strict=True)) for row in changes
        ]
    write_atomic(folder / DOCUMENT, json.dumps(document, indent=1, default=str) + "\n")
    if signature is not None:
        write_atomic(folder / SIGNATURE, signature)
    write_atomic(folder / JUNIT, junit(verdict))
    write_atomic(folder / REPORT, html(verdict, spec, changes))
    try:
        history.register(folder.parent, folder, document)
    except OPUError as error:
        console.print(f"not entered into the history: {error}", markup=False)
    _print(verdict, session, folder, document, as_json_line, verbose)
    return EXIT_STATUS[verdict.fitness]


def _unreachable(session: Session, error: OPUError, as_json_line: bool) -> int:
    if as_json_line:
        print(json.dumps({"device": session.name, "fitness": "unjudged", "error": str(error)}))  # noqa: T201
    Console(stderr=True).print(f"{session.name}: could not be judged: {error}", markup=False, soft_wrap=True)
    return EXIT_STATUS["unjudged"]


def _judged(session: Session, chosen: list[Check], on_judged: Callable[[Judged], None]) -> tuple[Verdict, bytes | None]:
    """The verdict, and the readings by which the medium can be known again: measured last, where anything worked."""
    verdict = run(session, chosen, on_judged)
    if not session.lit:
        return verdict, None
    try:
        return verdict, signature_bytes(session.shared("medium signature", lambda: measure_signature(session)))
    except OPUError:
        return verdict, None
    finally:
        session.close()


def _folder(wanted: Asked, device: str) -> Path:
    if wanted.resume is not None:
        if not (wanted.resume / JOURNAL).is_file():
            raise ConfigError(f"--resume {wanted.resume}: no {JOURNAL} in it; give the folder of an interrupted soak")
        return wanted.resume
    return make_result_folder(wanted.out, f"hil-{device}", (DOCUMENT, SIGNATURE, JUNIT, REPORT))


def _print(
    verdict: Verdict, session: Session, folder: Path, document: dict[str, Any], as_json_line: bool, verbose: bool
) -> None:
    if as_json_line:
        print(json.dumps({**document, "folder": str(folder), "report": str(folder / REPORT)}, default=str))  # noqa: T201
        return
    console = Console(highlight=False)
    show(console, verdict, session.spec, verbose)
    console.print(f"report: {folder / REPORT}", soft_wrap=True, markup=False)
    if verdict.fitness == "unjudged" and too_few_bits(session) is None:
        console.print(_advice(verdict), soft_wrap=True, markup=False)


def _advice(verdict: Verdict) -> str:
    gated = [one for one in verdict.judged if "--allow-laser" in one.outcome.message]
    if gated:
        return f"{len(gated)} checks need light: see that nobody can look into the beam, then add --allow-laser"
    return "a higher --level takes more frames"


def show_history(runs: Path, device: str | None, picture: Path | None, rescan: bool, as_json_line: bool) -> None:
    """Verdicts so far, oldest first, and their figures as a picture."""
    if rescan:
        history.rescan(runs)
    rows = history.verdicts(runs, device)
    if picture is not None:
        history.plot(runs, rows, picture)
    if as_json_line:
        print(json.dumps({"verdicts": rows, "figures": history.figures(runs, [r["folder"] for r in rows])}))  # noqa: T201
        return
    console = Console(highlight=False)
    if not rows:
        console.print(f"no verdicts in {runs}; `opu hil` makes one")
    for row in rows:
        colour = {"fit": "green", "unfit": "bold red"}.get(row["fitness"], "yellow")
        console.print(
            f"{row['started_utc'][:19]}  [{colour}]{row['fitness']:8}[/]  {row['device']} ({row['serial']})  {row['level']}  "
            f"{row['causes']}",
            soft_wrap=True,
        )
    if picture is not None:
        console.print(f"figures: {picture}", soft_wrap=True)


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not sys.stderr.isatty(),
    )

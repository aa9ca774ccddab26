"""The matrix of sick devices and checks: every sickness judged, on a simulator, and what was said."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from opu import OPU
from opu.config import Config, Table
from opu.factory import build_profile

from .baseline import Baseline
from .catalogue import CHECKS
from .check import Check, asked
from .document import as_json
from .medium_signature import measure_signature
from .session import Session
from .sick import CATALOGUE, Sickness, sickness_of
from .sick_profile import healthy_profile, sick_maker
from .suite import Verdict, run

N_INPUTS, N_OUTPUTS, SEED = 64, 512, 11
TRAINS = "training.learns"
QUICK = tuple(check for check in CHECKS if check.name != TRAINS and asked(check, "quick"))


@dataclass(frozen=True)
class Diagnosis:
    """What the suite said of a sick device. right: one of the right checks failed, with the right words."""

    sickness: Sickness
    verdict: Verdict
    right: bool

    @property
    def said(self) -> str:
        """The first right check's words, or the first failure's."""
        failures = self.verdict.failures
        chosen = [one for one in failures if one.check.name in self.sickness.right] or list(failures)
        return f"{chosen[0].check.name}: {chosen[0].outcome.cause}" if chosen else "nothing"


@contextmanager
def clinic(
    preset: str = "typical", checks: Iterable[Check] | None = None, **settings: Any
) -> Iterator[Callable[[Sickness | None], Session]]:
    """Gives sessions over one simulator: healthy (None), or with a sickness; with a baseline where it needs one.

    checks: those that a baseline is made of; None: all of level quick but the training.
    """
    of_baseline = QUICK if checks is None else tuple(checks)
    base = {"kind": "sim", "preset": preset, "n_inputs": N_INPUTS, "n_outputs": N_OUTPUTS, "seed": SEED, **settings}
    baselines: dict[str, Baseline] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def session(sickness: Sickness | None) -> Session:
            if sickness is None:
                return Session("healthy", lambda: _build(base), n_tests=len(CHECKS))
            healthy = healthy_profile(sickness, base, folder)
            key = repr(sorted(healthy.items()))
            if sickness.baseline and key not in baselines:
                baselines[key] = _baseline(
                    Session("healthy", lambda: _build(healthy), n_tests=len(CHECKS)), of_baseline
                )
            return Session(
                name=sickness.name,
                make=sick_maker(sickness, healthy, _build, folder),
                baseline=baselines.get(key) if sickness.baseline else None,
                n_tests=len(CHECKS),
            )

        yield session


def _build(profile: Table) -> OPU:
    return build_profile(Config("clinic", "patient", {"patient": profile}))


def diagnose(sicknesses: Iterable[Sickness] = CATALOGUE, checks: Iterable[Check] | None = None) -> Iterator[Diagnosis]:
    """Each sickness judged. checks: None: all of level quick but the training, which takes longest, and names no cause."""
    chosen = QUICK if checks is None else tuple(checks)
    with clinic(checks=chosen) as session:
        for sickness in sicknesses:
            verdict = run(session(sickness), chosen)
            right = any(
                one.check.name in sickness.right and sickness.cause in one.outcome.cause for one in verdict.failures
            )
            yield Diagnosis(sickness, verdict, right)


def _baseline(session: Session, checks: Iterable[Check]) -> Baseline:
    verdict = run(session, checks)
    document = as_json(verdict, session)
    figures = {check["name"]: check["figure"] for check in document["checks"] if check["figure"] is not None}
    signature = measure_signature(session)
    session.close()
    return Baseline(document["started_utc"], "healthy", document["spec"], figures, signature)


def show_matrix(only: Sequence[str], as_json_line: bool) -> int:
    """Print the table, progress on stderr; returns 0 if every sickness was named rightly, else 1. ConfigError for a name."""
    for pattern in only:
        if not any(fnmatch(one.name, pattern) for one in CATALOGUE):
            sickness_of(pattern, "--only")
    chosen = [one for one in CATALOGUE if not only or any(fnmatch(one.name, pattern) for pattern in only)]
    found = []
    for number, one in enumerate(diagnose(chosen), 1):
        found.append(one)
        mark = "" if one.right else "MISSED: "
        print(f"{number}/{len(chosen)} {mark}{one.sickness.name}: {one.said}", file=sys.stderr, flush=True)  # noqa: T201
    print(json.dumps([_row(one) for one in found]) if as_json_line else markdown(found), end="")  # noqa: T201
    return 0 if all(one.right for one in found) else 1


def _row(one: Diagnosis) -> dict[str, Any]:
    failures = {judged.check.name: judged.outcome.cause for judged in one.verdict.failures}
    return {
        "name": one.sickness.name,
        "what": one.sickness.what,
        "right": one.right,
        "said": one.said,
        "failed": failures,
    }


def markdown(diagnoses: Iterable[Diagnosis]) -> str:
    """The table for docs: a row a sickness, a column a group of checks with how many of them failed."""
    rows = list(diagnoses)
    groups = list(dict.fromkeys(check.group for check in CHECKS if check.name != TRAINS))
    lines = [
        "| sick device | what is wrong | named by | " + " | ".join(groups) + " |",
        "|---|---|---|" + "---|" * len(groups),
    ]
    for one in rows:
        failed = [judged.check for judged in one.verdict.failures]
        cells = []
        for group in groups:
            n = sum(check.group == group for check in failed)
            mark = "**" if any(check.group == group and check.name in one.sickness.right for check in failed) else ""
            cells.append(f"{mark}{n}{mark}" if n else "")
        said = one.said if one.right else f"MISSED ({one.said})"
        lines.append(f"| {one.sickness.name} | {one.sickness.what} | {said} | " + " | ".join(cells) + " |")
    right = sum(one.right for one in rows)
    flagged = sum(one.verdict.fitness == "unfit" for one in rows)
    return (
        "\n".join(lines) + f"\n\n{flagged} of {len(rows)} flagged, {right} by the right check and in the right words.\n"
    )

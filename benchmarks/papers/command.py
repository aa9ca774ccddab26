"""What the commands of the tables share: options, the device, tuning, the trainings, the table. Imports no NumPy."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ledger import Hyper, Job, Ledger, Part, Result, complete, tune
from table import Arm, Line, render

import opu
from opu.errors import InputError, OPUError

BENCHMARKS = Path(__file__).resolve().parents[1]
sys.path.append(str(BENCHMARKS))
from machine import description, pin_threads  # noqa: E402

FIRST_TUNING_SEED = 1000
"""Seeds that no table counts, so that no score is of a network that the tuning saw."""

Train = Callable[[Part, Job], Result]


def options(text: str, table: str, arms: Sequence[Arm], seeds: int, tuning_seeds: int) -> argparse.ArgumentParser:
    """The options of every table; `text` is the script's docstring."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [arm.name for arm in arms]
    out = BENCHMARKS / "results" / f"papers-{table}.json"
    parser.add_argument("--data", type=Path, metavar="DIR", help="folder with the data (default: OPU_DATA)")
    parser.add_argument("--seeds", type=int, default=seeds, metavar="N", help=f"seeds 0 to N - 1 (default: {seeds})")
    parser.add_argument("--arms", default=",".join(names), metavar="A,B", help=f"of {', '.join(names)} (default: all)")
    parser.add_argument("--tune", action="store_true", help="first choose the grid's best on validation data, per arm")
    parser.add_argument(
        "--tuning-seeds", type=int, default=tuning_seeds, metavar="N", help=f"per grid point (default: {tuning_seeds})"
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="TOML file with device profiles, as for opu train")
    parser.add_argument("--device", metavar="PROFILE", help="of the file, or a kind of device (default: sim)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override one of its keys")
    parser.add_argument("--threads", type=int, metavar="N", help="of BLAS and the simulator (default: the libraries')")
    parser.add_argument(
        "--out", type=Path, default=out, metavar="FILE", help="finished trainings (default: %(default)s)"
    )
    return parser


def begin(args: argparse.Namespace) -> None:
    """Check what can be checked and pin threads; to be called before NumPy is imported."""
    for name in ("seeds", "tuning_seeds", "threads", "epochs"):
        value = getattr(args, name, None)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be 1 or more")
    if args.threads:
        pin_threads(args.threads)
        opu.set_num_threads(args.threads)


def widths(text: str) -> list[int]:
    """Widths of hidden layers from '512,512', for argparse."""
    found = [int(part) for part in text.split(",") if part.strip()]
    if not found or min(found) < 1:
        raise argparse.ArgumentTypeError(f"'{text}': one width or more, each 1 or more, such as 512,512")
    return found


def chosen_arms(names: str, arms: Sequence[Arm]) -> list[Arm]:
    """The arms of a comma-separated list. Raises InputError naming the choices."""
    by_name = {arm.name: arm for arm in arms}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in by_name]
    if unknown or not wanted:
        raise InputError(f"--arms {names}: {', '.join(unknown) or 'none named'}; choose from {', '.join(by_name)}")
    return [by_name[name] for name in dict.fromkeys(wanted)]


def device_table(args: argparse.Namespace) -> tuple[Any, dict[str, Any]]:
    """The configuration that --config, --device and --set name, and its device's table as a hyper-parameter.

    A simulator's preset is always in it.
    """
    from opu.config import load_config

    config = load_config(args.config, args.device, args.set)
    profile = dict(config.profile())
    return config, {"kind": profile["kind"], **({"preset": "typical"} if profile["kind"] == "sim" else {}), **profile}


def make_table(
    args: argparse.Namespace,
    name: str,
    title: str,
    arms: Sequence[Arm],
    hyper: Callable[[Arm], Hyper],
    grid: Mapping[str, Sequence[Any]],
    train: Train,
    *,
    unit: str = "% right",
    digits: int = 2,
    best: Callable[..., Any] = max,
) -> str:
    """Tune where asked, train what the ledger lacks, and return the table; train is told what its score is measured on.

    The trainings of the table begin when all tuning is over. best: as for `ledger.tune`.
    """
    ledger = Ledger(args.out, name, description(args.threads or opu.get_num_threads()))
    tuning = range(FIRST_TUNING_SEED, FIRST_TUNING_SEED + args.tuning_seeds)
    chosen: dict[str, Hyper] = {}
    for arm in arms:
        chosen[arm.name] = hyper(arm)
        if args.tune:
            validate = lambda job: train("validation", job)  # noqa: E731
            chosen[arm.name] = tune(ledger, arm.name, chosen[arm.name], grid, tuning, validate, best)
    jobs = [Job(arm.name, chosen[arm.name], seed) for seed in range(args.seeds) for arm in arms]
    complete(ledger, "test", jobs, lambda job: train("test", job))
    lines = []
    for arm in arms:
        found = [ledger.find("test", Job(arm.name, chosen[arm.name], seed)) for seed in range(args.seeds)]
        lines.append(Line(arm, chosen[arm.name], tuple(run["score"] for run in found if run is not None)))
    table = render(title, unit, lines, digits)
    if not args.tune:
        return table
    tried = "; ".join(f"{key.replace('_', ' ')} {', '.join(map(str, values))}" for key, values in grid.items())
    return f"{table}\nChosen for each line on validation data ({len(tuning)} seed(s) of their own): {tried}."


def run(main: Callable[[], None]) -> None:
    """Errors of this package as one line, not a traceback; an interrupt says what is kept."""
    try:
        main()
    except OPUError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; every finished training is kept, and the same command goes on from there")

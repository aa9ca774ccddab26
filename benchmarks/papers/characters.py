"""A character-level transformer by backprop, direct feedback alignment and light: our figures, and the nearest published ones.

    python benchmarks/papers/characters.py --data DIR      (PyTorch where it is installed: pip install torch)

DIR holds tinyshakespeare.txt (input.txt in data/tinyshakespeare of github.com/karpathy/char-rnn). Each line of the table is
examples/transformer.py under another feedback. --tune chooses each arm's learning rate and first embeddings on the last
eighteenth of the training text, held back for that, after a third of the steps; the networks of the table then train on all of
it, and see the test text once, when they are done. Killed, the same command goes on from the last finished training.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from command import Part, begin, chosen_arms, device_table, make_table, options, run
from ledger import Hyper, Job, Result
from table import Arm, Published

from opu.errors import InputError

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LAUNAY = "Launay et al. 2020, arXiv:2006.12878"
OTHER = "perplexity on WikiText-103, other data and a larger network: only the order compares"

ARMS = (
    Arm(
        "backprop",
        "backprop",
        (Published(29.8, LAUNAY, OTHER),),
        {"feedback": "backprop", "learning_rate": 4e-3, "embedding_std": 1.0},
    ),
    Arm("dfa-digital", "DFA, floats", (Published(52.0, LAUNAY),), {"feedback": "digital"}),
    Arm("dfa-optical", "DFA, sampled errors through light", (), {"feedback": "optical", "retrieval": "anchor2"}),
    Arm("last-layer", "last layer only", (), {"feedback": "shallow"}),
)
SHARED = {"optimiser": "adam", "learning_rate": 8e-3, "embedding_std": 0.3}
GRID = {"learning_rate": (2e-3, 4e-3, 8e-3), "embedding_std": (0.3, 1.0)}


def example() -> ModuleType:
    """examples/transformer.py. Raises InputError where PyTorch is missing."""
    sys.path.append(str(EXAMPLES))
    try:
        import transformer
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise InputError("this table needs PyTorch, which is not installed: pip install torch") from None
    return transformer


def network(transformer: ModuleType, args: argparse.Namespace) -> Hyper:
    """What all arms share of the example."""
    return {
        "blocks": transformer.BLOCKS,
        "width": transformer.WIDTH,
        "heads": transformer.HEADS,
        "context": transformer.CONTEXT,
        "batch_size": transformer.BATCH,
        "steps": args.steps,
        "tuning_steps": args.tuning_steps,
        "warm_up_steps": transformer.WARM_UP_STEPS,
        "schedule": f"cosine to {transformer.FINAL_RATE:g}",
    }


def command_line(args: argparse.Namespace, part: Part, job: Job) -> list[str]:
    """The options of examples/transformer.py that make this training."""
    given: dict[str, Any] = {
        "data": text_file(args.data),
        "feedback": job.hyper["feedback"],
        "learning-rate": job.hyper["learning_rate"],
        "embedding-std": job.hyper["embedding_std"],
        "steps": job.hyper["steps" if part == "test" else "tuning_steps"],
        "seed": job.seed,
        "threads": args.threads,
    }
    if job.hyper["feedback"] == "optical":
        given |= {"config": args.config, "device": args.device}
    line = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    if job.hyper["feedback"] == "optical":
        line += [word for override in args.set for word in ("--set", override)]
    return line + ["--validate"] * (part == "validation")


def text_file(folder: Path | None) -> Path | None:
    """The text in the folder, the file itself where one is given; None leaves it to the example."""
    return folder / "tinyshakespeare.txt" if folder is not None and folder.is_dir() else folder


def main(argv: Sequence[str] | None = None) -> None:
    """Tune, train, print."""
    parser = options(__doc__, "characters", ARMS, seeds=3, tuning_seeds=1)
    parser.set_defaults(threads=1)  # of a network so small
    parser.add_argument("--steps", type=int, default=3000, help="of batches (default: %(default)s)")
    parser.add_argument("--tuning-steps", type=int, default=1000, help="the same, while tuning (default: %(default)s)")
    args = parser.parse_args(argv)
    begin(args)
    arms = chosen_arms(args.arms, ARMS)
    _, device = device_table(args)
    transformer = example()
    shared = network(transformer, args) | SHARED

    def hyper(arm: Arm) -> Hyper:
        light = {"encoding": transformer.ENCODING, "device": device} if arm.own["feedback"] == "optical" else {}
        return shared | dict(arm.own) | light

    def trained(part: Part, job: Job) -> Result:
        given = transformer.arguments(transformer.parser(), command_line(args, part, job))
        result = transformer.trained(given)
        kept = ("seconds", "frames", "device_seconds")
        return {"score": result["nats_per_character"], **{name: result[name] for name in kept if name in result}}

    title = f"tinyshakespeare, transformer of {transformer.BLOCKS} blocks, {args.steps} steps"
    print(make_table(args, "characters", title, arms, hyper, GRID, trained, unit="nats/character", digits=3, best=min))


if __name__ == "__main__":
    run(main)

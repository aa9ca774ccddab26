"""MNIST by backprop, direct feedback alignment and light: our figures beside the published ones.

    uv run python benchmarks/papers/mnist.py --data DIR                             # 512-512, 5 epochs
    uv run python benchmarks/papers/mnist.py --data DIR --hidden 1024,1024 --epochs 15 --arms dfa-optical

DIR holds MNIST's four IDX files. --tune chooses each arm's learning rate on a sixth of the training images, held back for
that; the networks of the table then train on all of them, and see the test images once, when they are done. Killed, the
same command goes on from the last finished training.
"""

from __future__ import annotations

from collections.abc import Sequence

from command import Part, begin, chosen_arms, device_table, make_table, options, run, widths
from ledger import Hyper, Job, Result
from table import Arm, Published

LIGHT = "Launay et al. 2020, arXiv:2006.01475"
NOKLAND = "Nøkland 2016, arXiv:1609.01596"
TERNARY = {"kind": "ternary", "threshold": 0.3}

# The learning rates are what --tune chose for 512-512 and 5 epochs; 4e-3 is the end of its grid.
ARMS = (
    Arm(
        "backprop", "backprop", (Published(98.40, NOKLAND, "hidden 800-800"),), {"method": "bp", "learning_rate": 2e-3}
    ),
    Arm(
        "dfa-digital",
        "DFA, floats",
        (Published(97.7, LIGHT), Published(98.26, NOKLAND, "hidden 800-800")),
        {"method": "dfa", "feedback": "digital", "learning_rate": 2e-3},
    ),
    Arm(
        "dfa-ternary",
        "DFA, ternary errors",
        (Published(97.6, LIGHT),),
        {"method": "dfa", "feedback": "digital", "encoding": TERNARY, "learning_rate": 2e-3},
    ),
    Arm(
        "dfa-optical",
        "DFA, ternary errors through light",
        (Published(95.8, LIGHT, "on their optical device"),),
        {"method": "dfa", "feedback": "optical", "encoding": TERNARY, "retrieval": "anchor2", "learning_rate": 4e-3},
    ),
    Arm("last-layer", "last layer only", (), {"method": "shallow", "learning_rate": 4e-3}),
)
SHARED = {
    "batch_size": 128,
    "activation": "tanh",
    "loss": "cross-entropy",
    "optimiser": "adam",
    "schedule": "exponential",
    "final_lr_fraction": 0.13,
}
GRID = {"learning_rate": (5e-4, 1e-3, 2e-3, 4e-3)}


def main(argv: Sequence[str] | None = None) -> None:
    """Tune, train, print."""
    parser = options(__doc__, "mnist", ARMS, seeds=3, tuning_seeds=1)
    parser.add_argument("--hidden", type=widths, default="512,512", metavar="N,N", help="widths (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--learning-rate", type=float, metavar="X", help="of all lines, instead of each one's own")
    args = parser.parse_args(argv)
    begin(args)
    arms = chosen_arms(args.arms, ARMS)
    config, device = device_table(args)
    from images import tasks
    from trial import run as train

    at_hand = tasks("mnist", args.data)
    network = {"hidden": args.hidden, "epochs": args.epochs}

    def hyper(arm: Arm) -> Hyper:
        light = {"device": device} if arm.own.get("feedback") == "optical" else {}
        rate = {} if args.learning_rate is None else {"learning_rate": args.learning_rate}
        return network | SHARED | dict(arm.own) | light | rate

    def trained(part: Part, job: Job) -> Result:
        return train(job, at_hand[part], config)

    shape = "-".join(["784", *map(str, network["hidden"]), "10"])
    print(make_table(args, "mnist", f"MNIST, {shape}, {args.epochs} epochs", arms, hyper, GRID, trained))


if __name__ == "__main__":
    run(main)

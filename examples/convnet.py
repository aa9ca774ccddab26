"""Convolutions, where direct feedback alignment fails, and what can be done about it.

The data are scikit-learn's digits in random colours at random places over pieces of other digits: shapes must be seen wherever
they are. The same network, six ways:
    backprop              everything by backpropagation
    dfa everywhere        cuts after each convolution and each layer of the head
    dfa, one block        the convolutions as one block, exact inside: one cut after them; the head as above
    random convolutions   never trained; the head by direct feedback alignment
    given convolutions    as backprop left them, frozen, as from a pretrained network; a new head by direct feedback alignment
    last layer only       everything below is random and frozen

Beside each test accuracy stands the angle between what a layer learned by and its true gradient, at the end: 90 degrees is no
information. Under the table is what the figures say.

What is cut should be bounded (a tanh here): it is driven by a random signal, and grows without end where nothing stops it.

    python examples/convnet.py                                     # through the simulator; some minutes
    python examples/convnet.py --feedback digital --seeds 3        # seeds --seed, --seed + 1, ...: mean and deviation
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, stdev
from textwrap import fill
from typing import Any

import numpy as np
import torch
from common import Learning, accuracy, arguments, learning, options, progress, report, run
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

SIDE, DIGIT, PIECE, N_PIECES = 20, 12, 4, 4
CHANNELS, HEAD = (16, 32, 64), (256, 128)
BATCH = 64
FEATURES = CHANNELS[-1] * (SIDE // 2 ** len(CHANNELS)) ** 2
LAYERS = {
    "convolutions.0": "conv 1",
    "convolutions.1": "conv 2",
    "convolutions.2": "conv 3",
    "first": "head 1",
    "second": "head 2",
}
ENCODING = {"kind": "stochastic"}


@dataclass(frozen=True)
class Data:
    """Images (n, 3, SIDE, SIDE) of about unit variance, and their labels."""

    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor


def scene(rng: np.random.Generator, digit: np.ndarray, clutter: np.ndarray) -> np.ndarray:
    """One digit over pieces of others, in bright ink on dark paper, both of random colour, and noise."""
    ink = np.zeros((SIDE, SIDE))
    for other in clutter:
        (a, b), (y, x) = rng.integers(0, DIGIT - PIECE, 2), rng.integers(0, SIDE - PIECE, 2)
        ink[y : y + PIECE, x : x + PIECE] = 0.5 * other[a : a + PIECE, b : b + PIECE]
    y, x = rng.integers(0, SIDE - DIGIT + 1, 2)
    place = ink[y : y + DIGIT, x : x + DIGIT]
    np.maximum(place, digit, out=place)
    paper, colour = rng.uniform(0, 0.5, (3, 1, 1)), rng.uniform(0.5, 1, (3, 1, 1))
    return paper + (colour - paper) * ink + 0.05 * rng.standard_normal((3, SIDE, SIDE))


def coloured_digits(n_train: int, n_test: int) -> Data:
    """Scenes of digits; no digit is in both parts. Always the same."""
    rng = np.random.default_rng(0)
    images, labels = load_digits(return_X_y=True)
    large = np.clip(zoom(images.reshape(-1, 8, 8) / 16, (1, DIGIT / 8, DIGIT / 8), order=1), 0, 1)
    order = rng.permutation(len(large))
    parts: list[Tensor] = []
    for own, n in ((order[:1400], n_train), (order[1400:], n_test)):
        shown = rng.choice(own, n)
        scenes = [scene(rng, large[i], large[rng.choice(own, N_PIECES)]) for i in shown]
        parts += [torch.tensor(np.stack(scenes), dtype=torch.float32), torch.tensor(labels[shown])]
    mean, deviation = parts[0].mean(), parts[0].std()
    return Data((parts[0] - mean) / deviation, parts[1], (parts[2] - mean) / deviation, parts[3])


def network() -> nn.Sequential:
    """Three convolutions and a head of two hidden layers."""
    convolutions = nn.Sequential()
    for n_in, n_out in zip((3, *CHANNELS), CHANNELS, strict=False):
        convolutions.append(nn.Sequential(nn.Conv2d(n_in, n_out, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)))
    convolutions.append(nn.Tanh())  # bounded: a random signal drives what is not bounded ever further
    model = nn.Sequential()
    model.convolutions = convolutions
    model.flat = nn.Flatten()
    model.first = nn.Sequential(nn.Linear(FEATURES, HEAD[0]), nn.Tanh())
    model.second = nn.Sequential(nn.Linear(HEAD[0], HEAD[1]), nn.Tanh())
    model.last = nn.Linear(HEAD[1], 10)
    return model


@dataclass(frozen=True)
class Outcome:
    """Test accuracy in percent, each layer's angle to its true gradient in degrees, and the device's use."""

    test: float
    angles: dict[str, float] = field(default_factory=dict)
    used: dict[str, Any] = field(default_factory=dict)


def angles(model: nn.Sequential, feedback: Learning, images: Tensor, labels: Tensor) -> dict[str, float]:
    """Degrees between what the weights of each layer learn by and the gradient of the loss; empty where they are the same."""
    if feedback.dfa is None:
        return {}
    weights = {name: model.get_submodule(layer)[0].weight for layer, name in LAYERS.items()}  # type: ignore[index]
    weights = {name: weight for name, weight in weights.items() if weight.requires_grad}

    def gradients() -> dict[str, Tensor]:
        model.zero_grad()
        cross_entropy(model(images), labels).backward()
        return {name: weight.grad.flatten().clone() for name, weight in weights.items()}

    learned_by = gradients()
    feedback.dfa.enabled = False
    true = gradients()
    feedback.dfa.enabled = True
    cosines = {name: torch.cosine_similarity(learned_by[name], true[name], dim=0) for name in weights}
    return {name: cosine.clamp(-1, 1).acos().rad2deg().item() for name, cosine in cosines.items()}


def fit(args: argparse.Namespace, model: nn.Sequential, data: Data, cuts: list[nn.Module], text: str) -> Outcome:
    """Train what is not frozen; the feedback of `args` where there are cuts."""
    how = args if cuts else argparse.Namespace(**{**vars(args), "feedback": "backprop"})
    optimiser = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], args.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, args.epochs, args.learning_rate / 10)
    with learning(how, model, cuts, data.test[:2], ENCODING) as feedback:
        for _ in progress(range(args.epochs), text):
            for rows in torch.randperm(len(data.train)).split(BATCH):
                optimiser.zero_grad()
                cross_entropy(model(data.train[rows]), data.train_labels[rows]).backward()
                optimiser.step()
            schedule.step()
        found = angles(model, feedback, data.test[:512], data.test_labels[:512])
        used = feedback.device_use()
    with torch.no_grad():
        return Outcome(accuracy(model(data.test), data.test_labels), found, used)


def six_ways(args: argparse.Namespace, data: Data) -> dict[str, Outcome]:
    """Every row of the table for one seed; each network starts from the same weights."""

    def fresh(*, frozen: tuple[str, ...] = ()) -> nn.Sequential:
        torch.manual_seed(args.seed)
        model = network()
        for name in frozen:
            getattr(model, name).requires_grad_(False)
        return model

    def head(model: nn.Sequential) -> list[nn.Module]:
        return [model.first, model.second]

    rows: dict[str, Outcome] = {}

    def row(text: str, model: nn.Sequential, cuts: list[nn.Module]) -> None:
        rows[text] = fit(args, model, data, cuts, text)
        print(f"seed {args.seed}: {text}: {rows[text].test:.1f} %", file=sys.stderr, flush=True)

    whole = fresh()
    row("backprop", whole, [])
    model = fresh()
    row("dfa everywhere", model, [*model.convolutions[:-2], model.convolutions, *head(model)])
    model = fresh()
    row("dfa, one block", model, [model.convolutions, *head(model)])
    model = fresh(frozen=("convolutions",))
    row("random convolutions", model, head(model))
    model = fresh(frozen=("convolutions",))
    model.convolutions.load_state_dict(whole.convolutions.state_dict())
    row("given convolutions", model, head(model))
    row("last layer only", fresh(frozen=("convolutions", "first", "second")), [])
    return rows


def spread(values: Sequence[float]) -> str:
    """Mean, and the standard deviation with n - 1 where there are several."""
    return f"{fmean(values):.1f}" + (f" ± {stdev(values):.1f}" if len(values) > 1 else "")


def table(ways: dict[str, list[Outcome]]) -> str:
    """Accuracies and angles, one line a way."""
    lines = [f"{'':22}{'test %':14}" + "".join(f"{name:>8}" for name in LAYERS.values())]
    for text, outcomes in ways.items():
        cells = [[outcome.angles[name] for outcome in outcomes if name in outcome.angles] for name in LAYERS.values()]
        degrees = "".join(f"{fmean(cell):7.0f}°" if cell else f"{'':8}" for cell in cells)
        lines.append(f"{text:22}{spread([outcome.test for outcome in outcomes]):14}{degrees}".rstrip())
    return "\n".join(lines)


def explanation(ways: dict[str, list[Outcome]]) -> str:
    """What the figures say, with the figures in it."""
    test = {text: fmean(outcome.test for outcome in outcomes) for text, outcomes in ways.items()}

    def angle(way: str, kind: str) -> str:
        found = [a for outcome in ways[way] for name, a in outcome.angles.items() if name.startswith(kind)]
        return f"{fmean(found):.0f}"

    everywhere, block, given = "dfa everywhere", "dfa, one block", "given convolutions"
    paragraphs = f"""Angles: between what a layer's weights learned by and their true gradient, at the end; 90° tells nothing.

Cut after every convolution, the network gets {test[everywhere]:.1f} % where backprop gets {test["backprop"]:.1f} %. Its first
convolution learned at {angle(everywhere, "conv 1")}° to its gradient, the second at {angle(everywhere, "conv 2")}°, the head
at {angle(everywhere, "head")}°. A filter of 3 x 3 serves every place of the image, but the random signal differs from place to
place and does not move with the digit: over many places it adds up to mostly noise, and a few weights cannot turn towards it
as the many of a dense layer do.

Rescued: with one cut after the convolutions and autograd inside, {test[block]:.1f} %. The signal is random once, where the
image has become {FEATURES} features, and exact below: the first convolution learned at {angle(block, "conv 1")}°. With
convolutions trained before and a head that learns through the projection alone, {test[given]:.1f} %; with convolutions left as
they were drawn, {test["random convolutions"]:.1f} %: it is the convolutions that must be learned."""
    return "\n\n".join(fill(paragraph, 110) for paragraph in paragraphs.split("\n\n"))


def main() -> None:
    """Train the six ways, print the table and what it says."""
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--images", type=int, default=6000, help="training scenes (default: 6000)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="at first; falls to a tenth along a cosine")
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on (default: 1)")
    args = arguments(parser)
    if args.feedback not in ("digital", "encoded", "optical"):
        parser.error(
            "--feedback: backprop and the last layer only are rows of the table; choose digital, encoded or optical"
        )
    if args.seeds < 1:
        parser.error(f"--seeds {args.seeds}: must be 1 or more")
    if args.quick:
        args.epochs, args.images = 1, 256
    data = coloured_digits(args.images, max(100, args.images // 3))
    begun = time.perf_counter()
    ways: dict[str, list[Outcome]] = defaultdict(list)
    for seed in range(args.seed, args.seed + args.seeds):
        for text, outcome in six_ways(argparse.Namespace(**{**vars(args), "seed": seed}), data).items():
            ways[text].append(outcome)
    print(table(ways))
    if not args.quick:
        print(f"\n{explanation(ways)}")
    outcomes = [outcome for row in ways.values() for outcome in row]
    report(
        example="convnet",
        feedback=args.feedback,
        seed=args.seed,
        seeds=args.seeds,
        epochs=args.epochs,
        test_percent={text: [round(outcome.test, 2) for outcome in row] for text, row in ways.items()},
        seconds=round(time.perf_counter() - begun),
        frames=sum(outcome.used.get("frames", 0) for outcome in outcomes),
        device_seconds=round(sum(outcome.used.get("device_seconds", 0.0) for outcome in outcomes), 1),
    )


if __name__ == "__main__":
    run(main)

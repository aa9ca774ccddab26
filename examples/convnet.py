"""Convolutions, where direct feedback alignment fails, and what can be done about it.

A weight of a convolution serves every place of the image, while a random signal differs from place to place: its sum over the
places is mostly noise, and a few small filters cannot align with it as the many weights of a dense layer do. The data are
scikit-learn's digits in random colours at random places over pieces of other digits: shapes must be seen wherever they are.

The same network, six ways:
    backprop              everything by backpropagation
    dfa everywhere        cuts after each convolution and each layer of the head
    dfa, one block        the convolutions as one block, exact inside: one cut after them; the head as above
    random convolutions   never trained; the head by direct feedback alignment
    given convolutions    as backprop left them, frozen, as from a pretrained network; a new head by direct feedback alignment
    last layer only       everything below is random and frozen

So: cut between the convolutions and you lose a fifth of the images; cut after them, or take them as given, and next to nothing.
What is cut should be bounded (a tanh here): it is driven by a random signal, and grows without end where nothing stops it.

    python examples/convnet.py                                     # through the simulator; some minutes
    python examples/convnet.py --feedback digital
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from common import accuracy, arguments, learning, options, progress, report, run
from scipy.ndimage import zoom
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

SIDE, DIGIT, PIECE, N_PIECES = 20, 12, 4, 4
CHANNELS, HEAD = (16, 32, 64), (256, 128)
BATCH = 64
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
    places = (SIDE // 8) ** 2
    convolutions.append(nn.Tanh())  # bounded: a random signal drives what is not bounded ever further
    model = nn.Sequential()
    model.convolutions = convolutions
    model.flat = nn.Flatten()
    model.first = nn.Sequential(nn.Linear(CHANNELS[-1] * places, HEAD[0]), nn.Tanh())
    model.second = nn.Sequential(nn.Linear(HEAD[0], HEAD[1]), nn.Tanh())
    model.last = nn.Linear(HEAD[1], 10)
    return model


def fit(args: argparse.Namespace, model: nn.Sequential, data: Data, cuts: list[nn.Module], text: str) -> dict[str, Any]:
    """Train what is not frozen; the feedback of `args` where there are cuts. Test accuracy and use of the device."""
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
        used = feedback.device_use()
    with torch.no_grad():
        return {"test": accuracy(model(data.test), data.test_labels), **used}


def main() -> None:
    """Train the six ways and print the table."""
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--images", type=int, default=6000, help="training scenes (default: 6000)")
    parser.add_argument("--learning-rate", type=float, default=1e-3, help="at first; falls to a tenth along a cosine")
    args = arguments(parser)
    if args.feedback not in ("digital", "encoded", "optical"):
        parser.error(
            "--feedback: backprop and the last layer only are rows of the table; choose digital, encoded or optical"
        )
    if args.quick:
        args.epochs, args.images = 1, 256
    data = coloured_digits(args.images, max(100, args.images // 3))
    begun = time.perf_counter()
    rows: dict[str, dict[str, Any]] = {}

    def row(text: str, model: nn.Sequential, cuts: list[nn.Module]) -> None:
        print(f"{text:20}", end=" ", flush=True)
        rows[text] = fit(args, model, data, cuts, text)
        frames = f"{rows[text]['frames']:10,} frames" if "frames" in rows[text] else ""
        print(f"{rows[text]['test']:5.1f} % {frames}")

    def fresh(*, frozen: tuple[str, ...] = ()) -> nn.Sequential:
        torch.manual_seed(args.seed)
        model = network()
        for name in frozen:
            getattr(model, name).requires_grad_(False)
        return model

    def head(model: nn.Sequential) -> list[nn.Module]:
        return [model.first, model.second]

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
    report(
        example="convnet",
        feedback=args.feedback,
        seed=args.seed,
        epochs=args.epochs,
        test_percent={text: round(values["test"], 1) for text, values in rows.items()},
        seconds=round(time.perf_counter() - begun),
        frames=sum(values.get("frames", 0) for values in rows.values()),
        device_seconds=round(sum(values.get("device_seconds", 0.0) for values in rows.values()), 1),
    )


if __name__ == "__main__":
    run(main)

"""A denoising autoencoder of handwritten digits: errors need not be a classifier's.

Half of the pixels of scikit-learn's digits are struck out at random, and the network paints them back: 64-256-256-64, mean
squared error. The "logits" are the 64 pixels, the error is 64 wide, and both hidden layers learn from one projection of it.
Direct feedback alignment needs wide layers: with a bottleneck (--hidden 128,16,128) it gains little over untrained ones.

    python examples/autoencoder.py                                 # through the simulator; a minute
    python examples/autoencoder.py --feedback backprop
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise

import torch
from common import arguments, learning, options, progress, report, run
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn.functional import mse_loss

PIXELS, BATCH, N_TRAIN, STRUCK_OUT = 64, 32, 1400, 0.5
ENCODING = {"kind": "stochastic", "planes": 2}


def autoencoder(hidden: Sequence[int]) -> nn.Sequential:
    """Tanh layers; the last one is linear."""
    layers: list[nn.Module] = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in pairwise([PIXELS, *hidden])]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], PIXELS))


def struck_out(images: Tensor) -> Tensor:
    """Each pixel black with a probability of STRUCK_OUT."""
    return images * (torch.rand_like(images) > STRUCK_OUT)


def main() -> None:
    """Train on 1,400 digits, test on 397, each struck out five times."""
    parser = options(__doc__)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--hidden", default="256,256", metavar="N,N", help="widths of the hidden layers")
    parser.add_argument("--learning-rate", type=float, default=4e-3, help="at first; falls to a tenth along a cosine")
    args = arguments(parser)
    epochs = 2 if args.quick else args.epochs
    hidden = [int(width) for width in args.hidden.split(",")]
    pixels = torch.tensor(load_digits().data, dtype=torch.float32) / 16
    pixels = pixels[torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))]
    train, test = pixels[:N_TRAIN], pixels[N_TRAIN:].repeat(5, 1)
    model = autoencoder(hidden)
    optimiser = torch.optim.Adam(model.parameters(), args.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs, args.learning_rate / 10)
    begun = time.perf_counter()
    with learning(args, model, list(model)[:-1], train[:2], ENCODING) as how:
        for _ in progress(range(epochs), how.name):
            for rows in torch.randperm(N_TRAIN).split(BATCH):
                optimiser.zero_grad()
                mse_loss(model(struck_out(train[rows])), train[rows]).backward()
                optimiser.step()
            schedule.step()
        used = how.device_use()
    with torch.no_grad():
        error = mse_loss(model(struck_out(test)), test).item()
    report(
        example="autoencoder",
        feedback=args.feedback,
        seed=args.seed,
        epochs=epochs,
        test_mse=round(error, 4),
        mean_image_mse=round(mse_loss(train.mean(dim=0).expand_as(test), test).item(), 4),
        seconds=round(time.perf_counter() - begun),
        **used,
    )


if __name__ == "__main__":
    run(main)

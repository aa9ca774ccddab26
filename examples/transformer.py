"""A character-level transformer on Shakespeare, its blocks trained by light.

Three post-norm blocks of PyTorch's own TransformerEncoderLayer, cut at their outputs: autograd is exact within a block, and
each block learns from its slice of one random projection of the softmax's error. Get the text (1.1 MB, public domain): it
is input.txt in data/tinyshakespeare of github.com/karpathy/char-rnn.

    python examples/transformer.py --data input.txt                        # through the simulator; some minutes
    python examples/transformer.py --data input.txt --feedback backprop --learning-rate 4e-3 --embedding-std 1

The first 90 % of the text are learned from, the last 10 % are the test. The result is in nats per character; a table of
character pairs has 2.48 there, one of triples 2.05. benchmarks/papers/characters.py tunes, and trains every way.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import torch
from common import arguments, data_file, learning, options, progress, report, run
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

WIDTH, BLOCKS, HEADS, CONTEXT, BATCH = 96, 3, 4, 64, 16
WARM_UP_STEPS, FINAL_RATE = 100, 0.1
ENCODING = {"kind": "stochastic"}


class Transformer(nn.Module):
    """Characters (batch, time) -> logits (batch, time, vocabulary); nothing in it knows of feedback alignment."""

    def __init__(self, vocabulary: int, embedding_std: float = 1.0) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(vocabulary, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        if embedding_std != 1:  # what PyTorch draws
            for embedding in (self.characters, self.places):
                nn.init.normal_(embedding.weight, std=embedding_std)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", batch_first=True)
            for _ in range(BLOCKS)
        )
        self.head = nn.Linear(WIDTH, vocabulary)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(CONTEXT), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Each character sees those before it."""
        n = x.shape[1]
        h = self.characters(x) + self.places.weight[:n]
        for block in self.blocks:
            h = block(h, src_mask=self.mask[:n, :n], is_causal=True)
        logits: Tensor = self.head(h)
        return logits


def loss_of(model: nn.Module, windows: Tensor, reduction: str = "mean") -> Tensor:
    """Windows (n, CONTEXT + 1): each character but the last predicts the next."""
    return cross_entropy(model(windows[:, :-1]).flatten(0, 1), windows[:, 1:].flatten(), reduction=reduction)


@torch.no_grad()
def nats_per_character(model: nn.Module, text: Tensor) -> float:
    """Mean over the text in windows that do not overlap."""
    windows = text.unfold(0, CONTEXT + 1, CONTEXT)
    return sum(loss_of(model, part, "sum").item() for part in windows.split(64)) / (len(windows) * CONTEXT)


def rate_at(step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to FINAL_RATE."""
    done = min(max(0, step - WARM_UP_STEPS) / max(1, steps - WARM_UP_STEPS), 1)
    return min((step + 1) / WARM_UP_STEPS, 1) * (FINAL_RATE + (1 - FINAL_RATE) * (1 + math.cos(math.pi * done)) / 2)


def parser() -> argparse.ArgumentParser:
    """The options of this example."""
    result = options(__doc__)
    result.add_argument(
        "--data", type=Path, metavar="FILE", help="a text file (default: $OPU_DATA/tinyshakespeare.txt)"
    )
    result.add_argument(
        "--validate", action="store_true", help="for tuning: learn from 85 %% of the text, measure on the next 5 %%"
    )
    result.add_argument("--steps", type=int, default=3000, help="batches of 16 x 64 characters (default: 3000)")
    result.add_argument("--learning-rate", type=float, default=8e-3, help="at its peak (default: 8e-3)")
    result.add_argument(
        "--embedding-std", type=float, default=0.3, help="of the embeddings as first drawn (default: 0.3)"
    )
    result.add_argument(
        "--cut",
        type=int,
        choices=range(1, BLOCKS + 1),
        default=BLOCKS,
        help="how many blocks are cut, from the first (default: all)",
    )
    result.add_argument("--planes", type=int, default=1, help="samples of each error that are shown (default: 1)")
    return result


def numbered(text: str) -> tuple[Tensor, int]:
    """Each character as its place in the text's alphabet, and how long that is."""
    alphabet = sorted(set(text))
    index = {character: i for i, character in enumerate(alphabet)}
    return torch.tensor([index[character] for character in text]), len(alphabet)


def parts(text: Tensor, validate: bool) -> tuple[Tensor, Tensor]:
    """What is learned from and what is measured on: the first 90 % and the rest, or 85 % and the 5 % after them."""
    train, validation, test = text.tensor_split([len(text) * 85 // 100, len(text) * 90 // 100])
    return (train, validation) if validate else (torch.cat([train, validation]), test)


def trained(args: argparse.Namespace) -> dict[str, Any]:
    """Train as the options say, then measure on text that was not trained on: the result line."""
    steps = 20 if args.quick else args.steps
    text, vocabulary = numbered(data_file(args.data, "tinyshakespeare.txt").read_text(encoding="utf-8"))
    train, unseen = parts(text, args.validate)
    if args.quick:
        unseen = unseen[:2000]
    model = Transformer(vocabulary, args.embedding_std)
    optimiser = torch.optim.Adam(model.parameters(), args.learning_rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: rate_at(step, steps))
    windows = train.unfold(0, CONTEXT + 1, 1)
    order = torch.Generator().manual_seed(args.seed)
    begun = time.perf_counter()
    with learning(args, model, model.blocks[: args.cut], windows[:2, :-1], {**ENCODING, "planes": args.planes}) as how:
        for _ in progress(range(steps), how.name):
            loss = loss_of(model, windows[torch.randint(len(windows), (BATCH,), generator=order)])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
        used = how.device_use()
    return {
        "example": "transformer",
        "feedback": args.feedback,
        "seed": args.seed,
        "steps": steps,
        "measured_on": "validation" if args.validate else "test",
        "nats_per_character": round(nats_per_character(model, unseen), 4),
        "seconds": round(time.perf_counter() - begun),
        **used,
    }


def main() -> None:
    """Print the result line."""
    report(**trained(arguments(parser())))


if __name__ == "__main__":
    run(main)

"""A graph network on Cora's citations, its hidden layer trained by light.

Two graph convolutions (Kipf & Welling 2017), 1433-64-7, one cut between them. In a graph the hidden units of a paper answer for
the errors of its neighbours too: the errors are spread by the normalised adjacency before they are projected.

    python examples/cora_gcn.py --data cora.npz                    # through the simulator; a minute
    python examples/cora_gcn.py --data cora.npz --feedback backprop

--data takes an npz of the Planetoid split: feature_indices, feature_indptr, n_features, edges, labels, train, val, test. The
result is the test accuracy at the epoch that was best on validation.
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path

import numpy as np
import torch
from common import accuracy, arguments, data_file, learning, options, progress, report, run
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, dropout

HIDDEN = 64
ENCODING = {"kind": "ternary", "threshold": 0.3}


class GraphConvolution(nn.Module):
    """x -> adjacency (dropout(x) W + b); x and adjacency may be sparse."""

    def __init__(self, adjacency: Tensor, n_in: int, n_out: int, rate: float) -> None:
        super().__init__()
        self.register_buffer("adjacency", adjacency, persistent=False)
        self.linear, self.rate = nn.Linear(n_in, n_out), rate
        nn.init.xavier_uniform_(self.linear.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Every node at once."""
        if x.layout == torch.sparse_csr:
            # what dropout does to zeros needs no work
            x = torch.sparse_csr_tensor(
                x.crow_indices(), x.col_indices(), dropout(x.values(), self.rate, self.training), x.shape
            )
        else:
            x = dropout(x, self.rate, self.training)
        return self.adjacency @ (x @ self.linear.weight.T + self.linear.bias)


def cora(path: Path) -> tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]:
    """Features with rows that sum to 1, D^-1/2 (A + 1) D^-1/2, labels, and the rows of train, val and test."""
    with np.load(path) as file:
        pointers, columns = (
            torch.tensor(file[name], dtype=torch.int64) for name in ("feature_indptr", "feature_indices")
        )
        n, shape = len(pointers) - 1, (len(pointers) - 1, int(file["n_features"]))
        counts = pointers.diff()
        features = torch.sparse_csr_tensor(pointers, columns, (1.0 / counts).repeat_interleave(counts), shape)
        edges = torch.tensor(file["edges"], dtype=torch.int64).T
        labels = torch.tensor(file["labels"], dtype=torch.int64)
        rows = {name: torch.tensor(file[name]) for name in ("train", "val", "test")}
    own = torch.arange(n).repeat(2, 1)
    linked = torch.zeros(n, n)
    linked[tuple(torch.cat([edges, edges.flip(0), own], dim=1))] = 1
    root = linked.sum(dim=1) ** -0.5
    return features, (root[:, None] * linked * root).to_sparse_csr(), labels, rows


def main() -> None:
    """Train on 140 labels, choose the epoch by 500, test on 1,000."""
    parser = options(__doc__)
    parser.add_argument("--data", type=Path, metavar="FILE", help="(default: $OPU_DATA/cora.npz)")
    parser.add_argument("--epochs", type=int, default=250)
    parser.add_argument("--learning-rate", type=float, default=0.01)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--dropout", type=float, default=0.5)
    args = arguments(parser)
    epochs = 5 if args.quick else args.epochs
    warnings.filterwarnings("ignore", "Sparse")  # PyTorch calls its sparse matrices beta
    features, adjacency, labels, rows = cora(data_file(args.data, "cora.npz"))
    n_classes = int(labels.max()) + 1
    model = nn.Sequential()
    model.hidden = nn.Sequential(GraphConvolution(adjacency, features.shape[1], HIDDEN, args.dropout), nn.Tanh())
    model.out = GraphConvolution(adjacency, HIDDEN, n_classes, args.dropout)
    optimiser = torch.optim.Adam(model.parameters(), args.learning_rate, weight_decay=args.weight_decay)
    best, tested = 0.0, 0.0
    begun = time.perf_counter()
    with learning(
        args, model, [model.hidden], features, ENCODING, error_transform=lambda error: adjacency @ error
    ) as how:
        for _ in progress(range(epochs), how.name):
            model.train()
            optimiser.zero_grad()
            cross_entropy(model(features)[rows["train"]], labels[rows["train"]]).backward()
            optimiser.step()
            model.eval()
            with torch.no_grad():
                logits = model(features)
            valid = accuracy(logits[rows["val"]], labels[rows["val"]])
            if valid > best:
                best, tested = valid, accuracy(logits[rows["test"]], labels[rows["test"]])
        used = how.device_use()
    report(
        example="cora_gcn",
        feedback=args.feedback,
        seed=args.seed,
        epochs=epochs,
        validation_percent=round(best, 1),
        test_percent=round(tested, 1),
        seconds=round(time.perf_counter() - begun),
        **used,
    )


if __name__ == "__main__":
    run(main)

"""Rows and what they should become; what the trainer draws from a data set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from opu.arrays import Array


@dataclass(frozen=True)
class Sample:
    """x (B, features), targets as the loss takes them, and the numbers of the rows that count, None for all."""

    x: Array
    targets: Array
    rows: Array | None = None

    @property
    def n_counted(self) -> int:
        """How many rows count."""
        return int((self.x if self.rows is None else self.rows).shape[0])


class Source(Protocol):
    """A data set, however it is shaped."""

    @property
    def name(self) -> str:
        """Short name, e.g. 'mnist'."""
        ...

    @property
    def n_features(self) -> int:
        """Width of a row."""
        ...

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        ...

    @property
    def n_train(self) -> int:
        """Training rows."""
        ...

    @property
    def n_test(self) -> int:
        """Test rows."""
        ...

    @property
    def probe_every(self) -> int:
        """Epochs from one measurement of the angles to the next."""
        ...

    def steps(self, batch_size: int) -> int:
        """Batches of an epoch."""
        ...

    def batches(self, seed: int, epoch: int, batch_size: int) -> Iterator[Sample]:
        """The training part once, in an order that is a function of (seed, epoch)."""
        ...

    def probe(self, seed: int, size: int) -> Sample:
        """Some training rows to measure angles on; a function of the seed."""
        ...

    def parts(self) -> dict[str, Sample]:
        """What accuracy is measured on: 'test', and 'validation' where there is one."""
        ...

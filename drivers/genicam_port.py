"""What a library that speaks GenICam must do for one camera; `genicam_camera` makes a Camera of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .genicam_names import Value


@dataclass(frozen=True)
class Limits:
    """Of a number: `step` None if it takes any value between."""

    low: float
    high: float
    step: float | None = None


@dataclass(frozen=True)
class Block:
    """One frame as the transport gave it. `ticks`: the camera's clock at the exposure, None if it has none."""

    block_id: int
    payload: bytes | NDArray[np.uint8]
    pixel_format: str
    rows: int
    columns: int
    padding_x: int = 0
    complete: bool = True
    ticks: int | None = None


class Port(Protocol):
    """Features by name, and a stream of blocks. Any exception is a refusal, or a camera that is gone: alive() tells."""

    @property
    def first_block(self) -> int:
        """Where the transport's standard lets block ids begin."""
        ...

    def open(self) -> str:
        """Connect, and return how the camera is called in messages."""
        ...

    def close(self) -> None:
        """Disconnect; idempotent."""
        ...

    def alive(self) -> bool:
        """Whether the camera answers, asked over the wire now, from no cache."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is such a feature and it can be read, or executed, now."""
        ...

    def writable(self, name: str) -> bool:
        """Whether it can be set now."""
        ...

    def get(self, name: str) -> Value:
        """Its value; an enumeration's is the entry's name."""
        ...

    def set(self, name: str, value: Value) -> None:
        """Set it."""
        ...

    def limits(self, name: str) -> Limits:
        """Of a number, now."""
        ...

    def entries(self, name: str) -> list[str]:
        """What an enumeration accepts."""
        ...

    def unit(self, name: str) -> str:
        """As the camera states it; empty if it does not."""
        ...

    def execute(self, name: str) -> None:
        """A command."""
        ...

    def start(self, *, drained: bool) -> None:
        """Take blocks; drained: without waiting for grab(), so that no burst overruns the library's few buffers."""
        ...

    def grab(self, timeout_s: float) -> Block | None:
        """The next one, damaged ones too; None if none comes in time."""
        ...

    def stop(self) -> None:
        """No more blocks, those not grabbed are forgotten; idempotent."""
        ...

"""What the trainer asks of a learning rule: where each layer's error signal comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from .arrays import Array
from .network import Network, Trace


@dataclass(frozen=True)
class Cost:
    """What a method has asked of a device so far: frames shown and device time in seconds (0 where there is none)."""

    frames: int = 0
    device_seconds: float = 0.0


class Method(Protocol):
    """A rule that gives each layer its delta; the weight update that follows is the same for all rules."""

    @property
    def name(self) -> str:
        """Short name, e.g. 'dfa'."""
        ...

    def deltas(self, network: Network, trace: Trace, error: Array) -> list[Array | None]:
        """Return one delta (B, n_out) per layer, None for a layer left untouched; the last is the error itself."""
        ...

    def cost(self) -> Cost:
        """What was asked of a device since the method was made."""
        ...

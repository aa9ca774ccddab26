"""What a server allows its clients."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on memory, time and rate.

    block_bytes, reply_bytes: of the frames of a message and of the readings of a block. keep_bytes: of readings that may be
    asked for again. dead_man_s: silence of the controller before the light goes off. stall_s: a message or reply that
    stands still for so long loses its link, idle_s: so does a link without messages. links: connections at once (a HiSLIP
    client has two). messages_per_s: of one link; more wait.
    """

    block_bytes: int = 16 << 20
    reply_bytes: int = 16 << 20
    keep_bytes: int = 64 << 20
    dead_man_s: float = 1.5
    stall_s: float = 5.0
    idle_s: float = 600.0
    links: int = 16
    messages_per_s: int = 50_000

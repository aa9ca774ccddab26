"""A TCP proxy that does to a link what networks do, and worse, on a seeded schedule. Standard library alone."""

from __future__ import annotations

import random
import select
import socket
import struct
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread

KINDS = ("delay", "stall", "drop", "truncate", "reset", "duplicate", "corrupt", "omit", "silence")
"""What may happen at a byte of a stream:

delay, stall: what follows comes later, within the client's patience or beyond it. drop: both ends see the link closed before
the chunk. truncate: they see that after a part of it. reset: likewise, by RST. duplicate: the chunk, or a piece of it, comes
twice. corrupt: up to four bytes are changed. omit: a piece is left out. silence: nothing more comes through, and neither end is
told, until the other one closes.
"""

UP, DOWN = "up", "down"
"""From client to server, and back."""

CHUNK = 1 << 16


@dataclass(frozen=True)
class Fault:
    """What happens before byte `at` of a chunk; `luck` in [0, 1) settles how large it is."""

    at: int
    kind: str
    luck: float


class Schedule:
    """Faults by byte count, each direction with its own generator of one seed.

    every: least and most bytes between two faults of a direction. at_most: of all together; None: no end.
    """

    def __init__(self, seed: int, every: tuple[int, int], kinds: tuple[str, ...] = KINDS, at_most: int | None = None):
        self.every, self.kinds, self.at_most = every, kinds, at_most
        self.on = True
        self.injected: Counter[str] = Counter()
        self.carried: Counter[str] = Counter()
        """Bytes that came from each side."""
        self._random = {way: random.Random(f"{seed} {way}") for way in (UP, DOWN)}
        self._left = {way: self._random[way].randint(*every) for way in (UP, DOWN)}
        self._lock = Lock()

    def faults(self, way: str, n: int) -> list[Fault]:
        """Those that fall into the next n bytes of a direction."""
        found: list[Fault] = []
        with self._lock:
            self.carried[way] += n
            if not self.on:
                return found
            start, rng = 0, self._random[way]
            while self._left[way] < n - start and (self.at_most is None or self.injected.total() < self.at_most):
                start += self._left[way]
                fault = Fault(start, rng.choice(self.kinds), rng.random())
                found.append(fault)
                self.injected[fault.kind] += 1
                self._left[way] = rng.randint(*self.every)
            self._left[way] = max(0, self._left[way] - (n - start))
        return found


class FaultProxy:
    """Between clients and 127.0.0.1:target, at `port`; one thread a connection. delay_s, stall_s: how long those last."""

    def __init__(self, target: int, schedule: Schedule, *, delay_s: float = 0.02, stall_s: float = 0.6):
        self.target, self.schedule, self.delay_s, self.stall_s = target, schedule, delay_s, stall_s
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._stopped = False
        self._threads: list[Thread] = []
        self._accepting = Thread(target=self._accept, name="fault proxy", daemon=True)
        self._accepting.start()

    @property
    def links(self) -> int:
        """Connections carried now."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        return len(self._threads)

    def stop(self) -> None:
        """Close everything and wait for it."""
        self._stopped = True
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in (self._accepting, *self._threads):
            thread.join(5)

    def __enter__(self) -> FaultProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            thread = Thread(target=_Pair(self, client, server).run, name="fault proxy", daemon=True)
            self._threads = [*(t for t in self._threads if t.is_alive()), thread]
            thread.start()


class _Closed(Exception):
    """Both ends are to be closed; `hard`: by RST."""

    def __init__(self, hard: bool = False):
        self.hard = hard


class _Pair:
    """One connection through the proxy."""

    def __init__(self, proxy: FaultProxy, client: socket.socket, server: socket.socket):
        self.proxy = proxy
        self.ends = {client: (UP, server), server: (DOWN, client)}
        self.held: dict[str, float] = {}
        self.silent = False
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end.settimeout(5)

    def run(self) -> None:
        hard = False
        try:
            while not self.proxy._stopped:
                self._step()
        except _Closed as closed:
            hard = closed.hard
        except OSError:
            pass
        for end in self.ends:
            if hard:
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            end.close()

    def _step(self) -> None:
        now = time.monotonic()
        self.held = {way: until for way, until in self.held.items() if until > now}
        free = [end for end, (way, _) in self.ends.items() if way not in self.held]
        wait_s = min([0.1, *(until - now for until in self.held.values())])
        if not free:
            time.sleep(wait_s)
            return
        for end in select.select(free, [], [], wait_s)[0]:
            way, other = self.ends[end]
            chunk = end.recv(CHUNK)
            if not chunk:
                raise _Closed
            if not self.silent:
                self._forward(chunk, way, other)

    def _forward(self, chunk: bytes, way: str, other: socket.socket) -> None:
        """The chunk, up to each fault and then what becomes of the rest."""
        out, start = bytearray(), 0
        for fault in self.proxy.schedule.faults(way, len(chunk)):
            out += chunk[start : fault.at]
            start = max(start, fault.at)
            size = 1 + int(fault.luck * 40)
            if fault.kind in ("delay", "stall"):
                other.sendall(out)
                out.clear()
                wait_s = self.proxy.delay_s if fault.kind == "delay" else self.proxy.stall_s
                self.held[way] = time.monotonic() + wait_s
                time.sleep(wait_s)
            elif fault.kind == "drop":
                raise _Closed
            elif fault.kind in ("truncate", "reset"):
                other.sendall(out)
                raise _Closed(hard=fault.kind == "reset")
            elif fault.kind == "duplicate":
                out += chunk if fault.luck < 0.5 else chunk[start : start + size]
            elif fault.kind == "corrupt":
                piece = bytearray(chunk[start : start + 1 + size % 4])
                for k in range(len(piece)):
                    piece[k] ^= 1 + int(fault.luck * 1000 + 37 * k) % 255
                out += piece
                start += len(piece)
            elif fault.kind == "omit":
                start += size
            elif fault.kind == "silence":
                self.silent = True
                return
        other.sendall(out + chunk[start:])

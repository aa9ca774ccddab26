"""TCP connections taken in: admitted by the gate, counted, a thread each, ended together."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address
from threading import Lock, Thread
from time import monotonic, sleep

from opu.errors import ConfigError

from .access import Gate
from .limits import Limits

log = logging.getLogger(__name__)

Handler = Callable[[socket.socket, str], None]


class Listener:
    """Listens at host:port (0: any free one) and runs handle(connection, peer) on a thread for each client let in."""

    def __init__(
        self,
        host: str,
        port: int,
        gate: Gate,
        limits: Limits,
        handle: Handler,
        what: str,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._gate, self._limits, self._handle, self._what, self._tls = gate, limits, handle, what, tls
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"cannot serve {what} at {host}:{port}: {error}; choose another port, or 0 for any"
            ) from None
        self._socket.listen(16)
        self.host, self.port = self._socket.getsockname()[:2]
        self._open: set[socket.socket] = set()
        self._lock = Lock()
        self._stopped = False
        Thread(target=self._accept, name=f"opu {what}", daemon=True).start()

    @property
    def connections(self) -> int:
        """Clients now."""
        return len(self._open)

    def stop(self) -> None:
        """No more clients; those that are here are cut off."""
        with self._lock:
            self._stopped = True
            for connection in (self._socket, *self._open):
                cut(connection)
        self._socket.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                connection, address = self._socket.accept()
            except OSError:
                if self._stopped:
                    return
                sleep(0.1)  # out of file descriptors: others will close
                continue
            with self._lock:
                admitted = self._gate.admits(address[0]) and len(self._open) < self._limits.links and not self._stopped
                if admitted:
                    self._open.add(connection)
            if not admitted:
                log.warning("%s: %s turned away", self._what, address[0])
                connection.close()
                continue
            Thread(target=self._run, args=(connection, address[0]), name=f"opu {self._what}", daemon=True).start()

    def _run(self, connection: socket.socket, peer: str) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            _keep_alive(connection)
            connection.settimeout(self._limits.stall_s)
            if self._tls is not None:
                connection = self._secured(connection, self._tls)
            self._handle(connection, peer)
        except (OSError, ssl.SSLError) as error:
            log.info("%s: link of %s ended: %s", self._what, peer, error)
        finally:
            with self._lock:
                self._open.discard(connection)
            cut(connection)
            connection.close()

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """The same connection in TLS, which takes its place among the open ones."""
        with self._lock:
            self._open.discard(connection)
            secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            self._open.add(secured)
        try:
            secured.do_handshake()
        except BaseException:
            with self._lock:
                self._open.discard(secured)
            secured.close()
            raise
        return secured


class Pace:
    """Holds a link that sends more messages a second than are allowed until the second is over."""

    def __init__(self, most_per_s: int) -> None:
        self._most, self._count, self._second = most_per_s, 0, monotonic()

    def message(self) -> None:
        """One has come."""
        self._count += 1
        if self._count < self._most:
            return
        rest_s = self._second + 1.0 - monotonic()
        if rest_s > 0:
            sleep(rest_s)
        self._count, self._second = 0, monotonic()


def send_pieces(connection: socket.socket, pieces: list[bytes | memoryview]) -> None:
    """All of the pieces, large ones without copying them together; OSError if the peer does not take them in time."""
    if isinstance(connection, ssl.SSLSocket) or sum(map(len, pieces)) < 1 << 16:
        connection.sendall(b"".join(pieces))
        return
    left = [memoryview(piece) for piece in pieces]
    while left:
        sent = connection.sendmsg(left)
        while left and sent >= len(left[0]):
            sent -= len(left.pop(0))
        if left:
            left[0] = left[0][sent:]


def _keep_alive(connection: socket.socket) -> None:
    """TCP's own questions, so that a peer that vanished without a word is noticed in half a minute."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def cut(connection: socket.socket) -> None:
    """End a connection under whoever reads or writes it."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)

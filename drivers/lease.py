"""One controller at a time: a lease that any command of its holder renews and that silence ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic

from .registers import Registers
from .scpi_errors import NO_LEASE, TAKEN, ScpiError


@dataclass(eq=False)
class Link:
    """One client's connection. trusted: it may read. nonce: the challenge it was given. numbered: its last guarded message.

    cut: ends the connection, from any thread.
    """

    peer: str
    trusted: bool = True
    nonce: str = ""
    refusals: int = 0
    numbered: int = 0
    cut: Callable[[], None] = field(default=lambda: None, repr=False)
    registers: Registers = field(default_factory=Registers)


class Lease:
    """Who controls. A session is a word that the client chooses at random; it may move from a lost link to a new one."""

    def __init__(self, dead_man_s: float, clock: Callable[[], float] = monotonic) -> None:
        self.dead_man_s, self._clock = dead_man_s, clock
        self.session = ""
        self.link: Link | None = None
        self._heard_s = 0.0

    @property
    def silence_s(self) -> float:
        """Since the holder was last heard."""
        return self._clock() - self._heard_s

    @property
    def held(self) -> bool:
        """Whether somebody holds it, heard lately or not."""
        return bool(self.session)

    @property
    def silent(self) -> bool:
        """Whether its holder has been silent for so long that another may take it."""
        return self.held and self.silence_s > self.dead_man_s

    def heard(self, link: Link) -> None:
        """A message came over a link."""
        if link is self.link:
            self._heard_s = self._clock()

    def check_free(self, session: str) -> None:
        """ScpiError if another session holds it and is alive."""
        if self.held and session != self.session and not self.silent:
            peer = self.link.peer if self.link else "a lost link"
            raise ScpiError(
                TAKEN,
                f"{peer} controls the device and was heard {self.silence_s:.1f} s ago; it is free when that client closes, or "
                f"after {self.dead_man_s:g} s of silence",
            )

    def give(self, session: str, link: Link) -> None:
        """To this session over this link."""
        self.session, self.link, self._heard_s = session, link, self._clock()

    def check_session(self, session: str) -> None:
        """ScpiError unless this session holds it."""
        if not self.held or session != self.session:
            raise ScpiError(
                NO_LEASE,
                "this session does not hold the device any more: it was closed, restarted or taken; open again",
            )

    def check_link(self, link: Link) -> None:
        """ScpiError unless this link speaks for the holder."""
        if link is not self.link:
            raise ScpiError(NO_LEASE, "this link does not hold the device: open again (LEASe:TAKE?)")

    def free(self) -> None:
        """Nobody's."""
        self.session, self.link = "", None

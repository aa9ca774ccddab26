"""A link that follows a script: exactly these commands in this order, each with its reply; nothing more, nothing left over."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from opu.drivers.transport import LinkError

Pair = tuple[str, str | list[str] | BaseException | None]


class ScriptedLink:
    """A Link of (command, reply) pairs. reply None: no answer; a list: several lines; an exception: raised at receive().

    Reading where the script has no answer is a timeout, and closing loses what was not read, as with the real thing.
    """

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self.pairs: list[Pair] = list(pairs)
        self.is_open, self.opened, self.dead = False, 0, False
        self._replies: list[str | BaseException] = []
        self.wrong = ""

    def expect(self, *pairs: Pair) -> "ScriptedLink":
        """More of the script."""
        self.pairs += pairs
        return self

    def open(self) -> None:
        if self.dead:
            raise LinkError("connection refused")
        assert not self.is_open
        self.is_open = True
        self.opened += 1

    def close(self) -> None:
        self.is_open = False
        self._replies.clear()

    def send(self, line: str) -> None:
        assert self.is_open
        if self.dead:
            raise LinkError("cable pulled")
        wanted = self.pairs.pop(0) if self.pairs else ("nothing more", None)
        if line != wanted[0]:
            self.wrong = self.wrong or f"sent {line!r}, and the script expects {wanted[0]!r}"
            raise AssertionError(self.wrong)
        assert not self._replies, f"{line!r} was sent while {self._replies} is unread"
        reply = wanted[1]
        self._replies = [] if reply is None else list(reply) if isinstance(reply, list) else [reply]

    def receive(self) -> str:
        assert self.is_open
        if self.dead or not self._replies:
            raise LinkError("timeout")
        reply = self._replies.pop(0)
        if isinstance(reply, BaseException):
            raise reply
        return reply

    def finish(self) -> None:
        """Fails if the script was left, or not followed to its end."""
        assert not self.wrong, self.wrong
        assert not self.pairs, f"never sent: {[command for command, _ in self.pairs]}"
        assert not self._replies, f"never read: {self._replies}"


@contextmanager
def expected_protocol(*pairs: Pair) -> Iterator[ScriptedLink]:
    """A ScriptedLink whose script must have been followed to its end when the block ends."""
    link = ScriptedLink(pairs)
    yield link
    link.finish()


def acknowledged(*pairs: tuple[str, str | None]) -> list[Pair]:
    """Pairs of an instrument that sends OK after each answer, and for a command alone."""
    return [(command, ["OK"] if reply is None else [reply, "OK"]) for command, reply in pairs]


def checked(*commands: str, errors: str = "SYST:ERR?", none: str = '+0,"No error"') -> list[Pair]:
    """Commands without an answer, each followed by a look into an empty error queue."""
    return [pair for command in commands for pair in ((command, None), (errors, none))]
